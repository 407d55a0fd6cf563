#!/usr/bin/env python3
"""Compare storage formats of mouth crops: size, loader throughput with 0, 1 and 2 workers, and word error rate.

    tools/bench/stored.py --manifest JSONL... [--model MODEL] [--out DIR] [--rounds 3] [--beam N] [--json FILE]

Crops of the manifests (arrays, as written by `vsr crop`) are written in each format of `vsr.data.crop_files.STORES`;
the training loader (augmentation on, batches of 600 frames) iterates over them, and the model decodes each (default:
the shipped model; `--model none`: throughput only). The formats take turns, so that all meet the same machine. Printed
are frames per second of wall-clock time and, without workers, of CPU time. The WER is over all manifests together, in
lower case.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from vsr.core.files import write_text
from vsr.data.batch import CropDataset
from vsr.data.crop_files import file_name, read_crop, write_crop
from vsr.data.crop_formats import STORES
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sampler import FrameBudgetSampler, planned_batches
from vsr.data.transforms import Augmentation
from vsr.text.tokenizer import CharTokenizer

WORKERS = (0, 1, 2)


def stored(clips: list[Clip], folder: Path, store: str) -> tuple[list[Clip], int, float]:
    """The clips with their crops in format ``store``, the total bytes, and the CPU seconds of writing."""
    folder.mkdir(parents=True, exist_ok=True)
    copies, size, start_time = [], 0, time.process_time()
    for clip in clips:
        path = folder / file_name(clip.id, store)
        write_crop(path, read_crop(clip.crop), store)
        copies.append(replace(clip, crop=str(path)))
        size += path.stat().st_size
    return copies, size, time.process_time() - start_time


def throughput(clips: list[Clip], workers: int) -> tuple[float, float]:
    """Frames per second of an epoch, by wall-clock and this process's CPU time; the first batch is not timed."""
    dataset = CropDataset(clips, CharTokenizer(), Augmentation(), seed=0)
    plan = FrameBudgetSampler([clip.num_frames for clip in clips], 600, 0).batches()
    batches = iter(planned_batches(dataset, plan, 0, workers))
    next(batches)
    frames, start_wall, start_cpu = 0, time.perf_counter(), time.process_time()
    for batch in batches:
        frames += int(batch.lengths.sum())
    return frames / (time.perf_counter() - start_wall), frames / (time.process_time() - start_cpu)


def error_rate(model: str | None, clips: list[Clip], folder: Path, beam: int) -> dict[str, float]:
    """Word error rate of a model on the clips in percent, and the counts of wrong words and of words."""
    from vsr.decoding.corpus import decode_manifest
    from vsr.decoding.options import DecodeOptions
    from vsr.evaluation.wer import word_errors
    from vsr.modelstore.folder import load_model
    from vsr.text.normalise import lower

    write_manifest(folder / "read.jsonl", clips)
    records = decode_manifest(
        load_model(model), folder / "read.jsonl", folder / "hypotheses.jsonl", DecodeOptions(beam=beam)
    )
    pairs = [word_errors(lower(clip.text), lower(record["text"])) for clip, record in zip(clips, records, strict=True)]
    wrong, words = map(sum, zip(*pairs, strict=True))
    return {"wer": 100 * wrong / words, "wrong": wrong, "words": words}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", nargs="+", required=True)
    parser.add_argument("--model")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beam", type=int, default=10)
    parser.add_argument("--json")
    args = parser.parse_args()
    clips = [clip for manifest in args.manifest for clip in read_manifest(manifest)]
    frames = sum(clip.num_frames for clip in clips)
    with tempfile.TemporaryDirectory() as temporary:
        out, rows, clips_of_store = args.out or Path(temporary), {}, {}
        for store in STORES:
            clips_of_store[store], size, seconds = stored(clips, out / store, store)
            rows[store] = {"bytes_per_frame": size / frames, "write_fps": frames / seconds}
        for workers in WORKERS:
            rates_of_store = {store: [] for store in STORES}
            for _ in range(args.rounds):
                for store in STORES:
                    rates_of_store[store].append(throughput(clips_of_store[store], workers))
            for store, rates in rates_of_store.items():
                rows[store][f"fps_{workers}"] = max(rate for rate, _ in rates)
                if not workers:
                    rows[store]["fps_cpu"] = max(rate for _, rate in rates)
        if args.model != "none":
            for store in STORES:
                rows[store] |= error_rate(args.model, clips_of_store[store], out / store, args.beam)
    columns = list(rows["npy"])
    print(f"{len(clips)} clips, {frames} frames")
    print("| store | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for store, row in rows.items():
        print(f"| {store} | " + " | ".join(f"{row[name]:.1f}" for name in columns) + " |")
    if args.json:
        write_text(args.json, json.dumps({"clips": len(clips), "frames": frames, "stores": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
