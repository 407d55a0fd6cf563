#!/usr/bin/env python3
"""Contribution of each part of a fused reader that can be switched off at inference: word errors on lists of videos.

    local/ablation.py --model grid-tracks --manifests data/manifests/dev.jsonl data/puppet/dev.jsonl

Each video is cropped once, as by `vsr transcribe`, with its mouth points in every frame, and then read in every way.
Times are CPU time per frame of video: for the crops with the mesh, which `tools/bench/transcribe.py` splits further,
and for each way of reading.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest
from vsr.data.transforms import to_network_input
from vsr.decoding.defaults import options_for
from vsr.decoding.encoding import encode_clips, mesh_for
from vsr.decoding.heads import tokenizer_of
from vsr.decoding.options import DecodeOptions
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval, score_utterance
from vsr.face.mouth_crop import crop_video
from vsr.inference.recognition import preferred_window, search_crops, spans_to_read
from vsr.modelstore.folder import FUSED_READER, LoadedModel, load_model
from vsr.text.normalise import lower

Window = tuple[np.ndarray, np.ndarray]  # crop (W, 96, 96), mouth points (W, 14, 2)


@dataclass(frozen=True)
class Variant:
    """A way of reading: weights of the tracks (None: the model's rule), changed search options, and the head that is
    decoded by itself instead ("": none)."""

    weights: tuple[float, float] | None = None
    search: tuple[tuple[str, object], ...] = ()
    head: str = ""


WAYS = {
    "as it ships": Variant(),
    "pixels alone": Variant((0.0, 0.0)),
    "tracks alone": Variant((1.0, 1.0), head="tracks.ctc"),
    "both, always 1": Variant((1.0, 1.0)),
    "both, always 3": Variant((3.0, 3.0)),
    "as it ships, beam 1": Variant(None, (("beam", 1),)),
    "as it ships, attention alone": Variant(None, (("ctc_weight", 0.0),)),
    "as it ships, CTC 0.5": Variant(None, (("ctc_weight", 0.5),)),
    "pixels alone, beam 1": Variant((0.0, 0.0), (("beam", 1),)),
    "pixels alone, CTC alone": Variant((0.0, 0.0), (("method", "ctc_beam"),)),
}


def windows_of(loaded: LoadedModel, clip: Clip, spent: dict[str, float]) -> Iterator[Window]:
    """Windows of a video; CPU seconds of crops and mesh are added to ``spent``. Raises VsrError."""
    start_time = time.process_time()
    mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mesh_for(loaded))
    spans = spans_to_read(mouth, preferred_window(loaded))
    spent["crop"] += time.process_time() - start_time
    for start, stop in spans:
        yield mouth.crop[start:stop], np.asarray(mouth.mouth_of(start, stop))


def text_of(loaded: LoadedModel, windows: list[Window], variant: Variant, options: DecodeOptions) -> str:
    """Text of the windows of one video."""
    model, config = loaded.model, loaded.model.config
    model.config = replace(config, track_weights=variant.weights or config.track_weights)
    try:
        if variant.head:
            return " ".join(of_head(loaded, window, variant.head) for window in windows)
        rankings = (search_crops(loaded, [crop], options, [mouth])[1][0] for crop, mouth in windows)
        return " ".join(loaded.tokenizer.decode(hypotheses[0].tokens) for hypotheses in rankings)
    finally:
        model.config = config


@torch.inference_mode()
def of_head(loaded: LoadedModel, window: Window, name: str) -> str:
    """Text of a window by one head."""
    lengths = torch.tensor([len(window[0])])
    states = encode_clips(loaded, to_network_input(window[0])[None], lengths, [window[1]])
    ((best, *_),) = loaded.model.heads[name].search(states, lengths, 1)
    return tokenizer_of(loaded, name).decode(best.tokens)


def row(name: str, each: list[UtteranceScore], spent: float, frames: int) -> str:
    """A row of a Markdown table."""
    errors, words = (sum(getattr(score, part) for score in each) for part in ("errors", "words"))
    low, high = bootstrap_interval(each)
    wer = f"{100 * errors / words:.1f} ({100 * low:.1f} - {100 * high:.1f})"
    return f"| {name} | {errors} of {words} | {wer} | {1000 * spent / max(1, frames):.2f} |"


def main() -> None:
    """Measure and print, one table for each list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifests", nargs="+", required=True, help="of videos with transcripts")
    parser.add_argument("--model", default="grid-tracks", help="a fused reader")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    args = parser.parse_args()
    loaded = load_model(args.model)
    if loaded.config.get("kind") != FUSED_READER:
        parser.error(f"{args.model} reads no tracks: name a model of vsr fuse")
    torch.set_num_threads(1)
    for manifest in args.manifests:
        measure(loaded, read_manifest(manifest), args.ways, manifest)


def measure(loaded: LoadedModel, clips: list[Clip], ways: list[str], title: str) -> None:
    """Read a list in every way and print its table."""
    options = {name: options_for(loaded, dict(WAYS[name].search)) for name in ways}
    scores: dict[str, list[UtteranceScore]] = {name: [] for name in ways}
    spent, frames = dict.fromkeys(("crop", *ways), 0.0), 0
    for clip in clips:
        try:
            windows = list(windows_of(loaded, clip, spent))
        except VsrError as error:
            print(f"{error}: counts with all of its words")
            windows = []
        frames += sum(len(crop) for crop, _ in windows)
        for name in ways:
            start_time = time.process_time()
            text = text_of(loaded, windows, WAYS[name], options[name])
            spent[name] += time.process_time() - start_time
            scores[name].append(score_utterance(clip.id, lower(clip.text), lower(text)))
    crop_time = f"{1000 * spent['crop'] / max(1, frames):.2f}"
    print(f"\n{title}: {len(clips)} clips, {frames} frames; crops with the mesh: {crop_time} ms a frame\n")
    print("| way | words wrong | WER, % (interval) | ms a frame |\n|---|---|---|---|")
    print("\n".join(row(name, each, spent[name], frames) for name, each in scores.items()), flush=True)


if __name__ == "__main__":
    main()
