#!/usr/bin/env python3
"""What a fusion of lips and sound gains where both are corrupted, in minutes: on stored features of the front ends.

    local/fusion_rows.py --config conf/relscore.yaml --train data/sound/train/manifest.jsonl \\
        --dev data/sound/dev/manifest.jsonl --test data/sound/test_s1/manifest.jsonl --out exp/relscore
    local/fusion_rows.py ... --set 'model.frontend.fusion={kind: concat}' --out exp/concat
    local/fusion_rows.py --compare exp/concat exp/relscore

Fusion, encoder and CTC begin with the weights of --model; what it lacks begins by the seed. Every clip of the list
"mixed" is spoilt --draws times, in training too, as spoilt.py says. The control deals the scores of a trained fusion to
other clips or other frames. Writes OUT/scores.json.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from noise import Cell
from reliability import correlation
from rig import Plan, against, keep_scores, rates, training
from spoilt import (
    Example,
    batch_of,
    batches,
    copies_of,
    folder_of,
    one_after_another,
    parser,
    read,
    reader,
    some_of_s1,
    stored,
)

from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.splits import check_disjoint
from vsr.data.targets import Teacher
from vsr.evaluation.wer import UtteranceScore
from vsr.models.lengths import length_mask
from vsr.models.lipreader import LipReader
from vsr.models.reliability import RelScoreFusion, VCafeFusion
from vsr.models.streams import taken
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.objectives.ctc_attention import ctc_attention

CELLS = {
    "as recorded": Cell("both"),
    "babble 0 dB": Cell("both", "babble", 0.0),
    "half covered": Cell("both", covered=0.5),
    "babble 0 dB, half covered": Cell("both", "babble", 0.0, 0.5),
}


def deal_scores(fusion: nn.Module, deal: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """From now on the fusion goes by scores (B, T, D) that are dealt; returns what ends that."""
    if isinstance(fusion, RelScoreFusion):
        hooks = [own.register_forward_hook(lambda module, given, found: deal(found)) for own in fusion.scores.values()]
        return lambda: [own.remove() for own in hooks]
    own = fusion.score
    fusion.score = lambda *given: deal(own(*given))
    return lambda: delattr(fusion, "score")


def to_other_frames(scores: Tensor) -> Tensor:
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(0))
    return scores[:, order]


DEALT = {"other clips": lambda scores: scores.roll(1, 0), "other frames": to_other_frames}


@torch.inference_mode()
def reliance(model: LipReader, examples: Sequence[Example], tokenizer) -> str:
    """Spearman's correlation of sound's score with the SNR, and of video's with the share of the frames seen."""
    found, teacher = {SOUND: {}, VIDEO: {}}, Teacher(tokenizer)
    for clip, cell, features in examples:
        batch = batch_of([(clip, cell, features)], teacher)
        mask = length_mask(batch.lengths, len(features[VIDEO]))
        _, scores = model.eval().frontend.joined(taken(batch, (VIDEO, SOUND)), mask)
        means = {name: float(own.mean()) for name, own in scores.items()}
        if cell.kind:
            found[SOUND].setdefault(clip.id, []).append((cell.snr, means))
        found[VIDEO].setdefault(clip.id, []).append((1 - cell.covered, means))
    known = [name for name in found if name in means]
    each = {name: correlation(list(found[name].values()), name) for name in known}
    return ", ".join("{}: rho {:+.2f} ({:+.2f} to {:+.2f})".format(name, *own) for name, own in each.items())


def lists_of(loaded: LoadedModel, dev: list[Clip], test: list[Clip], voices: list[Clip], args) -> dict:
    """List -> its examples, stored: dev and "mixed", several copies of each clip, and test in each of `CELLS`."""
    folder = folder_of(args, loaded)
    found = {
        name: one_after_another(copies_of(loaded, clips, args.draws, voices, seed, folder))
        for name, clips, seed in (("dev", dev, 1), ("mixed", test, 2))
    }
    return found | {
        name: [stored(loaded, clip, cell, voices, 2, folder) for clip in test] for name, cell in CELLS.items()
    }


def with_dealt_scores(model: LipReader, mixed: Sequence[Example], tokenizer) -> dict[str, list[UtteranceScore]]:
    """What the model reads by the scores of other clips, and of other frames."""
    found = {}
    for name, deal in DEALT.items():
        end = deal_scores(model.frontend.fusion, deal)
        found[f"mixed, scores of {name}"] = read(model, mixed, tokenizer)
        end()
    return found


def trained(model: LipReader, taught: list[list[Example]], dev: Sequence[Example], tokenizer, args) -> LipReader:
    """The averaged weights at the end of the run; its reports are printed."""
    some = batches(taught, args.batch, Teacher(tokenizer), args.seed)
    for report in training(model, lambda average: ctc_attention, some, Plan(args.steps, args.lr, warmup=30, ema=0.98)):
        print(report, " dev", rates(read(report.model, dev, tokenizer)), flush=True)
    return report.model


def main() -> None:
    own = parser(__doc__, "grid-av", 300)
    own.add_argument("--compare", nargs=2, type=Path, metavar="DIR", help="two results of this program")
    args = own.parse_args()
    if args.compare:
        return print("\n".join(against(*args.compare)))
    torch.set_num_threads(1)
    loaded = load_model(args.model)
    train, dev, test = (read_manifest(path) for path in (args.train, args.dev, args.test))
    check_disjoint(train, dev, test)
    taught = copies_of(loaded, some_of_s1(train, args.clips), args.draws, train, 0, folder_of(args, loaded))
    lists = lists_of(loaded, dev, test, train, args)
    print(f"{len(taught)} clips stored, {args.draws} times each", flush=True)
    torch.manual_seed(args.seed)
    model, tokenizer = reader(loaded, args.config, args.set), loaded.tokenizer
    scored = isinstance(model.frontend.fusion, RelScoreFusion | VCafeFusion)
    print(f"step 0  dev {rates(read(model, lists['dev'], tokenizer))}", flush=True)
    if scored:
        print("scores that are not trained:", reliance(model, lists["mixed"], tokenizer), flush=True)
    made = trained(model, taught, lists["dev"], tokenizer, args)
    found = {name: read(made, own, tokenizer) for name, own in lists.items()}
    found |= with_dealt_scores(made, lists["mixed"], tokenizer) if scored else {}
    keep_scores(args.out, found)
    for name, each in found.items():
        print(f"{name}: {rates(each)}", flush=True)
    if scored:
        print("scores:", reliance(made, lists["mixed"], tokenizer))
    return None


if __name__ == "__main__":
    main()
