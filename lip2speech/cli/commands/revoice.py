"""`lip2speech revoice`: a recording in another voice."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lip2speech.cli.commands.watermark import add_watermark_argument
from lip2speech.cli.consent import add_consent_argument, check_consent
from lip2speech.inference.reference import ANONYMOUS, OWN, Reference, fixed_embedding, read_reference
from lip2speech.models.flow_options import FlowOptions, add_flow_arguments, flow_options, unused_of_flow
from vsr.core.machine import add_device_argument

if TYPE_CHECKING:
    import numpy as np

HELP = "say a recording in another voice"
ABOUT = """Says the words of a recording in another voice, using its speech units: the voice of a
recording, a saved one, an anonymous one (the mean of 3 to 5 voices that are far from the
speaker's), or its own. This needs a voice that was trained to speak units (data.seen:
units); the one in the package speaks from lips and is refused. Use it only with the consent
of the people whose voices they are; a voice that is anonymous to programs may not be so to
people."""
FILES = """reads   a sound file, the sound of a video, or units in a .npy; recordings; a
        model that speaks units
writes  .wav (16 kHz), as long as what was read; its metadata say that it is synthetic"""
SEE = "lip2speech speak, lip2speech voices, lip2speech features"
EXAMPLE = """lip2speech revoice said.wav -o other.wav --reference someone.wav --model exp/units --consent
lip2speech revoice said.wav -o nobody.wav --reference anonymous:7 --model exp/units --watermark
lip2speech revoice units.npy -o said.wav --reference someone.wav --model exp/units --consent"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("sound", metavar="WAV|NPY", help="a recording, or units of the model, 50 a second")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help=".wav")
    voice = parser.add_argument_group("voice")
    voice.add_argument(
        "--reference", required=True, metavar="own|anonymous[:SEED]|NAME|FILE", help="whose voice to use"
    )  # fmt: skip
    voice.add_argument("--pool", metavar="DIR", help="for anonymous: recordings, one per voice (default: 261 voices)")
    emotion = "emotion of the whole, for a voice trained with a track of emotions"
    voice.add_argument("--emotion", default="", metavar="NAME", help=emotion)
    add_watermark_argument(voice)
    add_consent_argument(voice)
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name of a voice that speaks units")
    add_device_argument(voice)
    add_flow_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_flow(args, words=False)


def run(args: argparse.Namespace) -> int:
    """Convert and write. Raises VsrError."""
    options, reference = check_arguments(args)
    check_consent(args.consent, "another voice")
    import torch

    from lip2speech.inference.folder import load_model
    from lip2speech.inference.revoicing import check_voice_emotion, read_units, revoice, say_units
    from lip2speech.inference.speakers import speaker_of
    from vsr.media.audio import read_wave
    from vsr.media.decoding_check import check_sound

    if not is_units(args.sound):
        check_sound(args.sound)
    loaded = load_model(args.model, args.device)
    check_voice_emotion(loaded, args.emotion)
    if is_units(args.sound):
        speaker = speaker_of(loaded, torch.from_numpy(fixed_embedding(reference)))
        units = read_units(args.sound, loaded.voice.config.units)
        return write_result(args, say_units(loaded, units, speaker, options, args.emotion))
    wave = read_wave(args.sound)
    speaker = speaker_of(loaded, torch.from_numpy(_vector(args, reference)))
    return write_result(args, revoice(loaded, wave, speaker, options, args.emotion))


def _vector(args: argparse.Namespace, reference: Reference) -> np.ndarray:
    """The speaker embedding (256,) of the target voice; prints its note to stderr. Raises VsrError."""
    from lip2speech.features.speaker import reference_vector
    from lip2speech.inference.reference import reference_voice

    pool = [reference_vector(path) for path in pool_of(args.pool)] if args.pool else None
    voice = reference_voice(reference, args.sound, pool)
    if voice.note:
        print(f"lip2speech: {args.sound}: {voice.note}", file=sys.stderr)
    return voice.vector


def write_result(args: argparse.Namespace, wave) -> int:
    """Write a wave (S,) and print its length. Raises VsrError."""
    from lip2speech.inference.synthetic_marks import SYNTHETIC
    from lip2speech.inference.watermark import mark
    from vsr.media.audio import write_wave

    write_wave(args.out, mark(wave) if args.watermark else wave, SYNTHETIC)
    print(f"{args.out}: {len(wave) / 16000:.2f} s of speech")
    return 0


def is_units(path: str) -> bool:
    """Whether a file holds units instead of sound."""
    return Path(path).suffix.lower() == ".npy"


def check_arguments(args: argparse.Namespace) -> tuple[FlowOptions, Reference]:
    """Check files and options before the work; returns the options of the flow and the reference. Raises VsrError."""
    from lip2speech.inference.folder import ACOUSTIC, find_model
    from lip2speech.inference.synthetic_marks import VOICE
    from lip2speech.inference.unit_voices import check_units_folder
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output

    reference, options = read_reference(args.reference), flow_options(args)
    if args.pool and reference.kind != ANONYMOUS:
        raise VsrError("bad_options", f"--pool works only with --reference {ANONYMOUS}")
    if is_units(args.sound) and (reference.kind == OWN or args.pool):
        raise VsrError(
            "bad_options", f"{args.sound}: units have no voice: --reference {OWN} and --pool need a sound file"
        )
    if Path(args.out).suffix.lower() != ".wav":
        raise VsrError("bad_options", f"{args.out}: sound alone is written: the name must end in .wav")
    if not Path(args.sound).is_file():
        raise VsrError("unreadable", f"{args.sound}: no such file")
    check_output(args.out, args.sound, *filter(None, [reference.file]), kind=VOICE)
    if args.pool:
        pool_of(args.pool)
    check_units_folder(find_model(args.model) / ACOUSTIC)
    return options, reference


def pool_of(folder: str) -> list[Path]:
    """The recordings of a pool. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError

    recordings = sorted(path for path in Path(folder).glob("*") if path.is_file() and not path.name.startswith("."))
    if not recordings:
        raise VsrError("bad_options", f"--pool {folder}: no recordings there")
    return recordings
