#!/usr/bin/env python3
"""Seconds and real-time factor of each stage of transcription: read, faces, crop, encode, decode.

    tools/bench/transcribe.py CLIP... [--model M] [--precision P] [--beside M] [--beam N] [--tokens N] [--threads N]
        [--jobs 2] [--json FILE]

Seconds are wall-clock time; "processor" is CPU time of all threads, for cropping (which itself reads and detects
faces), encoding and decoding. The first clip is processed once before the measurement (cold start, shown separately).
With --jobs the whole command is also run over all clips in that many processes, and in one, to show how it scales. With
--beside both models read each clip in turn, in one run; M:float32 is M in that precision. --tokens is the greatest
number of tokens that the search writes for 10 s of video: random weights (tools/bench/published_size.py) never end by
themselves; speech has about 42.
"""

import argparse
import json
import time
from dataclasses import dataclass

import torch

from vsr.core.clock import FPS
from vsr.core.files import write_text
from vsr.core.machine import PRECISIONS
from vsr.data.transforms import to_network_input
from vsr.decoding.defaults import options_for
from vsr.decoding.encoding import encode_clips, mesh_for
from vsr.decoding.evidence import joining
from vsr.decoding.search import decode
from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_video
from vsr.face.tracker import track_faces
from vsr.inference.bulk import Settings, transcribe_files
from vsr.media.reader import probe, read_frames
from vsr.modelstore.folder import load_model


def timed(work):
    """Result of ``work`` and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def reader(name: str | None, precision: str = "auto"):
    """A model by its name or folder; a suffix such as ":float32" sets its precision."""
    model, colon, suffix = (name or "").rpartition(":")
    if colon and suffix in PRECISIONS:
        return load_model(model or None, precision=suffix)
    return load_model(name, precision=precision)


def stages(loaded, path, given, detector) -> dict[str, float]:
    """Seconds of each stage on one clip. Cropping runs the reader and the tracker itself: their time is subtracted.

    ``given``: changed options of the search. Tracking the mouth points, for models that need them, counts as encoding.
    """
    options = options_for(loaded, given)
    frames, read = timed(lambda: [frame for chunk, _ in read_frames(path) for frame in chunk])
    _, faces = timed(lambda: track_faces(iter(frames), detector))
    cpu_time = time.process_time()
    mouth, crop_total = timed(lambda: crop_video(path, detector, mesh=mesh_for(loaded), on_request=True))
    video, lengths = to_network_input(mouth.crop)[None], torch.tensor([len(mouth.crop)])
    with torch.inference_mode():
        states, encoding = timed(lambda: encode_clips(loaded, video, lengths, [mouth.mouth]))
        others = joining(loaded, options)
        _, search = timed(lambda: decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, others))
    crop = max(0.0, crop_total - read - faces)
    cpu_time = time.process_time() - cpu_time
    return {"read": read, "faces": faces, "crop": crop, "encode": encoding, "decode": search, "processor": cpu_time}


def whole(figures: dict[str, float]) -> float:
    """Total seconds of the stages of one clip."""
    return sum(value for name, value in figures.items() if name != "processor")


def scaling(paths, jobs: int) -> dict[str, float]:
    """Seconds of the whole command over all clips in one process and in ``jobs`` processes."""
    job_counts = {"1": 1, str(jobs): jobs}
    return {name: timed(lambda n=n: list(transcribe_files(paths, Settings(), n)))[1] for name, n in job_counts.items()}


@dataclass(frozen=True)
class Measured:
    """Seconds of each stage on each clip, by each model in turn (the first is measured, another is beside it); seconds
    of loading the first and of its first clip."""

    rounds: list[list[dict[str, float]]]
    load: float
    first: float
    precision: str

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Measured":
        """The models of the command line on its clips."""
        loaded, load = timed(lambda: reader(args.model, args.precision))
        models, detector, given = [loaded], default_detector(), search_options(args)
        models += [reader(args.beside)] if args.beside else []
        _, first = timed(lambda: stages(loaded, args.clips[0], given, detector))
        for other in models[1:]:
            stages(other, args.clips[0], given, detector)
        rounds = [[stages(model, path, given, detector) for model in models] for path in args.clips]
        return cls(rounds, load, first, loaded.precision)

    def total(self) -> dict[str, float]:
        """Seconds of each stage on all clips."""
        return {name: sum(clip[name] for clip, *_ in self.rounds) for name in self.rounds[0][0]}

    def ratio(self) -> float:
        """Seconds of all clips as a share of those of the model beside it."""
        return sum(whole(clip) for clip, *_ in self.rounds) / sum(whole(other) for _, other in self.rounds)


def search_options(args: argparse.Namespace) -> dict:
    """Changed options of the search."""
    beam = {} if args.beam is None else {"beam": args.beam}
    return beam | ({} if args.tokens is None else {"max_length_ratio": args.tokens / (10 * FPS)})


def figures_of(measured: Measured, seconds: float) -> dict:
    """Figures of the stages; ``seconds``: of video."""
    total = measured.total()
    busy = total.pop("processor")
    rtf = {name: value / seconds for name, value in total.items()}
    return {
        "rtf_total": sum(rtf.values()), "rtf": rtf, "seconds": total, "video_seconds": seconds,
        "load": measured.load, "processor_seconds": busy,
    }  # fmt: skip


def print_stages(figures: dict) -> None:
    """A line for each stage, their sum and the CPU time."""
    seconds = figures["seconds"]
    lines = seconds | {"total": sum(seconds.values()), "processor": figures["processor_seconds"]}
    for name, value in lines.items():
        print(f"{name:>9}  {value:8.2f} s  {value / figures['video_seconds']:7.3f} x real time")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clips", nargs="+")
    options.add_argument("--beam", type=int, help="default: the model's own, or 10")
    options.add_argument("--tokens", type=float, help="of 10 s of video at most")
    options.add_argument("--precision", choices=PRECISIONS, default="auto")
    options.add_argument("--threads", type=int, help="of the tensor library (default: its own choice)")
    options.add_argument("--jobs", type=int, default=0, help="also measure the command in so many processes")
    options.add_argument("--model", help="a reader by name or folder instead of the default")
    options.add_argument("--beside", help="another, in turn with it on each clip: the ratio of both is printed")
    options.add_argument("--json")
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    measured = Measured.of(args)
    seconds = sum(probe(path).duration for path in args.clips)
    figures, threads = figures_of(measured, seconds), torch.get_num_threads()
    print(f"{len(args.clips)} clips, {seconds:.1f} s of video, {measured.precision}, {threads} threads")
    print(f"cold start: model {measured.load:.2f} s, first clip {measured.first:.2f} s")
    print_stages(figures)
    if args.beside:
        figures["ratio"] = measured.ratio()
        print(f"    ratio  {figures['ratio']:8.2f} times the seconds of {args.beside}")
    if args.jobs:
        figures["jobs"] = scaling(args.clips, args.jobs)
        for jobs, value in figures["jobs"].items():
            print(f"  {jobs} jobs  {value:8.2f} s  {value / seconds:7.3f} x real time, loading included")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
