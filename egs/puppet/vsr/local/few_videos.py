#!/usr/bin/env python3
"""How many transcribed videos a new language needs: LMDecoder's stages on stored states of a trained encoder.

    local/few_videos.py --source data/fr/waves/train/manifest.jsonl --train data/es/crops/train/manifest.jsonl \\
        --dev data/es/crops/dev/manifest.jsonl --test data/es/crops/test/manifest.jsonl --language es \\
        --tokenizer data/tokens

Stage 1 is trained on videos of --source (crops and sound, no text) to predict the units of the sound; stage 2 reads
text from units of --spoken sentences, synthesised by espeak in --language, which no list holds; the bridge joins both
and is trained on some clips of --train. Three readers of the same shape and steps for each number of clips: from
scratch, with stage 1, with both. --shuffle exchanges the texts of the spoken sentences: the control. Error rates of the
test list (greedy CTC) with bootstrap intervals over the clips; those of dev are printed too, and nothing is chosen on
the test list. Writes a folder for each kind of reader to --out, for ../../grid/vsr/local/seeds.py.
"""

import argparse
import copy
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from bridged_reader import reader
from spoken_sentences import synthesised_sentences
from unit_rig import Examples, batch_of, batch_sampler, fit, fit_text, state_unit_pairs

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from encoder_states import encoder_states
from rig_options import rig_parser

from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.batch import Batch
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.sound_input import clip_wave
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.comparison_rows import write_scores
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval, score_utterance
from vsr.media.units import Mfcc, fit_codebook
from vsr.models.lipreader import LipReader
from vsr.models.target_heads import UNITS, FrameUnitHead
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower
from vsr.text.tokenizer import load_tokenizer

REPLACED = 0.2  # share of the units of spoken sentences that are replaced in training


@dataclass(frozen=True)
class Videos:
    """Clips of a list, with the states of their lips and the tokens of their texts."""

    clips: Sequence[Clip]
    examples: Examples

    @classmethod
    def of(cls, path: str, loaded: LoadedModel, tokenizer, root: str) -> "Videos":
        """The clips of a manifest; states are cached under ``root``."""
        clips = read_manifest(path)
        tokens = [torch.tensor(tokenizer.encode(clip.text)) for clip in clips]
        return cls(clips, list(zip(encoder_states(loaded, clips, root), tokens, strict=True)))

    @torch.inference_mode()
    def scores(self, model: LipReader, tokenizer) -> list[UtteranceScore]:
        """Scores of greedy CTC on each clip."""
        model.eval()
        scores = []
        for clip, example in zip(self.clips, self.examples, strict=True):
            batch = batch_of([example])
            ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
            scores.append(score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best.tokens))))
        return scores


def units_of_waves(
    videos: Sequence[np.ndarray], spoken: Sequence[np.ndarray], size: int, seed: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Units (T, 2) of the sounds of videos and of spoken sentences, by one codebook of both."""
    extractor = Mfcc()
    codebook = fit_codebook(extractor, [*videos, *spoken], size, seed)

    def units(wave: np.ndarray) -> Tensor:
        return codebook.units(extractor.frames(torch.from_numpy(wave))).view(-1, UNITS_PER_FRAME)

    return [units(wave) for wave in videos], [units(wave) for wave in spoken]


def learn_units(head: FrameUnitHead, pairs: Examples, args: argparse.Namespace) -> None:
    """Stage 1: units of the sound from states of the lips."""

    def loss(batch: Batch) -> Tensor:
        return head.loss(batch.inputs[UNITS], batch)["loss"]

    fit(head, loss, batch_sampler(pairs), args.steps, 5e-3, args.seed)
    print(f"stage 1: {100 * accuracy(head, pairs):.1f} % of the units of {len(pairs)} clips are right", flush=True)


@torch.inference_mode()
def accuracy(head: FrameUnitHead, pairs: Examples) -> float:
    """Accuracy of the units."""
    head.eval()
    errors = [head.measured(batch.inputs[UNITS], batch) for batch in (batch_of([pair]) for pair in pairs)]
    return 1 - sum(wrong for wrong, _ in errors) / sum(count for _, count in errors)


def learn_text(model: LipReader, sentences: Examples, args: argparse.Namespace) -> None:
    """Stage 2: text from units of spoken sentences; with ``--shuffle``, the texts of other sentences."""
    if args.shuffle:
        order = np.random.default_rng(args.seed).permutation(len(sentences))
        sentences = [(units, sentences[i][1]) for (units, _), i in zip(sentences, order, strict=True)]
    fit_text(model, batch_sampler(sentences, args.size, REPLACED), 2 * args.steps, 2e-3, args.seed)


def trained_stages(
    first: LipReader, pairs: Examples, sentences: Examples, args: argparse.Namespace
) -> tuple[LipReader, LipReader]:
    """The reader after stage 1, trained in place, and a copy of it after stage 2."""
    learn_units(first.frontend.units, pairs, args)
    both = copy.deepcopy(first)
    learn_text(both, sentences, args)
    return first, both


def compared(
    starts: dict[str, LipReader], count: int, lists: dict[str, Videos], tokenizer, args: argparse.Namespace
) -> Iterator[tuple[str, list[UtteranceScore]]]:
    """Name and test scores of each reader, trained on the first ``count`` clips from its start; the first one is the
    baseline. Prints them."""
    draw, baseline = batch_sampler(lists["train"].examples[:count]), None
    for name, start in starts.items():
        model = copy.deepcopy(start)
        fit_text(model, draw, args.steps, 1e-3 if name == "all stages" else 2e-3, args.seed)
        scores = lists["test"].scores(model, tokenizer)
        dev = summary(lists["dev"].scores(model, tokenizer))
        baseline = baseline or scores
        mean, low, high = paired_gain(baseline, scores)
        gain = f"better than scratch by {mean:.2f} ({low:.2f} to {high:.2f})"
        print(f"{count} clips, {name}: test {summary(scores)}; {gain}; dev {dev}", flush=True)
        yield name, scores


def summary(each: Sequence[UtteranceScore]) -> str:
    """WER with its interval, and CER."""
    low, high = bootstrap_interval(list(each))
    cer = sum(score.character_errors for score in each) / sum(score.characters for score in each)
    wer = sum(score.errors for score in each) / sum(score.words for score in each)
    return f"WER {100 * wer:.2f} ({100 * low:.2f} - {100 * high:.2f}) CER {100 * cer:.2f}"


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", steps=300, seed=0)
    options.add_argument("--source", nargs="+", required=True, metavar="JSONL", help="crops with sound (vsr waves)")
    for flag in ("--train", "--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--language", required=True)
    options.add_argument("--tokenizer", required=True, metavar="DIR")
    options.add_argument("--clips", nargs="+", type=int, default=[10, 20, 50, 100], metavar="N")
    options.add_argument("--spoken", type=int, default=400, metavar="N", help="sentences of sound and text (400)")
    options.add_argument("--size", type=int, default=100, metavar="K", help="units (default: 100)")
    options.add_argument("--shuffle", action="store_true")
    options.add_argument("--out", type=Path, required=True, metavar="DIR", help="the scores go there")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    source = read_manifests(args.source)
    lists = {name: Videos.of(getattr(args, name), loaded, tokenizer, args.states) for name in ("train", "dev", "test")}
    taken = {clip.text for videos in lists.values() for clip in videos.clips}
    texts, spoken = zip(*synthesised_sentences(args.language, args.spoken, taken, args.seed), strict=True)
    source_units, spoken_units = units_of_waves([clip_wave(clip) for clip in source], spoken, args.size, args.seed)
    pairs = state_unit_pairs(encoder_states(loaded, source, args.states), source_units)

    sentences = list(zip(spoken_units, [torch.tensor(tokenizer.encode(text)) for text in texts], strict=True))
    scratch = partial(reader, tokenizer, pairs[0][0].shape[1], args.size, args.seed)
    first, both = trained_stages(scratch(), pairs, sentences, args)
    without_videos = summary(lists["test"].scores(both, tokenizer))
    print(f"stages 1 and 2, no video with text: test {without_videos}", flush=True)
    scores: dict[str, dict[str, list[UtteranceScore]]] = {"scratch": {}, "stage 1": {}, "all stages": {}}
    for count in args.clips:
        starts = {"scratch": scratch(), "stage 1": first, "all stages": both}
        for name, of_test in compared(starts, count, lists, tokenizer, args):
            scores[name][f"{count} clips"] = of_test
            write_scores(args.out / name.replace(" ", "_"), scores[name])


if __name__ == "__main__":
    main()
