"""The options of `vsr corrupt` that say what is done; imports nothing heavy."""

from __future__ import annotations

import argparse
from typing import Any

from vsr.core.errors import VsrError


def add_distortion_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them, as a group of their own."""
    group = parser.add_argument_group("distortion")
    group.add_argument("--snr", type=_numbers, metavar="DB", help="sound: of active speech to noise")
    group.add_argument("--noise", metavar="KIND", help="babble, white, pink, sound files (default: babble)")
    group.add_argument("--reverb", type=_numbers, metavar="S", help="sound: reverberation time T60, seconds")
    group.add_argument("--bandwidth", type=_numbers, metavar="HZ", help="sound: low-pass at this frequency")
    group.add_argument("--clipping", type=_numbers, metavar="X", help="sound: share of the samples clipped")
    group.add_argument("--codec", type=_numbers, metavar="BITS", help="sound: G.711's curve (telephone: 8)")
    group.add_argument("--occlude", type=_numbers, metavar="X", help="frames: share of the lips covered")
    group.add_argument("--cover", metavar="KIND", help="patch, object, hand (default: any of them)")
    group.add_argument("--blur", type=_numbers, metavar="PIXELS", help="frames: sigma of a Gaussian")
    group.add_argument("--video-noise", type=_numbers, metavar="N", help="frames: standard deviation, gray levels")
    group.add_argument("--resolution", type=_numbers, metavar="X", help="frames: share of the sides kept")
    group.add_argument("--compression", type=_numbers, metavar="N", help="frames: JPEG quality, 1 to 100")
    group.add_argument("--drop", type=_numbers, metavar="X", help="frames: share that show the one before")


def _numbers(text: str) -> tuple[float, ...]:
    """The type of an option that is numbers with commas between."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, nor several with commas between") from None


def distortion_of(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The options as the sections of `vsr.data.corruption.Corruption`. Raises VsrError bad_options."""
    if args.noise and args.snr is None:
        raise VsrError("bad_options", "noise needs its ratio: give --snr")
    if args.cover and args.occlude is None:
        raise VsrError("bad_options", "a cover needs the share of the lips that it hides: give --occlude")
    noise = _set_options(kinds=args.noise and args.noise.split(","), snr=args.snr)
    cover = _set_options(kinds=args.cover and args.cover.split(","), share=args.occlude)
    sound = _amounts(
        reverberation=args.reverb, bandwidth=args.bandwidth, clipping=args.clipping, codec=args.codec
    )  # fmt: skip
    video = _amounts(
        blur=args.blur, noise=args.video_noise, resolution=args.resolution, compression=args.compression,
        dropped=args.drop,
    )  # fmt: skip
    return {"sound": _set_options(noise=noise or None) | sound, "video": _set_options(occlusion=cover or None) | video}


def _set_options(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _amounts(**options: tuple[float, ...] | None) -> dict[str, Any]:
    return {name: {"values": values} for name, values in options.items() if values is not None}
