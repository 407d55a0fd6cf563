#!/usr/bin/env python3
"""Compare reading a long video as `vsr transcribe` does with a detection of faces from scratch in every frame.

    tools/bench/footage.py CLIP... [--minutes 30] [--peer-minutes 30] [--model DIR] [--json FILE]

The clips, all with the same encoder settings, are joined repeatedly to a video of --minutes, without sound and without
encoding them again. It is read to its end; then every frame of its first minutes (--peer-minutes, default: all) goes
through detection and landmarks by itself, is smoothed and cropped. Prints and writes

    speedup        CPU time of faces and crops: the peer's divided by ours, over the same minutes
    crop_diff_px   mean distance of the crop's corners between the two, in pixels of the 96 x 96 crop
    peak_rss_mb    peak memory of the process until the end of our reading
    x_realtime     seconds of video divided by seconds of our whole reading
    stages         for each stage of ours: wall-clock and CPU seconds (all threads), and x real time
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.files import write_text
from vsr.decoding.options import DecodeOptions
from vsr.face.detector import default_detector
from vsr.face.geometry import CROP, crop_corners, cut_mouth, mouth_transforms
from vsr.face.mediapipe_graph import solutions
from vsr.face.mediapipe_graphs import BLANK, INNER, mesh_of
from vsr.face.pipeline import blocks
from vsr.inference.transcriber import Reading
from vsr.media.reader import frames_from
from vsr.modelstore.folder import load_model


class Clocks:
    """Wall-clock and CPU seconds by stage."""

    def __init__(self):
        self.seconds: dict[str, np.ndarray] = {}

    def time(self, stage: str, work, *arguments):
        """Measures ``work(*arguments)`` and returns its result."""
        start = np.array([time.perf_counter(), time.process_time()])
        try:
            return work(*arguments)
        finally:
            spent = np.array([time.perf_counter(), time.process_time()]) - start
            self.seconds[stage] = self.seconds.get(stage, np.zeros(2)) + spent

    def each(self, stage: str, items):
        """Yields the items, measuring the time to make each."""
        items, sentinel = iter(items), object()
        while (item := self.time(stage, next, items, sentinel)) is not sentinel:
            yield item


def join(clips: list[str], minutes: float, target: Path) -> float:
    """Copy the packets of the clips' videos one after another until ``minutes`` are full; returns seconds."""
    import av

    with av.open(str(target), "w") as output:
        stream, end, settings = None, 0, None
        while stream is None or end * stream.time_base < 60 * minutes:
            for clip in clips:
                with av.open(clip) as container:
                    video = container.streams.video[0]
                    stream = stream or output.add_stream_from_template(video)
                    settings = settings or (video.codec_context.extradata, video.time_base)
                    if settings != (video.codec_context.extradata, video.time_base):
                        raise VsrError("bad_config", f"{clip}: is not encoded as the other clips are")
                    end = _append(output, stream, list(container.demux(video)), end)
                if end * stream.time_base >= 60 * minutes:
                    break
        return float(end * stream.time_base)


def _append(output, stream, packets: list, begin: int) -> int:
    """Mux packets so that their first frame is at ``begin``; returns the end of the last."""
    packets = [packet for packet in packets if packet.size]
    first, end = min(packet.pts for packet in packets), begin
    for packet in packets:
        packet.pts, packet.dts, packet.stream = packet.pts - first + begin, packet.dts - first + begin, stream
        end = max(end, packet.pts + packet.duration)
        output.mux(packet)
    return end


def ours(video: Path, model: str | None, clocks: Clocks, peer_seconds: float) -> tuple[list, int, np.ndarray]:
    """Read the video; returns (times, points) of each piece in the first seconds, word count, CPU seconds per
    second."""
    reading = Reading(load_model(model), video, DecodeOptions(), "largest", video.with_suffix(".journal"))
    source = reading.source()
    frames, pieces, seconds_then = clocks.each("read", frames_from(video)), [], None
    for block in clocks.each("read, faces and crops", blocks(frames, default_detector())):
        pieces += [(piece.times, piece.points) for piece in block.pieces if piece.times[0] < peer_seconds]
        if block.times[-1] + 1 / FPS <= peer_seconds or seconds_then is None:
            seconds_then = [clocks.seconds[name].copy() for name in ("read, faces and crops", "read")]
            covered = block.times[-1] + 1 / FPS
        reading.journal.add(clocks.time("lips", reading._read_block, source.select(block)))
    return pieces, len(reading.transcript().text.split()), (seconds_then[0] - seconds_then[1])[1] / covered


def peer(video: Path, clocks: Clocks, seconds: float) -> dict[float, np.ndarray]:
    """Time -> points (37, 2) of the face in each frame, detected from scratch; its crops are cut and discarded."""
    mesh = solutions().face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1)
    mesh.process(BLANK)
    points_at, frames = {}, []
    for frame, position in frames_from(video):
        if position.time >= seconds:
            break
        faces = clocks.time("peer", mesh.process, frame).multi_face_landmarks
        if faces:
            points_at[position.time] = clocks.time("peer", mesh_of, faces[0], frame.shape)[list(INNER)]
            frames.append((frame, points_at[position.time]))
        if len(frames) == 3 * FPS:
            clocks.time("peer", _cut, frames)
            frames = []
    clocks.time("peer", _cut, frames)
    return points_at


def _cut(frames: list) -> None:
    """The remaining work when the points of each frame's face are known."""
    matrices = mouth_transforms(np.stack([points for _, points in frames])) if frames else ()
    for (frame, _), matrix in zip(frames, matrices, strict=True):
        cut_mouth(frame, matrix)


def crop_difference(pieces: list, found: dict[float, np.ndarray]) -> tuple[float, int]:
    """(mean distance of the crops' corners in crop pixels, compared frames)."""
    distances = []
    square = np.array([(0, 0), (CROP, 0), (CROP, CROP), (0, CROP)], dtype=np.float64)
    for times, points in pieces:
        shared = [i for i, time in enumerate(times) if time in found]
        if len(shared) < 2:
            continue
        peer_points = np.stack([found[times[i]] for i in shared])
        for matrix, peer_matrix in zip(mouth_transforms(points)[shared], mouth_transforms(peer_points), strict=True):
            corners = crop_corners(peer_matrix) @ matrix[:, :2].T + matrix[:, 2]
            distances.append(np.linalg.norm(corners - square, axis=1).mean())
    return float(np.mean(distances)), len(distances)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--peer-minutes", type=float, help="default: all")
    parser.add_argument("--model")
    parser.add_argument("--json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mp4"
        seconds = join(args.clips, args.minutes, video)
        figures = measure(video, seconds, 60 * (args.peer_minutes or args.minutes), args.model)
    for name, value in figures.items():
        print(f"{name:>20}  {value}")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


def stage_figures(wall: float, cpu: float, seconds: float) -> dict[str, float]:
    """Figures of a stage of a video of ``seconds``."""
    return {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "x_realtime_cpu": round(seconds / cpu, 2)}


def measure(video: Path, seconds: float, peer_seconds: float, model: str | None) -> dict:
    """All figures for one video of ``seconds``."""
    clocks, start_time = Clocks(), time.perf_counter()
    pieces, words, cost = ours(video, model, clocks, peer_seconds)
    reading_time = time.perf_counter() - start_time
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer_seconds = min(peer_seconds, seconds)
    peer_points = peer(video, clocks, peer_seconds)
    difference, compared = crop_difference(pieces, peer_points)
    spent = clocks.seconds
    spent["faces and crops"] = spent.pop("read, faces and crops") - spent["read"]
    stages = {name: stage_figures(*times, seconds) for name, times in spent.items() if name != "peer"}
    return {
        "speedup": round(float(spent["peer"][1] / peer_seconds / cost), 2), "crop_diff_px": round(difference, 3),
        "peak_rss_mb": round(memory), "x_realtime": round(seconds / reading_time, 2),
        "video_seconds": round(seconds, 1), "peer_seconds": peer_seconds,
        "peer_cpu_seconds": round(spent["peer"][1], 2), "frames_compared": compared, "words": words, "stages": stages,
    }  # fmt: skip


if __name__ == "__main__":
    main()
