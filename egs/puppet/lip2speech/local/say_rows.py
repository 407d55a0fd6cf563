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
from pathlib import Path
from statistics import fmean

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
sys.path.insert(0, str(Path(__file__).parent))
from few_videos import drawn, fit
from translations import recogniser, unit_errors, words_in

from lip2speech.features.phones import phones_in, phones_of, steps_of
from lip2speech.inference.saying import open_text_units, say_text
from lip2speech.models.durations import rounded_durations
from lip2speech.models.text_units import PAUSE
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNIT_RATE
from vsr.data.manifest import read_manifest
from vsr.evaluation.comparison_rows import rates, write_scores
from vsr.evaluation.wer import score_utterance
from vsr.media.units import Codebook
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.tokenizer import train_tokenizer

MS = 1000 / UNIT_RATE


class Sayer:
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

    def true(self, clip) -> list[int]:
        """Units from the clip's phones with their true durations."""
        ids, steps, language_index = self.spans(clip)
        return self.model.say(ids, language_index, steps)

    def even(self, clip, phone: float, pause: float) -> list[int]:
        """Units from the clip's phones with one duration for all."""
        ids, _, language_index = self.spans(clip)
        return self.model.say(
            ids, language_index, rounded_durations([pause if phone_id == PAUSE else phone for phone_id in ids])
        )

    def late(self, clip, phone: float) -> tuple[list[float], list[float], float, float]:
        """Absolute duration errors (ms) of each phone, predicted and with the mean; the same of all phones together."""
        ids, steps, language_index = self.spans(clip)
        indices = [n for n, phone_id in enumerate(ids) if phone_id != PAUSE]
        predicted, true = self.model.predicted_durations(ids, language_index), [steps[n] for n in indices]
        errors = [MS * (predicted[n] - steps[n]) for n in indices]
        mean_errors = [MS * (phone - step) for step in true]
        return (
            [abs(error) for error in errors],
            [abs(error) for error in mean_errors],
            abs(sum(errors)),
            abs(sum(mean_errors)),
        )


def means(sayer, clips) -> tuple[float, float]:
    """Mean steps of a phone and of a pause."""
    pairs = [(phone_id, step) for clip in clips for phone_id, step in zip(*sayer.spans(clip)[:2], strict=True)]
    return fmean(step for phone_id, step in pairs if phone_id != PAUSE), fmean(
        step for phone_id, step in pairs if phone_id == PAUSE
    )


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


def reader_of(train, units, size: int, steps: int, seed: int):
    """The trained recogniser and its tokenizer."""
    tokenizer = train_tokenizer("word", [clip.text for clip in train])
    model = recogniser(tokenizer, size, seed)
    examples = [(units[c.id].view(-1, 2), torch.tensor(tokenizer.encode(c.text))) for c in train]
    fit(model, lambda batch: ctc_attention(model, batch)["loss"], drawn(examples, size, 0.05), steps, 2e-3, seed)
    return model.eval(), tokenizer


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    codebook = Codebook.load(Path(args.says[0]) / "units.safetensors")
    train, test_clips = ([clip for path in paths for clip in read_manifest(path)] for paths in (args.train, args.said))
    units = units_of([*train, *test_clips], codebook)
    reader, tokenizer = reader_of(train, units, len(codebook), args.steps, args.seed)

    def row(name: str, made) -> None:
        read = words_in(reader, made, tokenizer)
        scores = [score_utterance(c.id, c.text, text) for c, text in zip(test_clips, read, strict=True)]
        write_scores(Path(args.out) / name, {"test": scores})
        print(f"{name}: {rates(scores)}; units that differ {unit_errors(made, natural):.1f} %", flush=True)

    natural = [units[clip.id].tolist() for clip in test_clips]
    row("natural", natural)
    for seed, folder in enumerate(args.says):
        sayer = Sayer(open_text_units(folder), units)
        phone, pause = means(sayer, train)
        predicted = [sayer.predicted(clip) for clip in test_clips]
        row(f"predicted_{seed}", predicted)
        row(f"true_{seed}", [sayer.true(clip) for clip in test_clips])
        row(f"mean_{seed}", [sayer.even(clip, phone, pause) for clip in test_clips])
        row(f"other_{seed}", others(predicted, test_clips))
        duration_errors = [sayer.late(clip, phone) for clip in test_clips]
        errors, mean_errors = (
            [error for clip_errors in duration_errors for error in clip_errors[side]] for side in (0, 1)
        )
        print(f"durations of {len(errors)} phones off by {fmean(errors):.1f} ms, the mean ({MS * phone:.1f} ms) by "
              f"{fmean(mean_errors):.1f}; clips by {fmean(clip_errors[2] for clip_errors in duration_errors):.0f}, "
              f"{fmean(clip_errors[3] for clip_errors in duration_errors):.0f}", flush=True)  # fmt: skip


def others(made, clips):
    """Gives each clip the output of the next clip of its language."""
    by_language = [
        [index for index, clip in enumerate(clips) if clip.language == language]
        for language in dict.fromkeys(clip.language for clip in clips)
    ]
    following = {
        index: indices[(position + 1) % len(indices)]
        for indices in by_language
        for position, index in enumerate(indices)
    }
    return [made[following[index]] for index in range(len(clips))]


if __name__ == "__main__":
    main()
