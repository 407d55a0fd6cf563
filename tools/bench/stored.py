#!/usr/bin/env python3
"""How mouth crops lie on disk: size, the loader's throughput with 0, 1 and 2 workers, and the word error rate of each.

    tools/bench/stored.py --manifest JSONL... [--model MODEL] [--out DIR] [--rounds 3] [--beam N] [--json FILE]

Crops of the manifests (as `vsr crop` wrote them, arrays) are written as each of `vsr.data.stored.STORES`, the loader of
training (augmentation on, batches of 600 frames) goes through them, and the model reads each (no --model: the shipped
one; `--model none`: throughput alone). Rounds of the stores take turns, so that all meet the same machine. Given are
frames a second by the clock and, in the process alone, by its processor time. The WER is of all manifests together,
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
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sampler import FrameBudgetSampler, planned_batches
from vsr.data.stored import file_name, read_crop, write_crop
from vsr.data.stores import STORES
from vsr.data.transforms import Augmentation
from vsr.text.tokenizer import CharTokenizer

WORKERS = (0, 1, 2)


def stored(clips: list[Clip], folder: Path, store: str) -> tuple[list[Clip], int, float]:
    """The clips with their crops in that store, its bytes, and the processor time of writing, seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    kept, size, begin = [], 0, time.process_time()
    for clip in clips:
        path = folder / file_name(clip.id, store)
        write_crop(path, read_crop(clip.crop), store)
        kept.append(replace(clip, crop=str(path)))
        size += path.stat().st_size
    return kept, size, time.process_time() - begin


def throughput(clips: list[Clip], workers: int) -> tuple[float, float]:
    """Frames a second of an epoch, by the clock and by this process's processor time; the first batch is not timed."""
    dataset = CropDataset(clips, CharTokenizer(), Augmentation(), seed=0)
    plan = FrameBudgetSampler([clip.num_frames for clip in clips], 600, 0).batches()
    batches = iter(planned_batches(dataset, plan, 0, workers))
    next(batches)
    frames, clock, processor = 0, time.perf_counter(), time.process_time()
    for batch in batches:
        frames += int(batch.lengths.sum())
    return frames / (time.perf_counter() - clock), frames / (time.process_time() - processor)


def error_rate(model: str | None, clips: list[Clip], folder: Path, beam: int) -> dict[str, float]:
    """Word error rate of a model on the clips, percent, and how many words are wrong."""
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
        out, rows, kept = args.out or Path(temporary), {}, {}
        for store in STORES:
            kept[store], size, seconds = stored(clips, out / store, store)
            rows[store] = {"bytes_per_frame": size / frames, "write_fps": frames / seconds}
        for workers in WORKERS:
            found = {store: [] for store in STORES}
            for _ in range(args.rounds):
                for store in STORES:
                    found[store].append(throughput(kept[store], workers))
            for store, rates in found.items():
                rows[store][f"fps_{workers}"] = max(rate for rate, _ in rates)
                if not workers:
                    rows[store]["fps_cpu"] = max(rate for _, rate in rates)
        if args.model != "none":
            for store in STORES:
                rows[store] |= error_rate(args.model, kept[store], out / store, args.beam)
    columns = list(rows["npy"])
    print(f"{len(clips)} clips, {frames} frames")
    print("| store | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for store, row in rows.items():
        print(f"| {store} | " + " | ".join(f"{row[name]:.1f}" for name in columns) + " |")
    if args.json:
        write_text(args.json, json.dumps({"clips": len(clips), "frames": frames, "stores": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
