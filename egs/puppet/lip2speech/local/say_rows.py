#!/usr/bin/env python3
"""Word errors of a unit recogniser on the output of `lip2speech say`, and errors of the durations.

    local/say_rows.py --says exp/say_{0,1,2}/model --said data/one_{en,es,de}/test.jsonl \\
        --train data/one_{en,es,de}/train.jsonl --out exp/said

The recogniser is trained on the units of --train, which hold none of the test's combinations, like that of
translations.py; its figure on the natural units of --said is the upper bound. Rows: phones by espeak with predicted
durations; the clip's own phones with true durations; one duration for every phone, the mean of the training clips.
Control: the output for the next clip's text. Prints word error rates with bootstrap intervals over the clips, and the
duration errors in ms, of phones and of all phones of a clip together. Writes a folder for each row and seed to --out,
for ../../../grid/vsr/local/seeds.py.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import fmean

import torch

sys.path.insert(0, str(Path(__file__).parent))
from translations import unit_errors
from unit_recogniser import trained_recogniser, words_in

from lip2speech.features.phones import phones_in, phones_of, steps_of
from lip2speech.inference.saying import open_text_units, say_text
from lip2speech.models.durations import rounded_durations
from lip2speech.models.text_units import PAUSE
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNIT_RATE
from vsr.data.manifest import read_manifests
from vsr.evaluation.comparison_rows import rates, write_scores
from vsr.evaluation.wer import score_utterance
from vsr.media.units import Codebook

MS = 1000 / UNIT_RATE


class TextToUnits:
    """Units for the clips of a list, by a text-to-unit model; ``units`` (N,) are those of the recordings."""

    def __init__(self, model, units):
        self.model, self.units, self.languages = model, units, model.config.languages

    def spans(self, clip):
        """Ids of the clip's own phones and pauses, their true steps, the index of its language."""
        labels, steps = steps_of(phones_of(clip, clip.language), len(self.units[clip.id]))
        return self.model.config.ids(labels), steps, self.languages.index(clip.language)

    def predicted(self, clip) -> list[int]:
        """Units from the text alone, as by `lip2speech say`."""
        return list(say_text(self.model, [phones_in(clip.text, clip.language)], clip.language).units)

    def with_true_durations(self, clip) -> list[int]:
        """Units from the clip's phones with their true durations."""
        ids, steps, language_index = self.spans(clip)
        return self.model.say(ids, language_index, steps)

    def with_mean_durations(self, clip, phone: float, pause: float) -> list[int]:
        """Units from the clip's phones with one duration for all."""
        ids, _, language_index = self.spans(clip)
        steps = rounded_durations([pause if phone_id == PAUSE else phone for phone_id in ids])
        return self.model.say(ids, language_index, steps)

    def duration_errors(self, clip, phone: float) -> tuple[list[float], list[float], float, float]:
        """Absolute duration errors (ms) of each phone, predicted and with the mean; the same of all phones together."""
        ids, steps, language_index = self.spans(clip)
        spoken = [n for n, phone_id in enumerate(ids) if phone_id != PAUSE]
        predicted = self.model.predicted_durations(ids, language_index)
        errors = [MS * (predicted[n] - steps[n]) for n in spoken]
        mean_errors = [MS * (phone - steps[n]) for n in spoken]
        total, mean_total = abs(sum(errors)), abs(sum(mean_errors))
        return [abs(error) for error in errors], [abs(error) for error in mean_errors], total, mean_total


def means(sayer, clips) -> tuple[float, float]:
    """Mean steps of a phone and of a pause."""
    phones, pauses = [], []
    for clip in clips:
        ids, steps, _ = sayer.spans(clip)
        for phone_id, step in zip(ids, steps, strict=True):
            (pauses if phone_id == PAUSE else phones).append(step)
    return fmean(phones), fmean(pauses)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "--says", nargs="+", required=True, metavar="DIR", help="models of several seeds, of one codebook"
    )
    for flag in ("--said", "--train"):
        options.add_argument(flag, nargs="+", required=True, metavar="JSONL")
    options.add_argument("--steps", type=int, default=800, help="of the recogniser (default: 800)")
    options.add_argument("--seed", type=int, default=0, help="of the recogniser (default: 0)")
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def outputs_of(sayer: TextToUnits, clips, phone: float, pause: float) -> Iterator[tuple[str, list]]:
    """Each row and its units of each clip; ``phone``, ``pause``: mean steps."""
    predicted = [sayer.predicted(clip) for clip in clips]
    yield "predicted", predicted
    yield "true", [sayer.with_true_durations(clip) for clip in clips]
    yield "mean", [sayer.with_mean_durations(clip, phone, pause) for clip in clips]
    yield "other", outputs_of_next(predicted, clips)


def duration_line(sayer: TextToUnits, clips, phone: float) -> str:
    """Duration errors of phones and of clips, predicted and with the mean ``phone``, for people."""
    errors, mean_errors, of_clips, mean_of_clips = zip(*(sayer.duration_errors(c, phone) for c in clips), strict=True)
    errors, mean_errors = list(chain(*errors)), list(chain(*mean_errors))
    return (f"durations of {len(errors)} phones off by {fmean(errors):.1f} ms, the mean ({MS * phone:.1f} ms) by "
            f"{fmean(mean_errors):.1f}; clips by {fmean(of_clips):.0f}, {fmean(mean_of_clips):.0f}")  # fmt: skip


def outputs_of_next(outputs, clips):
    """Gives each clip the output of the next clip of its language."""
    following = {}
    for language in {clip.language for clip in clips}:
        indices = [index for index, clip in enumerate(clips) if clip.language == language]
        following |= dict(zip(indices, indices[1:] + indices[:1], strict=True))
    return [outputs[following[index]] for index in range(len(clips))]


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    codebook = Codebook.load(Path(args.says[0]) / "units.safetensors")
    train, test_clips = read_manifests(args.train), read_manifests(args.said)
    units = units_of([*train, *test_clips], codebook)
    reader, tokenizer = trained_recogniser(train, units, len(codebook), args.steps, args.seed)
    natural = [units[clip.id].tolist() for clip in test_clips]

    def row(name: str, outputs) -> None:
        read = words_in(reader, outputs, tokenizer)
        scores = [score_utterance(c.id, c.text, text) for c, text in zip(test_clips, read, strict=True)]
        write_scores(Path(args.out) / name, {"test": scores})
        print(f"{name}: {rates(scores)}; units that differ {unit_errors(outputs, natural):.1f} %", flush=True)

    row("natural", natural)
    for seed, folder in enumerate(args.says):
        sayer = TextToUnits(open_text_units(folder), units)
        phone, pause = means(sayer, train)
        for name, outputs in outputs_of(sayer, test_clips, phone, pause):
            row(f"{name}_{seed}", outputs)
        print(duration_line(sayer, test_clips, phone), flush=True)


if __name__ == "__main__":
    main()
