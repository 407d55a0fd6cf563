"""`vsr encode`: what the encoder makes of the lips in videos, for research."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.cli.options import add_faces_argument, add_model_argument, check_present, files_of_model, unused_of_crops
from vsr.core.machine import add_device_argument, add_precision_argument

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

HELP = "write the encoder states of videos, from any layer"
ABOUT = """Writes the states of the model's encoder for every frame with speaking lips: the states that
the heads read, or the output of any layer, with the time of each frame, whose face it is,
and which frames were encoded together. The states of another video of the same name are only
replaced with --force."""
FILES = """reads   video files; a model
writes  DIR/NAME.safetensors, or .npz: each layer (T, D) float32; start and end (T,) seconds;
        face and window (T,)"""
FAILS = "a file could not be read or written; the others are done all the same"
SEE = "vsr transcribe, vsr posteriors"
EXAMPLE = """vsr encode clip.mp4 -o states/
vsr encode *.mp4 -o states/ --layers frontend,2,last --format npz
vsr encode mouth.mp4 -o states/ --cropped --model lrs3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the files")
    add_model_argument(parser)
    parser.add_argument("--layers", default="last", metavar="L[,L]", help="frontend, numbers, last (default: last)")
    parser.add_argument("--format", choices=("safetensors", "npz"), default="safetensors", help="default: safetensors")
    replace = "replace what is there, whoever wrote it and of whatever video it is"
    parser.add_argument("--force", action="store_true", help=replace)
    parser.add_argument("--cropped", action="store_true", help="the videos are mouth crops: use them as they are")
    add_faces_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_crops(args)


def run(args: argparse.Namespace) -> int:
    """0 if every file was written, else 1. Raises VsrError for what no file could survive."""
    from vsr.cli.each_video import checked, for_each
    from vsr.core.files import check_writable
    from vsr.core.one_output import outputs_of

    outputs = outputs_of(args.videos, lambda video: f"{Path(video).stem}.{args.format}", args.out)
    layers = _layers(args.layers)
    check_writable(args.out)
    check_present(args.videos)
    from vsr.decoding.head_names import check_layer_names

    check_layer_names(args.model, layers)
    videos = checked(args.videos, lambda video: _check_replaced(video, outputs[video], args))
    if not videos:
        return 1
    from vsr.inference.states import check_layers
    from vsr.modelstore.folder import load_model

    loaded = load_model(args.model, args.device, args.precision)
    check_layers(loaded, layers)
    status = for_each(videos, lambda video: _encode(loaded, video, outputs[video], layers, args))
    return max(status, len(videos) < len(args.videos))


def _check_replaced(video: str, out: Path, args: argparse.Namespace) -> None:
    """Refuse what the states of a video would replace, if it is not its states. Raises VsrError."""
    from vsr.core.files import check_output
    from vsr.inference.states import STATES, check_states_of

    check_output(out, *args.videos, *files_of_model(args.model), kind=None if args.force else STATES)
    if not args.force:
        check_states_of(out, video)


def _encode(loaded: LoadedModel, video: str, out: Path, layers: tuple[str, ...], args: argparse.Namespace) -> None:
    """Write the states of one video, and say what must be known of it. Raises VsrError."""
    from vsr.cli.each_video import tell_face_report
    from vsr.inference.face_report import FaceReport
    from vsr.inference.states import encode_video, save_states, source_of

    report = FaceReport()
    states = encode_video(loaded, video, layers, args.faces, args.cropped, report)
    save_states(states, out, {"model": loaded.name, "sha256": loaded.weights_sha256} | source_of(video))
    print(f"{out}: {len(states['start'])} frames, layers: {', '.join(layers)}")
    tell_face_report(video, report)


def _layers(option: str) -> tuple[str, ...]:
    """The layers of --layers, each once. Raises VsrError for what is none."""
    from vsr.core.errors import VsrError

    layers = tuple(dict.fromkeys(option.split(",")))
    if odd := [name for name in layers if name not in ("frontend", "last") and not (name.isdecimal() and int(name))]:
        raise VsrError("bad_options", f"--layers {option}: {odd[0]!r} is not a layer; give frontend, 1, 2, ... or last")
    return layers
