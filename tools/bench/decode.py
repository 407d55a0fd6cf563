#!/usr/bin/env python3
"""The joint beam search against the same search written plainly, without caches or batching, in one run.

    tools/bench/decode.py [--model DIR] [--beam 10] [--frames 75] [--clips 4] [--json FILE]

Encoder states come from random video; both searches get the same. Same hypotheses are a condition, not a figure.
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path

import torch

from vsr.decode.beam import decode
from vsr.decode.options import DecodeOptions
from vsr.files import write_text
from vsr.hub import load_model

ORACLE = Path(__file__).parents[2] / "tests" / "decode" / "oracle.py"


def load_oracle():
    """The plain search, kept with the tests."""
    spec = importlib.util.spec_from_file_location("oracle", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain_joint_search


def timed(work):
    """Result of ``work`` and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


@torch.inference_mode()
def compare(model, eos: int, options: DecodeOptions, frames: int, clips: int) -> dict:
    """Seconds of both searches over ``clips`` clips of ``frames`` frames, and whether they agree."""
    video = torch.randn(clips, frames, 1, 88, 88, generator=torch.Generator().manual_seed(0))
    lengths = torch.full((clips,), frames)
    states = model.encode(video, lengths)
    decode(model, states[:1], lengths[:1], options, eos)  # warm
    single, one = timed(lambda: [decode(model, s[None], lengths[:1], options, eos)[0] for s in states])
    batch, together = timed(lambda: decode(model, states, lengths, options, eos))
    plain, slow = timed(lambda: [load_oracle()(model, s, options, eos) for s in states])
    texts = [[[h.tokens for h in own] for own in found] for found in (single, batch, plain)]
    return {
        "same": texts[0] == texts[1] == texts[2],
        "seconds_fast": one,
        "seconds_batch": together,
        "seconds_plain": slow,
        "ratio": slow / one,
        "ratio_batch": slow / together,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--json")
    args = parser.parse_args()
    loaded = load_model(args.model)
    figures = compare(loaded.model, loaded.tokenizer.eos_id, DecodeOptions(beam=args.beam), args.frames, args.clips)
    print(f"{args.clips} clips of {args.frames} frames, beam {args.beam}; same hypotheses: {figures['same']}")
    print(f"plain {figures['seconds_plain']:.2f} s, one by one {figures['seconds_fast']:.2f} s ", end="")
    print(f"({figures['ratio']:.1f}x), in a batch {figures['seconds_batch']:.2f} s ({figures['ratio_batch']:.1f}x)")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
