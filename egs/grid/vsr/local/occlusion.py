#!/usr/bin/env python3
"""Word error rate over the share of the lips that a cover hides, on the mouth crops of a list.

    local/occlusion.py --manifest data/crops/test_s1/manifest.jsonl --model grid --share 0 0.25 0.5 0.75 1

Patches, objects and hands are drawn from the clip's id and the seed, as by `vsr corrupt --crops --occlude`: a clip has
the same cover at each share, only larger. The last row is the control: the first frame is held throughout, so that only
the model's prior can be read.
"""

import argparse
import tempfile
from pathlib import Path

from vsr.data.corrupting import MANIFEST, Order, corrupt_corpus
from vsr.data.corruption import Corruption
from vsr.data.manifest import Clip, read_manifest
from vsr.data.video_corruption import Amount, Occlusion, VideoCorruption
from vsr.decoding.corpus import records_of
from vsr.decoding.defaults import options_for
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval, score_utterance
from vsr.media.occlusion import KINDS
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower

STILL = VideoCorruption(dropped=Amount(values=(1.0,)))


def cover_settings(share: float, kinds: tuple[str, ...]) -> VideoCorruption:
    """Settings that hide ``share`` of the lips throughout each clip."""
    return VideoCorruption(Occlusion(kinds=kinds, share=(share,)))


def write_corrupted(clips: list[Clip], settings: VideoCorruption, place: str, seed: int) -> list[Clip]:
    """The clips with their crops corrupted, written in a folder."""
    corrupt_corpus(clips, place, Order(Corruption(video=settings), seed, crops=True), jobs=1)
    return read_manifest(Path(place) / MANIFEST)


def scores(loaded: LoadedModel, clips: list[Clip]) -> list[UtteranceScore]:
    """Scores of the model's hypothesis for each clip."""
    texts = {
        record["id"]: record["text"] for record in records_of(loaded, clips, options_for(loaded), calibrated=False)
    }
    return [score_utterance(clip.id, lower(clip.text), lower(texts[clip.id])) for clip in clips]


def row(name: str, each: list[UtteranceScore]) -> str:
    """A line of the table."""
    errors, words = (sum(getattr(score, part) for score in each) for part in ("errors", "words"))
    low, high = bootstrap_interval(each)
    return f"{name}: WER {100 * errors / words:.1f} % ({100 * low:.1f} to {100 * high:.1f}), {errors} of {words} words"


def main() -> None:
    """Measure and print, a line for each share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True, help="of mouth crops")
    parser.add_argument("--model", help="default: the one that ships")
    parser.add_argument("--share", type=float, nargs="+", default=[0, 0.25, 0.5, 0.75, 1])
    parser.add_argument("--cover", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    loaded, clips = load_model(args.model), read_manifest(args.manifest)
    settings = {f"{100 * share:g} % covered": cover_settings(share, tuple(args.cover)) for share in args.share}
    for name, corruption in (settings | {"one frame held": STILL}).items():
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, scores(loaded, write_corrupted(clips, corruption, folder, args.seed))), flush=True)


if __name__ == "__main__":
    main()
