#!/usr/bin/env python3
"""What a recogniser of units reads in the output of `lip2speech say`, and how far the durations are off.

    local/said_rows.py --says exp/say_{0,1,2}/model --said data/one_{en,es,de}/test.jsonl \\
        --train data/one_{en,es,de}/train.jsonl --out exp/said

The recogniser learns from the units of --train, which hold none of the test's combinations, as that of
translations.py; its figure on the natural units of --said is the upper bound. Said: phones by espeak, predicted
durations; the clip's own phones with its true durations; one duration for every phone, the mean of the training clips'.
Control: what is said of the next clip's text. Prints word error rates with intervals by bootstrap over the clips, and
the error of durations in ms, of phones and of all phones of a clip together. Writes a folder for each row and seed to
--out, which ../../../grid/vsr/local/seeds.py compares.
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
from lip2speech.models.durations import free
from lip2speech.models.text_units import PAUSE
from lip2speech.training.unit_pairs import units_of
from vsr.core.clock import UNIT_RATE
from vsr.data.manifest import read_manifest
from vsr.evaluation.rows import keep_scores, rates
from vsr.evaluation.wer import score_utterance
from vsr.media.units import Codebook
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.tokenizer import train_tokenizer

MS = 1000 / UNIT_RATE


class Sayer:
    """What says the clips of a list, by a model and the units (N,) of each."""

    def __init__(self, model, units):
        self.model, self.units, self.languages = model, units, model.config.languages

    def spans(self, clip):
        """Ids of its own phones and pauses, their true steps, the place of its language."""
        labels, steps = steps_of(phones_of(clip, clip.language), len(self.units[clip.id]))
        return self.model.config.ids(labels), steps, self.languages.index(clip.language)

    def predicted(self, clip) -> list[int]:
        """By the text alone, as `lip2speech say` does."""
        return list(say_text(self.model, [phones_in(clip.text, clip.language)], clip.language).units)

    def true(self, clip) -> list[int]:
        """The clip's phones with their true durations."""
        ids, steps, place = self.spans(clip)
        return self.model.say(ids, place, steps)

    def even(self, clip, phone: float, pause: float) -> list[int]:
        """The clip's phones, each as long as any other."""
        ids, _, place = self.spans(clip)
        return self.model.say(ids, place, free([pause if own == PAUSE else phone for own in ids]))

    def late(self, clip, phone: float) -> tuple[list[float], list[float], float, float]:
        """ms by which each phone is off, by prediction and by the mean; the same of all its phones together."""
        ids, steps, place = self.spans(clip)
        said = [n for n, own in enumerate(ids) if own != PAUSE]
        found, true = self.model.lasting(ids, place), [steps[n] for n in said]
        own = [MS * (found[n] - steps[n]) for n in said]
        mean = [MS * (phone - each) for each in true]
        return [abs(each) for each in own], [abs(each) for each in mean], abs(sum(own)), abs(sum(mean))


def means(sayer, clips) -> tuple[float, float]:
    """Mean steps of a phone and of a pause."""
    each = [(own, step) for clip in clips for own, step in zip(*sayer.spans(clip)[:2], strict=True)]
    return fmean(step for own, step in each if own != PAUSE), fmean(step for own, step in each if own == PAUSE)


def parser() -> argparse.ArgumentParser:
    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--says", nargs="+", required=True, metavar="DIR", help="models of several seeds, of one codebook")
    for flag in ("--said", "--train"):
        own.add_argument(flag, nargs="+", required=True, metavar="JSONL")
    own.add_argument("--steps", type=int, default=800, help="of the recogniser (default: 800)")
    own.add_argument("--seed", type=int, default=0, help="of the recogniser (default: 0)")
    own.add_argument("--out", required=True, metavar="DIR")
    return own


def reader_of(train, units, size: int, steps: int, seed: int):
    """The recogniser, trained, and its tokenizer."""
    tokenizer = train_tokenizer("word", [clip.text for clip in train])
    model = recogniser(tokenizer, size, seed)
    known = [(units[c.id].view(-1, 2), torch.tensor(tokenizer.encode(c.text))) for c in train]
    fit(model, lambda batch: ctc_attention(model, batch)["loss"], drawn(known, size, 0.05), steps, 2e-3, seed)
    return model.eval(), tokenizer


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    codebook = Codebook.load(Path(args.says[0]) / "units.safetensors")
    train, said = ([clip for path in own for clip in read_manifest(path)] for own in (args.train, args.said))
    units = units_of([*train, *said], codebook)
    reader, tokenizer = reader_of(train, units, len(codebook), args.steps, args.seed)

    def row(name: str, made) -> None:
        read = words_in(reader, made, tokenizer)
        each = [score_utterance(c.id, c.text, text) for c, text in zip(said, read, strict=True)]
        keep_scores(Path(args.out) / name, {"test": each})
        print(f"{name}: {rates(each)}; units that differ {unit_errors(made, natural):.1f} %", flush=True)

    natural = [units[clip.id].tolist() for clip in said]
    row("natural", natural)
    for seed, folder in enumerate(args.says):
        sayer = Sayer(open_text_units(folder), units)
        phone, pause = means(sayer, train)
        predicted = [sayer.predicted(clip) for clip in said]
        row(f"predicted_{seed}", predicted)
        row(f"true_{seed}", [sayer.true(clip) for clip in said])
        row(f"mean_{seed}", [sayer.even(clip, phone, pause) for clip in said])
        row(f"other_{seed}", others(predicted, said))
        late = [sayer.late(clip, phone) for clip in said]
        own, mean = ([each for one in late for each in one[place]] for place in (0, 1))
        print(f"durations of {len(own)} phones off by {fmean(own):.1f} ms, the mean ({MS * phone:.1f} ms) by "
              f"{fmean(mean):.1f}; clips by {fmean(one[2] for one in late):.0f}, "
              f"{fmean(one[3] for one in late):.0f}", flush=True)  # fmt: skip


def others(made, clips):
    """Of each clip what the next of its language says."""
    places = [[n for n, c in enumerate(clips) if c.language == own] for own in dict.fromkeys(c.language for c in clips)]
    after = {n: own[(place + 1) % len(own)] for own in places for place, n in enumerate(own)}
    return [made[after[n]] for n in range(len(clips))]


if __name__ == "__main__":
    main()
