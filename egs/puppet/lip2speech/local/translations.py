#!/usr/bin/env python3
"""Quality of unit translation: BLEU and WER by a recogniser of units, unit errors, lengths.

    local/translations.py --translator exp/translator/model --heard data/all_{en,es,de,it,pt,fr}/test.jsonl \\
        --said data/one_{en,es,de,it,pt,fr}/test.jsonl --train data/one_{en,es,de,it,pt,fr}/train.jsonl --out rows.json

Clip n is translated into each language from one of the others in turn. The recogniser reads words of all languages by
CTC from the units of --train, which hold none of the test's combinations; its figure on the natural units of --said is
the upper bound. Controls: units of another clip, and the source without translation. --lips gives units predicted from
lips instead of those of the sound (id.npy, (T, 2) integers).
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
sys.path.insert(0, str(Path(__file__).parent))
from few_videos import batch_of, batch_sampler, fit
from purity import purity

from lip2speech.models.durations import runs
from lip2speech.models.translators import load_translator
from lip2speech.training.unit_pairs import units_of
from vsr.data.manifest import read_manifest, read_manifests, translation_of
from vsr.evaluation.translation import score_translations
from vsr.evaluation.wer import score
from vsr.media.units import Codebook
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.rewards import edits
from vsr.text.tokenizer import train_tokenizer

AT_ONCE = 25  # clips translated together


def recogniser(tokenizer, size: int, seed: int) -> LipReader:
    """Two Conformer layers and CTC on units, with random weights."""
    torch.manual_seed(seed)
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, heads=4, hidden=256,
        layers=2, kernel=15, decoder_layers=0, ctc_weight=1.0, alignment_weight=0.0,
    )  # fmt: skip
    return LipReader(config)


@torch.inference_mode()
def words_in(model: LipReader, units, tokenizer) -> list[str]:
    """Texts that the recogniser reads in the units (2T,) of each clip."""
    texts = []
    for clip_units in units:
        if len(clip_units) < 2:
            texts.append("")
            continue
        batch = batch_of(
            [(torch.as_tensor(clip_units)[: len(clip_units) // 2 * 2].view(-1, 2), torch.zeros(1, dtype=torch.long))]
        )
        ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        texts.append(tokenizer.decode(best.tokens))
    return texts


def translated_units(model, sources, language: str, same: bool):
    """Units (2T,) of each clip in a language, empty if there is no time for them; and the pace of each clip."""
    results = []
    for first in range(0, len(sources), AT_ONCE):
        part = [torch.as_tensor(clip_units).view(-1, 2) for clip_units in sources[first : first + AT_ONCE]]
        lengths = torch.tensor([len(clip_units) for clip_units in part])
        results += model.translate(pad_sequence(part, True), lengths, language, same)
    return [result.units for result in results], [result.pace for result in results]


def sources_of(lists, place: int, count: int):
    """``count`` clips to translate into the language of list ``place``: clip n is from the other lists in turn."""
    others = [clips for index, clips in enumerate(lists) if index != place]
    return [others[index % len(others)][index] for index in range(count)]


def figures(read: list[str], true: list[str]) -> str:
    """BLEU and WER with intervals."""
    hypotheses = {f"{number:04d}": text for number, text in enumerate(read)}
    references = {f"{number:04d}": text for number, text in enumerate(true)}
    bleu, (wer, _) = score_translations(references, hypotheses), score(references, hypotheses)
    return (
        f"BLEU {bleu.value:.1f} ({bleu.low:.1f} - {bleu.high:.1f})  WER {100 * wer.wer:.1f} "
        f"({100 * wer.wer_low:.1f} - {100 * wer.wer_high:.1f}) of {wer.words} words"
    )


def unit_errors(predicted, true) -> float:
    """Edits between units without repetitions, in % of the true ones."""
    pairs = [
        (runs(list(unit_sequence))[0], runs(list(true_sequence))[0])
        for unit_sequence, true_sequence in zip(predicted, true, strict=True)
    ]
    wrong = sum(edits(sequence, reference) for sequence, reference in pairs)
    return 100 * wrong / sum(len(reference) for _, reference in pairs)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--translator", required=True, metavar="DIR")
    for flag in ("--heard", "--said", "--train"):
        options.add_argument(flag, nargs="+", required=True, metavar="JSONL")
    options.add_argument("--lips", metavar="DIR", help="units of the clips of the first list of --heard alone")
    options.add_argument("--clips", type=int, default=0, metavar="N", help="the first N of each list (default: all)")
    options.add_argument("--steps", type=int, default=400, help="of the recogniser (default: 400)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", required=True, metavar="FILE")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    model = load_translator(args.translator)
    codebook = Codebook.load(Path(args.translator) / "units.safetensors")
    source_lists, target_lists = (
        [read_manifest(path)[: args.clips or None] for path in paths] for paths in (args.heard, args.said)
    )
    train = read_manifests(args.train)
    units = units_of([*train, *(clip for clips in source_lists + target_lists for clip in clips)], codebook)
    print(f"purity of units: {purity([clip for clips in source_lists for clip in clips], units):.1f} % by all voices, "
          f"{purity(train, units):.1f} % by one of each language", flush=True)  # fmt: skip
    tokenizer = train_tokenizer("word", [clip.text for clip in train])
    reader = recogniser(tokenizer, len(codebook), args.seed)
    examples = [(units[clip.id].view(-1, 2), torch.tensor(tokenizer.encode(clip.text))) for clip in train]
    draw_batch = batch_sampler(examples, len(codebook), 0.05)
    fit(reader, lambda batch: ctc_attention(reader, batch)["loss"], draw_batch, args.steps, 2e-3, args.seed)
    reader.eval()
    languages = [clips[0].language for clips in source_lists]
    hypotheses_by_row, natural = {"same": [], "another clip": [], "not translated": []}, []
    figures_by_language, texts, differ, length_errors, rows = {}, [], [], [], {}
    for index, language in enumerate(languages):
        if args.lips and index == 0:
            continue
        count = len(target_lists[index])
        sources = source_lists[0][:count] if args.lips else sources_of(source_lists, index, count)
        source_units = [
            np.load(Path(args.lips) / f"{clip.id}.npy").ravel() if args.lips else units[clip.id] for clip in sources
        ]
        true = [translation_of(clip, language) for clip in sources]
        same, paces = translated_units(model, source_units, language, True)
        free = translated_units(model, source_units, language, False)[0] if model.own_length else []
        wrong, _ = translated_units(model, source_units[1:] + source_units[:1], language, True)
        length_errors += [abs(len(target) - len(source)) for target, source in zip(same, source_units, strict=True)]
        differ += [abs(len(target) - len(source)) / 50 for target, source in zip(free, source_units, strict=bool(free))]
        read = words_in(reader, same, tokenizer)
        figures_by_language[language], texts = figures(read, true), texts + true
        comparison = [units[clip.id] for clip in target_lists[index]]
        print(f"into {language}: {figures_by_language[language]}; "
              f"units that differ {unit_errors(same, comparison):.1f} % (of another clip "
              f"{unit_errors(wrong, comparison):.1f}); pace {np.mean(paces):.2f}", flush=True)  # fmt: skip
        hypotheses_by_row["same"] += read
        hypotheses_by_row["another clip"] += words_in(reader, wrong, tokenizer)
        hypotheses_by_row["not translated"] += words_in(reader, source_units, tokenizer)
        if free:
            hypotheses_by_row.setdefault("free", []).extend(words_in(reader, free, tokenizer))
        natural += words_in(reader, comparison, tokenizer)
        rows[language] = {"read": read, "true": true}
    for name, read in [*hypotheses_by_row.items(), ("natural units", natural)]:
        print(f"{name}: {figures(read, texts)}", flush=True)
    comparison = f", free by {np.mean(differ):.2f} s on average" if differ else ""
    print(f"lengths: same differs by at most {max(length_errors)} units{comparison}")
    Path(args.out).write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
