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
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from combination import CachedScores
from misreadings import ErrorSimulator, sentences_in
from talk_folds import Members, members_parser, split, talks_of, weights_line

from vsr.decoding.combination import edits, feature_names, fit_start
from vsr.decoding.combiner import Combiner
from vsr.decoding.llm import TextModel, as_sentence, load_text_model
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.text_backbone import LoraSettings, with_lora
from vsr.text.normalise import lower

CLIP = 1.0  # of the gradient


def expected_errors(text_model: TextModel, lattice, weights: torch.Tensor, words) -> torch.Tensor:
    """Expected word error rate among the paths of a network, ranked by ``weights`` (F,); with gradients."""
    paths = [text.split() for text in lattice.texts()]
    logs = text_model.scores([as_sentence(path) for path in paths]).float()
    probabilities = (torch.from_numpy(lattice.features).float() @ weights[:-1] + weights[-1] * logs).softmax(0)
    return (probabilities * torch.tensor([edits(words, path) for path in paths])).sum() / len(words)


def tune(text_model: TextModel, misread: ErrorSimulator, texts, args) -> None:
    """Train the adapters in place; prints the expected word error rate."""
    trained = [parameter for parameter in text_model.model.parameters() if parameter.requires_grad]
    optimiser, rng = torch.optim.AdamW(trained, args.lr, weight_decay=0.01), np.random.default_rng(args.seed)
    names = feature_names(len(args.hypotheses), ["llm"], False)
    weights = torch.from_numpy(fit_start(names, ["llm"])).float()
    start_time, losses = time.process_time(), []
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 5) * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        optimiser.zero_grad()
        for words, reference in drawn(texts, args.batch, args.shuffle, rng):
            expected = expected_errors(text_model, misread.lattice(words, rng), weights, reference)
            (expected / args.batch).backward()
            losses.append(float(expected.detach()))
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        if (step + 1) % 10 == 0:
            minutes = (time.process_time() - start_time) / 60
            mean = np.mean(losses[-10 * args.batch :])
            print(f"step {step + 1}: expected errors of a word {mean:.4f}, {minutes:.1f} busy min", flush=True)


def drawn(texts: list, count: int, shuffled: bool, rng: np.random.Generator) -> Iterator[tuple[list, list]]:
    """Random sentences, each with the one that errors are counted against: itself, or ``shuffled`` another."""
    for index in rng.integers(0, len(texts), count):
        words = texts[int(index)]
        yield words, texts[int(rng.integers(len(texts)))] if shuffled else words


@dataclass(frozen=True)
class Fold:
    """Utterances with the words of their references: weights and error patterns come from ``fit``, ``test`` is read."""

    members: Members
    references: dict[str, list[str]]
    fit: list[str]
    test: list[str]

    @classmethod
    def of(cls, members: Members, args: argparse.Namespace) -> "Fold":
        """The fold ``--fold``."""
        references = {key: lower(members.references[key]).split() for key in members.readings}
        talks = talks_of(list(members.readings), args.group)
        return cls(members, references, *split(talks, args.fold, args.folds, args.salt))

    def with_words(self) -> list[str]:
        """Utterances of ``fit`` in which something is said."""
        return [key for key in self.fit if self.references[key]]

    def simulator(self, texts: list[list[str]]) -> ErrorSimulator:
        """Makes the members' errors of ``fit`` in texts."""
        keys, readings = self.with_words(), self.members.readings
        members = [[list(readings[key][n].words) for key in keys] for n in range(len(self.members.names))]
        return ErrorSimulator([self.references[key] for key in keys], members, texts)

    def combined(self, scorer) -> tuple[list[UtteranceScore], list[dict]]:
        """Scores and records of ``test`` with a language model, whose weights are fitted; prints them."""
        combiner = Combiner(len(self.members.names), False, {"llm": scorer})
        lattices = {key: combiner.lattice(readings) for key, readings in self.members.readings.items()}
        fitted = combiner.fitted([lattices[key] for key in self.fit], [self.references[key] for key in self.fit])
        print(weights_line(fitted), flush=True)
        records = [fitted.record(key, lattices[key]) for key in self.test]
        return [score_utterance(r["id"], " ".join(self.references[r["id"]]), r["text"]) for r in records], records


def with_adapters(plain: TextModel, rank: int) -> TextModel:
    """The model with adapters to be trained, in place."""
    lora = LoraSettings(rank, 2.0 * rank, 0.0, ("q_proj", "v_proj"))
    return TextModel(with_lora(plain.model.requires_grad_(False), lora), plain.tokenizer, plain.licence)


def save(model, tokenizer, folder: str) -> None:
    """Save as a folder for `vsr combine --llm`; transformers cannot save a model that it has read from GGUF."""
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    dense_model = type(model)(config).to(next(model.parameters()).dtype)
    dense_model.load_state_dict(model.state_dict())
    dense_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def parser() -> argparse.ArgumentParser:
    options = members_parser(__doc__, folds=3, salt="test")
    options.add_argument("--fold", type=int, default=0, help="that is measured (default: 0)")
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
    members = Members.read(args.hypotheses, args.ref)
    fold, spoken = Fold.of(members, args), {lower(text) for text in members.references.values()}
    texts = [words for words in sentences_in(args.texts, args.words) if " ".join(words) not in spoken]
    misread, plain = fold.simulator(texts), load_text_model(args.llm)
    print(f"{len(texts)} sentences; errors of {len(fold.with_words())} utterances; fold {args.fold}: {len(fold.test)}",
          flush=True)  # fmt: skip
    errors_before, records_before = fold.combined(CachedScores(args.scores or "", lambda: plain.sentences))
    torch.manual_seed(args.seed)
    tuned = with_adapters(plain, args.rank)
    tune(tuned, misread, texts, args)
    merged = tuned.model.merge_and_unload().eval()
    errors_after, records_after = fold.combined(TextModel(merged, plain.tokenizer, "").sentences)
    for name, records in (("as it came", records_before), ("tuned", records_after)):
        print(f"{name}:", *members.of(fold.test).lines(records)[-3:], sep="\n  ")
    mean, low, high = paired_gain(errors_before, errors_after)
    print(f"tuned better than as it came by {mean:.2f} ({low:.2f} to {high:.2f})")
    save(merged, plain.tokenizer, args.out)


if __name__ == "__main__":
    main()
