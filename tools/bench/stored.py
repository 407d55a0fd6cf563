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
from vsr.data.manifest import Clip, read_manifests, write_manifest
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


def sizes(clips: list[Clip], out: Path) -> tuple[dict[str, list[Clip]], dict[str, dict[str, float]]]:
    """The clips in each format, and the rows with its size and the speed of writing."""
    frames = sum(clip.num_frames for clip in clips)
    copies, rows = {}, {}
    for store in STORES:
        copies[store], size, seconds = stored(clips, out / store, store)
        rows[store] = {"bytes_per_frame": size / frames, "write_fps": frames / seconds}
    return copies, rows


def throughputs(copies: dict[str, list[Clip]], rounds: int) -> dict[str, dict[str, float]]:
    """The highest frames per second of each format with each number of workers; formats take turns."""
    rows: dict[str, dict[str, float]] = {store: {} for store in copies}
    for workers in WORKERS:
        measured = [{store: throughput(clips, workers) for store, clips in copies.items()} for _ in range(rounds)]
        for store, row in rows.items():
            row[f"fps_{workers}"] = max(turn[store][0] for turn in measured)
            if not workers:
                row["fps_cpu"] = max(turn[store][1] for turn in measured)
    return rows


def print_table(rows: dict[str, dict[str, float]]) -> None:
    """As Markdown."""
    columns = list(rows["npy"])
    print("| store | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for store, row in rows.items():
        print(f"| {store} | " + " | ".join(f"{row[name]:.1f}" for name in columns) + " |")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", nargs="+", required=True)
    options.add_argument("--model")
    options.add_argument("--out", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--beam", type=int, default=10)
    options.add_argument("--json")
    return options


def main() -> None:
    args = parser().parse_args()
    clips = read_manifests(args.manifest)
    with tempfile.TemporaryDirectory() as temporary:
        out = args.out or Path(temporary)
        copies, rows = sizes(clips, out)
        for store, row in throughputs(copies, args.rounds).items():
            rows[store] |= row
        if args.model != "none":
            for store in STORES:
                rows[store] |= error_rate(args.model, copies[store], out / store, args.beam)
    frames = sum(clip.num_frames for clip in clips)
    print(f"{len(clips)} clips, {frames} frames")
    print_table(rows)
    if args.json:
        write_text(args.json, json.dumps({"clips": len(clips), "frames": frames, "stores": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
