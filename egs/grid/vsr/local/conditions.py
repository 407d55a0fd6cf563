#!/usr/bin/env python3
"""Word error rate on degraded copies of a list's videos: resolution, blur, roll and turn of heads, light, frame rate.

    local/conditions.py --manifest data/manifests/dev.jsonl --model grid grid-tracks --clips 20

The copies are written as H.264 (CRF 12) in a temporary folder and read as `vsr transcribe` reads files, from video to
text; a clip that is refused counts with all of its words.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from head_turn import Turner

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest
from vsr.evaluation.wer import word_errors
from vsr.inference.reader import load_model
from vsr.media.degradation import blurred, reduced
from vsr.media.reader import frames_of_part
from vsr.text.normalise import lower

X264 = {"crf": "12", "preset": "veryfast"}


def roll(frame: np.ndarray, degrees: float) -> np.ndarray:
    """The frame rotated about its middle, like a tilted head."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


# name -> (function of a frame, n: every n-th frame is kept)
CONDITIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "as filmed": (lambda frame: frame, 1),
    "resolution 1/2": (lambda frame: reduced(frame, 1 / 2), 1),
    "resolution 1/3": (lambda frame: reduced(frame, 1 / 3), 1),
    "resolution 1/4": (lambda frame: reduced(frame, 1 / 4), 1),
    "blur 1.5 pixels": (lambda frame: blurred(frame, 1.5), 1),
    "blur 3 pixels": (lambda frame: blurred(frame, 3.0), 1),
    "roll 15 degrees": (lambda frame: roll(frame, 15), 1),
    "roll 30 degrees": (lambda frame: roll(frame, 30), 1),
    "light 0.4": (lambda frame: cv2.convertScaleAbs(frame, alpha=0.4), 1),
    "12.5 frames a second": (lambda frame: frame, 2),
    "8.3 frames a second": (lambda frame: frame, 3),
}
# name -> degrees of yaw; each clip has its own mesh tracker, which follows the face
TURNS = {f"turn {degrees} degrees": degrees for degrees in (15, 30, 45)}
NAMES = [*CONDITIONS, *TURNS]


def write_copy(path: Path, clip: Clip, name: str) -> None:
    """Write the clip's video under a condition, without sound."""
    change, every = (Turner(TURNS[name]), 1) if name in TURNS else CONDITIONS[name]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(FPS, every), options=X264)
        for number, (frame, _) in enumerate(frames_of_part(clip.video, clip.start, clip.end)):
            if number % every == 0:
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(change(frame)), format="rgb24")
                if not number:
                    video.width, video.height, video.pix_fmt = image.width, image.height, "yuv420p"
                container.mux(video.encode(image))
        container.mux(video.encode())


def num_wrong(reader, path: Path, text: str) -> int:
    """Number of wrong words of one video."""
    try:
        return word_errors(text, lower(reader.transcribe(path).text))[0]
    except VsrError:
        return len(text.split())


def main() -> None:
    """Measure and print, a line for each condition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--model", nargs="+", default=["grid"])
    parser.add_argument("--clips", type=int, default=20, help="the first so many of the list")
    parser.add_argument("--conditions", nargs="+", choices=NAMES, default=NAMES)
    args = parser.parse_args()
    readers = {name: load_model(name) for name in args.model}
    clips = read_manifest(args.manifest)[: args.clips]
    words = sum(len(lower(clip.text).split()) for clip in clips)
    for name in args.conditions:
        errors = dict.fromkeys(readers, 0)
        with tempfile.TemporaryDirectory() as folder:
            for clip in clips:
                write_copy(path := Path(folder) / f"{clip.id}.mp4", clip, name)
                for model_name, reader in readers.items():
                    errors[model_name] += num_wrong(reader, path, lower(clip.text))
        note = ", ".join(f"{model_name} {100 * count / words:.1f} % ({count})" for model_name, count in errors.items())
        print(f"{name}: {note} of {words} words", flush=True)


if __name__ == "__main__":
    main()
