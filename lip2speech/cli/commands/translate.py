"""`lip2speech translate`: a recording, or the lips in a video, in another language."""

from __future__ import annotations

import argparse
from pathlib import Path

from lip2speech.cli.consent import add_consent_argument, check_consent
from lip2speech.models.flow_options import add_flow_arguments, flow_options, unused_of_flow
from vsr.core.clock import SAMPLE_RATE
from vsr.core.machine import add_device_argument

HELP = "translate the speech of a recording, or of the lips in a video"
ABOUT = """Translates speech by its units, without text: those of the sound or, where there is none (or
with --modality video), those of the voice that `lip2speech speak` gives the lips. It needs
a voice that was trained to speak units and has a translator; the one in the package has
none. The translation can be wrong, and the voice is synthetic: the file's metadata say so.
Use it only with the consent of the person whose voice it is."""
FILES = """reads   a video or sound file of at most 20 s; a recording; a model that translates
writes  .wav (16 kHz), or the video with its new sound, as long as it was"""
SEE = "lip2speech translator, lip2speech revoice, vsr transcribe"
EXAMPLE = """lip2speech translate said.wav --to es -o gesagt.wav --model exp/translating --consent
lip2speech translate clip.mp4 --to de --modality video -o clip_de.mp4 --model exp/translating"""
OWN, SAME, FREE = "own", "same", "free"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="VIDEO|WAV", help="what is translated")
    parser.add_argument("--to", required=True, metavar="LANG", help="target language, such as es")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help=".wav, or video with the new sound")
    duration = "exactly as long as the source, or as predicted (.wav only) (default: same)"
    parser.add_argument("--duration", choices=(SAME, FREE), default=SAME, metavar="same|free", help=duration)
    modality = "sound or video, that is the lips (default: sound, where there is any)"
    parser.add_argument("--modality", choices=("sound", "video"), metavar="M", help=modality)
    voice = parser.add_argument_group("voice")
    reference = "whose voice to use (default: own, where there is sound, else that of --model)"
    voice.add_argument("--reference", metavar="own|FILE", help=reference)
    add_consent_argument(voice)
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name of a voice that translates")
    lips = "folder or org/name of the voice that first speaks the lips (default: the one in the package)"
    voice.add_argument("--lips", metavar="MODEL", help=lips)
    add_device_argument(voice)
    add_flow_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_flow(args, words=False)


def run(args: argparse.Namespace) -> int:
    """Translate and write. Raises VsrError."""
    options, plan = check_arguments(args)
    check_consent(args.consent, "a translated voice")
    from lip2speech.inference.dubbing import speak
    from lip2speech.inference.folder import load_model
    from lip2speech.inference.speakers import speaker_of
    from lip2speech.inference.spoken import write_spoken
    from lip2speech.inference.translating import open_translator, say, translate_wave

    wave, vector = _source_sound(args)
    same = args.duration == SAME
    loaded = load_model(args.model, args.device)
    translator = open_translator(loaded)
    if wave is None:
        wave = speak(load_model(args.lips, args.device), args.source).wave
    translated = translate_wave(translator, wave, args.to, same)
    voiced = say(loaded, translated.units, speaker_of(loaded, vector), options, len(wave) if same else None)
    write_spoken(voiced, args.source, args.out, plan)
    pace = f", {translated.pace:.2f} times as fast as the model would" if same else ""
    print(f"{args.out}: {len(voiced) / SAMPLE_RATE:.2f} s of speech in {args.to}{pace}")
    return 0


def _source_sound(args: argparse.Namespace) -> tuple:
    """The wave (S,) to translate, None for lips, and the speaker embedding (256,). Raises VsrError."""
    from lip2speech.inference.translating import heard_wave
    from vsr.media.decoding_check import check_sound, check_video

    uses_sound = reads_sound(args)
    (check_sound if uses_sound else check_video)(args.source)  # a truncated sentence would be mistranslated
    return heard_wave(args.source) if uses_sound else None, _vector(args, uses_sound)


def _vector(args: argparse.Namespace, uses_sound: bool):
    """The speaker embedding (256,) of --reference, by default of the source if its sound is used; None: the model's own
    voice. Raises VsrError."""
    import torch

    from lip2speech.features.speaker import reference_vector

    reference = args.reference or (OWN if uses_sound else None)
    return torch.from_numpy(reference_vector(args.source if reference == OWN else reference)) if reference else None


def check_arguments(args: argparse.Namespace):
    """Check files and options before the work; returns the options of the flow and the plan for muxing, None for a
    .wav. Raises VsrError."""
    from lip2speech.inference.folder import ACOUSTIC, find_model
    from lip2speech.inference.languages import check_code, check_language
    from lip2speech.inference.synthetic_marks import VOICE
    from lip2speech.inference.unit_voices import check_units_folder
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output

    options, sound = flow_options(args), Path(args.out).suffix.lower() == ".wav"
    check_code(args.to)
    _check_together(args, sound)
    reads = [args.source, *([args.reference] if args.reference not in (None, OWN) else [])]
    for path in reads:
        if not Path(path).exists():
            raise VsrError("unreadable", f"{path}: no such file")
    check_output(args.out, *reads, kind=VOICE)
    check_language(folder := find_model(args.model), args.to)
    check_units_folder(folder / ACOUSTIC)
    if sound:
        return options, None
    from vsr.media.mux.mux import check_container

    return options, check_container(args.source, args.out)


def _check_together(args: argparse.Namespace, sound: bool) -> None:
    """Refuse options that conflict; ``sound``: the output is a .wav. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError

    if not Path(args.out).suffix:
        raise VsrError("bad_options", f"{args.out}: the suffix says what to write, such as .mp4 or .wav")
    if args.duration == FREE and not sound:
        raise VsrError("bad_options", "--duration free gives a length other than the video's: write a .wav")
    if args.lips and args.modality == "sound":
        raise VsrError("bad_options", "--lips works only with --modality video")
    if args.reference == OWN and args.modality == "video":
        raise VsrError("bad_options", "--reference own needs the sound, which --modality video does not use")


def reads_sound(args: argparse.Namespace) -> bool:
    """Whether the sound is translated instead of the lips. Raises VsrError no_sound for ``own`` without sound."""
    from vsr.core.errors import VsrError
    from vsr.inference.listening import has_sound

    uses_sound = args.modality == "sound" or args.modality is None and not args.lips and has_sound(args.source)
    if args.reference == OWN and not uses_sound:
        raise VsrError("no_sound", f"{args.source}: has no sound, so there is no voice for --reference own")
    return uses_sound
