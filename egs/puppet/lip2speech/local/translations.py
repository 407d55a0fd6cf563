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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parent))
from purity import purity
from unit_recogniser import trained_recogniser, words_in

from lip2speech.models.durations import runs
from lip2speech.models.translators import load_translator
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNIT_RATE
from vsr.data.manifest import Clip, read_manifest, read_manifests, translation_of
from vsr.evaluation.translation import score_translations
from vsr.evaluation.wer import score
from vsr.media.units import Codebook
from vsr.objectives.rewards import edits

AT_ONCE = 25  # clips translated together


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
    sequences, references = ([runs(list(units))[0] for units in clips] for clips in (predicted, true))
    wrong = sum(edits(sequence, reference) for sequence, reference in zip(sequences, references, strict=True))
    return 100 * wrong / sum(len(reference) for reference in references)


def length_errors(units, sources) -> list[int]:
    """By how many units each clip is longer or shorter than its source."""
    return [abs(len(target) - len(source)) for target, source in zip(units, sources, strict=True)]


@dataclass(frozen=True)
class Translations:
    """Clips translated into a language: the texts they should say, units (2T,) of each row, and each clip's pace."""

    language: str
    texts: list[str]
    units: dict[str, list]
    paces: list[float]

    @classmethod
    def of(cls, model, sources: Sequence[Clip], source_units: list, language: str, natural: list) -> "Translations":
        """Translate the units of clips; ``natural``: units of recordings in the language."""
        same, paces = translated_units(model, source_units, language, True)
        others, _ = translated_units(model, source_units[1:] + source_units[:1], language, True)
        units = {"same": same, "another clip": others, "not translated": source_units}
        if model.own_length:
            units["free"], _ = translated_units(model, source_units, language, False)
        texts = [translation_of(clip, language) for clip in sources]
        return cls(language, texts, units | {"natural units": natural}, paces)

    def lengths(self, row: str) -> list[int]:
        """`length_errors` of a row."""
        return length_errors(self.units[row], self.units["not translated"])

    def line(self, same: str) -> str:
        """For people; ``same``: figures of the words in the row of that name."""
        natural = self.units["natural units"]
        errors, of_others = (unit_errors(self.units[row], natural) for row in ("same", "another clip"))
        differ = f"units that differ {errors:.1f} % (of another clip {of_others:.1f})"
        return f"into {self.language}: {same}; {differ}; pace {np.mean(self.paces):.2f}"


def units_from_lips(folder: str, clips: Sequence[Clip]) -> list:
    """Units (2T,) that lips_units.py has written."""
    return [np.load(Path(folder) / f"{clip.id}.npy").ravel() for clip in clips]


def all_translations(model, heard: list[list[Clip]], said: list[list[Clip]], units: dict[str, Tensor], lips: str):
    """`Translations` into each language; ``lips``: from the units of lips in that folder, of the first list alone."""
    for place, targets in enumerate(said):
        if lips and place == 0:
            continue
        sources = heard[0][: len(targets)] if lips else sources_of(heard, place, len(targets))
        source_units = units_from_lips(lips, sources) if lips else [units[clip.id] for clip in sources]
        natural = [units[clip.id] for clip in targets]
        yield Translations.of(model, sources, source_units, heard[place][0].language, natural)


def print_rows(results: Sequence[tuple[Translations, dict[str, list[str]]]]) -> None:
    """Figures of each row over all languages; ``results``: translations and the texts read in each row."""
    texts = [text for translations, _ in results for text in translations.texts]
    for name in results[0][1]:
        print(f"{name}: {figures([text for _, read in results for text in read[name]], texts)}", flush=True)


def print_lengths(results: Sequence[Translations]) -> None:
    """How much longer or shorter than their sources the translations are."""
    most = max(error for translations in results for error in translations.lengths("same"))
    free = [error / UNIT_RATE for translations in results if "free" in translations.units
            for error in translations.lengths("free")]  # fmt: skip
    mean = f", free by {np.mean(free):.2f} s on average" if free else ""
    print(f"lengths: same differs by at most {most} units{mean}")


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
    heard, said = ([read_manifest(path)[: args.clips or None] for path in paths] for paths in (args.heard, args.said))
    train, heard_clips = read_manifests(args.train), [clip for clips in heard for clip in clips]
    units = units_of([*train, *heard_clips, *(clip for clips in said for clip in clips)], codebook)
    print(f"purity of units: {purity(heard_clips, units):.1f} % by all voices, "
          f"{purity(train, units):.1f} % by one of each language", flush=True)  # fmt: skip
    reader, tokenizer = trained_recogniser(train, units, len(codebook), args.steps, args.seed)
    results = []
    for translations in all_translations(model, heard, said, units, args.lips):
        read = {name: words_in(reader, row, tokenizer) for name, row in translations.units.items()}
        print(translations.line(figures(read["same"], translations.texts)), flush=True)
        results.append((translations, read))
    print_rows(results)
    print_lengths([translations for translations, _ in results])
    rows = {made.language: {"read": read["same"], "true": made.texts} for made, read in results}
    Path(args.out).write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
