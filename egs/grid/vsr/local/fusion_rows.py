#!/usr/bin/env python3
"""Gain of a fusion of lips and sound when both are corrupted, measured in minutes on stored front-end features.

    local/fusion_rows.py --config conf/relscore.yaml --train data/sound/train/manifest.jsonl \\
        --dev data/sound/dev/manifest.jsonl --test data/sound/test_s1/manifest.jsonl --out exp/relscore
    local/fusion_rows.py ... --set 'model.frontend.fusion={kind: concat}' --out exp/concat
    local/fusion_rows.py --compare exp/concat exp/relscore

Fusion, encoder and CTC start from the weights of --model; missing weights are initialised from the seed. Every clip of
the list "mixed" is corrupted --draws times, in training too, as corrupted_clips.py describes. The control assigns the
scores of a trained fusion to other clips or other frames. Writes OUT/scores.json.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from corrupted_clips import (
    Example,
    batch_of,
    batches,
    copies_of,
    copy_by_copy,
    folder_of,
    parser,
    read,
    reader,
    some_of_s1,
    stored,
)
from noise import Cell
from reliability import correlation
from rig import Plan, against, rates, training, write_scores

from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.splits import check_disjoint
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader
from vsr.models.reliability import RelScoreFusion, VCafeFusion
from vsr.models.streams import streams_of_batch
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.ctc_attention import ctc_attention

CELLS = {
    "as recorded": Cell("both"),
    "babble 0 dB": Cell("both", "babble", 0.0),
    "half covered": Cell("both", covered=0.5),
    "babble 0 dB, half covered": Cell("both", "babble", 0.0, 0.5),
}


def change_scores(fusion: nn.Module, change: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """Makes the fusion use scores (B, T, D) changed by ``change``, from now on; returns a function that undoes it."""
    if isinstance(fusion, RelScoreFusion):
        layers = fusion.scores.values()
        hooks = [layer.register_forward_hook(lambda module, _inputs, scores: change(scores)) for layer in layers]
        return lambda: [hook.remove() for hook in hooks]
    score = fusion.score
    fusion.score = lambda *inputs: change(score(*inputs))
    return lambda: delattr(fusion, "score")


def to_other_frames(scores: Tensor) -> Tensor:
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(0))
    return scores[:, order]


WRONG_SCORES = {"other clips": lambda scores: scores.roll(1, 0), "other frames": to_other_frames}


@torch.inference_mode()
def reliance(model: LipReader, examples: Sequence[Example], tokenizer) -> str:
    """Spearman's correlation of the sound's score with the SNR, and of the video's with the share of visible frames."""
    measurements, teacher = {SOUND: {}, VIDEO: {}}, Teacher(tokenizer)
    for clip, cell, features in examples:
        batch = batch_of([(clip, cell, features)], teacher)
        mask = length_mask(batch.lengths, len(features[VIDEO]))
        _, scores = model.eval().frontend.joined(streams_of_batch(batch, (VIDEO, SOUND)), mask)
        means = {name: float(frame_scores.mean()) for name, frame_scores in scores.items()}
        if cell.kind:
            measurements[SOUND].setdefault(clip.id, []).append((cell.snr, means))
        measurements[VIDEO].setdefault(clip.id, []).append((1 - cell.covered, means))
    scored_streams = [name for name in measurements if name in means]
    correlations = {name: correlation(list(measurements[name].values()), name) for name in scored_streams}
    return ", ".join("{}: rho {:+.2f} ({:+.2f} to {:+.2f})".format(name, *rho) for name, rho in correlations.items())


def lists_of(loaded: LoadedModel, dev: list[Clip], test: list[Clip], voices: list[Clip], args) -> dict:
    """List name -> stored examples: dev and "mixed", several copies of each clip, and test in each of `CELLS`."""
    folder = folder_of(args, loaded)
    lists = {}
    for name, clips, seed in (("dev", dev, 1), ("mixed", test, 2)):
        lists[name] = copy_by_copy(copies_of(loaded, clips, args.draws, voices, seed, folder))
    for name, cell in CELLS.items():
        lists[name] = [stored(loaded, clip, cell, voices, 2, folder) for clip in test]
    return lists


def with_wrong_scores(model: LipReader, mixed: Sequence[Example], tokenizer) -> dict[str, list[UtteranceScore]]:
    """Scores of the model when it uses fusion scores of other clips, and of other frames."""
    results = {}
    for name, change in WRONG_SCORES.items():
        end = change_scores(model.frontend.fusion, change)
        results[f"mixed, scores of {name}"] = read(model, mixed, tokenizer)
        end()
    return results


def trained(model: LipReader, taught: list[list[Example]], dev: Sequence[Example], tokenizer, args) -> LipReader:
    """The EMA weights at the end of training; prints its reports."""
    training_batches = batches(taught, args.batch, Teacher(tokenizer), args.seed)
    plan = Plan(args.steps, args.lr, warmup=30, ema=0.98)
    for report in training(model, lambda average: ctc_attention, training_batches, plan):
        print(report, " dev", rates(read(report.model, dev, tokenizer)), flush=True)
    return report.model


def train_and_print(model: LipReader, copies: list[list[Example]], lists: dict, tokenizer, args) -> None:
    """Train; write and print the scores of each list, and of the controls if the fusion has scores."""
    has_scores = isinstance(model.frontend.fusion, RelScoreFusion | VCafeFusion)
    print(f"step 0  dev {rates(read(model, lists['dev'], tokenizer))}", flush=True)
    if has_scores:
        print("scores that are not trained:", reliance(model, lists["mixed"], tokenizer), flush=True)
    trained_model = trained(model, copies, lists["dev"], tokenizer, args)
    scores = {name: read(trained_model, examples, tokenizer) for name, examples in lists.items()}
    scores |= with_wrong_scores(trained_model, lists["mixed"], tokenizer) if has_scores else {}
    write_scores(args.out, scores)
    for name, list_scores in scores.items():
        print(f"{name}: {rates(list_scores)}", flush=True)
    if has_scores:
        print("scores:", reliance(trained_model, lists["mixed"], tokenizer))


def options() -> argparse.ArgumentParser:
    options = parser(__doc__, "grid-av", 300)
    options.add_argument("--compare", nargs=2, type=Path, metavar="DIR", help="two results of this program")
    return options


def main() -> None:
    args = options().parse_args()
    if args.compare:
        return print("\n".join(against(*args.compare)))
    torch.set_num_threads(1)
    loaded = load_model(args.model)
    train, dev, test = (read_manifest(path) for path in (args.train, args.dev, args.test))
    check_disjoint(train, dev, test)
    copies = copies_of(loaded, some_of_s1(train, args.clips), args.draws, train, 0, folder_of(args, loaded))
    lists = lists_of(loaded, dev, test, train, args)
    print(f"{len(copies)} clips stored, {args.draws} times each", flush=True)
    torch.manual_seed(args.seed)
    model = reader(loaded, args.config, args.set)
    return train_and_print(model, copies, lists, loaded.tokenizer, args)


if __name__ == "__main__":
    main()
