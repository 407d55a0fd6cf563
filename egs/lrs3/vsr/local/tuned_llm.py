#!/usr/bin/env python3
"""Fine-tune a language model (LoRA) to choose among hypotheses, on sentences corrupted with the members' errors.

    local/tuned_llm.py --ref ref.jsonl --group 'test/([^/]+)/' --llm SmolLM2-135M --texts common_voice_en.txt \\
        --out exp/tuned auto_avsr.jsonl vspllm_433h.jsonl avhubert_433h.jsonl vspllm_30h.jsonl avhubert_30h.jsonl

Members and folds are those of combination.py. Error patterns come from the other folds' talks (the idea of LipGER,
Ghosh et al. 2024), whose references are not used as training text: each member's misreading of a sentence of --texts is
drawn from them, the confusion network is built, and the adapters are trained to minimise the expected word errors among
its paths, as `vsr combine` ranks them. Then weights are fitted with the tuned model's log-probabilities, and the fold's
own talks are decoded once, and with the original model for comparison. --out is a folder for `vsr combine --llm`.
--shuffle counts errors against another sentence (control); --scores stores the log-probabilities of the original model.
"""

import argparse
import copy
import math
import re
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from combination import Kept

from vsr.decoding.combination import Reading, edits, feature_names, fit_start, lattice_of
from vsr.decoding.combiner import Combiner, readings_of
from vsr.decoding.error_patterns import AlikeWords, patterns_of
from vsr.decoding.llm import TextModel, as_sentence, load_text_model
from vsr.evaluation.combined import combination_figures, paired_gain
from vsr.evaluation.wer import read_hypotheses, read_records, score_utterance
from vsr.models.text_backbone import LoraSettings, with_lora
from vsr.text.normalise import lower
from vsr.text.pronounce import Pronouncer
from vsr.text.visemes import visemes_of

OFTEN, PATHS, CLIP = 2, 12, 1.0  # fewest occurrences of a word that replaces another; paths of a sentence; clipping


def sentences_in(path: str, longest: int) -> list[list[str]]:
    """Lines of 3 to ``longest`` words."""
    lines = (lower(line).split() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [words for words in lines if 3 <= len(words) <= longest]


class Misread:
    """Corrupts sentences with the members' error patterns, taken from references and hypotheses."""

    def __init__(self, references, members, texts):
        pronouncer, vocabulary = Pronouncer(), Counter(word for words in texts for word in words)
        phones = {word: (pronouncer.variants(word) or ((),))[0] for word, n in vocabulary.items() if n >= OFTEN}
        self.known = {word: visemes_of(pronunciation) for word, pronunciation in phones.items() if pronunciation}
        self.alike = AlikeWords(Counter({word: vocabulary[word] for word in self.known}), self.known.__getitem__)
        self.patterns = patterns_of(references, members)

    def lattice(self, words, rng):
        """The confusion network of a corrupted sentence, without language models."""
        misreadings = self.patterns.draw(words, lambda word: self.alike(word) if word in self.known else (), rng)
        return lattice_of(
            [Reading(tuple(misreading), (1.0,) * len(misreading)) for misreading in misreadings], False, PATHS
        )


def expected_errors(text_model: TextModel, lattice, weights: torch.Tensor, told) -> torch.Tensor:
    """Expected word error rate among the paths of a network, ranked by ``weights`` (F,); with gradients."""
    paths = [text.split() for text in lattice.texts()]
    logs = text_model.scores([as_sentence(path) for path in paths]).float()
    probabilities = (torch.from_numpy(lattice.features).float() @ weights[:-1] + weights[-1] * logs).softmax(0)
    return (probabilities * torch.tensor([edits(told, path) for path in paths])).sum() / len(told)


def tune(text_model: TextModel, misread: Misread, texts, args) -> None:
    """Train the adapters in place; prints the expected word error rate."""
    trained = [parameter for parameter in text_model.model.parameters() if parameter.requires_grad]
    optimiser, rng = torch.optim.AdamW(trained, args.lr, weight_decay=0.01), np.random.default_rng(args.seed)
    names, start_time, losses = feature_names(len(args.hypotheses), ["llm"], False), time.process_time(), []
    weights = torch.from_numpy(fit_start(names, ["llm"])).float()
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 5) * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        optimiser.zero_grad()
        for index in rng.integers(0, len(texts), args.batch):
            words = texts[int(index)]
            reference = texts[int(rng.integers(len(texts)))] if args.shuffle else words
            expected = expected_errors(text_model, misread.lattice(words, rng), weights, reference)
            (expected / args.batch).backward()
            losses.append(float(expected.detach()))
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        if (step + 1) % 10 == 0:
            minutes = (time.process_time() - start_time) / 60
            mean = np.mean(losses[-10 * args.batch :])
            print(f"step {step + 1}: expected errors of a word {mean:.4f}, {minutes:.1f} busy min", flush=True)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("hypotheses", nargs="+", metavar="JSONL")
    options.add_argument("--ref", required=True, metavar="JSONL")
    options.add_argument("--group", required=True, metavar="REGEX", help="whose first group in the id names the talk")
    options.add_argument("--folds", type=int, default=3)
    options.add_argument("--fold", type=int, default=0, help="that is measured (default: 0)")
    options.add_argument("--salt", default="test", help="how the talks are dealt into folds (default: test)")
    options.add_argument("--llm", required=True, metavar="MODEL")
    options.add_argument("--texts", required=True, metavar="FILE", help="lines of text")
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--batch", type=int, default=4, help="sentences of a step (default: 4)")
    options.add_argument("--lr", type=float, default=5e-4)
    options.add_argument("--rank", type=int, default=8, help="of the adapters (default: 8)")
    options.add_argument("--words", type=int, default=14, metavar="N", help="of a sentence at most (default: 14)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--shuffle", action="store_true")
    options.add_argument("--scores", metavar="JSON", help="keeps those of --llm as it came")
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    files = [read_records(path) for path in args.hypotheses]
    readings, refs = readings_of(files, args.hypotheses, lower), read_hypotheses(args.ref)
    fold = {k: zlib.crc32(f"{args.salt}{re.search(args.group, k).group(1)}".encode()) % args.folds for k in readings}
    fit_keys, test_keys = (
        [key for key in readings if (fold[key] == args.fold) is in_fold] for in_fold in (False, True)
    )
    reference_texts, references = (
        {lower(text) for text in refs.values()},
        {key: lower(refs[key]).split() for key in readings},
    )
    texts = [words for words in sentences_in(args.texts, args.words) if " ".join(words) not in reference_texts]
    fit_with_words = [key for key in fit_keys if references[key]]
    members = [[list(readings[key][n].words) for key in fit_with_words] for n in range(len(files))]
    misread = Misread([references[key] for key in fit_with_words], members, texts)
    before = load_text_model(args.llm)
    print(
        f"{len(texts)} sentences; errors of {len(fit_with_words)} utterances; fold {args.fold}: {len(test_keys)}",
        flush=True,
    )
    cached_scores = Kept(args.scores or "", lambda: before.sentences)
    errors_before, records_before = combined(cached_scores, readings, references, fit_keys, test_keys)
    torch.manual_seed(args.seed)
    lora = LoraSettings(args.rank, 2.0 * args.rank, 0.0, ("q_proj", "v_proj"))
    tuned = TextModel(with_lora(before.model.requires_grad_(False), lora), before.tokenizer, before.licence)
    tune(tuned, misread, texts, args)
    merged = tuned.model.merge_and_unload().eval()
    errors_after, records = combined(
        TextModel(merged, before.tokenizer, "").sentences, readings, references, fit_keys, test_keys
    )
    listed = [{key: record["text"] for key, record in file.items() if key in test_keys} for file in files]
    for name, results in (("as it came", records_before), ("tuned", records)):
        print(
            f"{name}:",
            *combination_figures({k: refs[k] for k in test_keys}, listed, results).lines(args.hypotheses)[-3:],
            sep="\n  ",
        )
    print("tuned better than as it came by {:.2f} ({:.2f} to {:.2f})".format(*paired_gain(errors_before, errors_after)))
    save(merged, before.tokenizer, args.out)


def save(model, tokenizer, folder: str) -> None:
    """Save as a folder for `vsr combine --llm`; transformers cannot save a model that it has read from GGUF."""
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    dense_model = type(model)(config).to(next(model.parameters()).dtype)
    dense_model.load_state_dict(model.state_dict())
    dense_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def combined(scorer, readings, said, rest, own):
    """Scores of the utterances in ``own``, and their records, with weights fitted on ``rest``."""
    combiner = Combiner(len(next(iter(readings.values()))), False, {"llm": scorer})
    lattices = {key: combiner.lattice(readings[key]) for key in readings}
    fitted = combiner.fitted([lattices[key] for key in rest], [said[key] for key in rest])
    print(
        "  " + ", ".join(f"{n} {v:.2f}" for n, v in zip(fitted.names, fitted.weights_in_use, strict=True)), flush=True
    )
    records = [fitted.record(key, lattices[key]) for key in own]
    return [score_utterance(r["id"], " ".join(said[r["id"]]), r["text"]) for r in records], records


if __name__ == "__main__":
    main()
