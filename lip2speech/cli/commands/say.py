"""`lip2speech say`: text-to-speech in any voice, without lips."""

from __future__ import annotations

import argparse
from pathlib import Path

from lip2speech.cli.commands.revoice import write_result
from lip2speech.cli.commands.watermark import add_watermark_argument
from lip2speech.cli.consent import add_consent_argument, check_consent
from lip2speech.models.flow_options import FlowOptions, add_flow_arguments, flow_options
from vsr.core.machine import add_device_argument

HELP = "say a text in any voice, without lips"
ABOUT = """Says a text: espeak-ng gives its phones, a model trained for this (`lip2speech train` with
model.kind: text) their durations and speech units, and a voice speaks the units: that of a
recording, a saved one, an anonymous one, or that of --model, which must use the same units.
Neither model ships. Words without pronunciation, or with sounds that the model has not
learned, are named and refused. The voice is synthetic, and the file's metadata say so. Use
it only with the consent of the person whose voice it is."""
FILES = """reads   the text, or a .txt; a recording; both models
writes  .wav (16 kHz); its metadata say that it is synthetic"""
SEE = "lip2speech revoice, lip2speech dub, lip2speech train"
EXAMPLE = """lip2speech say "the red bull sleeps" -o said.wav --model exp/units --units-model exp/say/model
lip2speech say text.txt -o said.wav --model exp/units --units-model exp/say/model --duration 9
lip2speech say text.txt -o said.wav --model exp/units --units-model exp/say/model --watermark"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("text", metavar="TEXT|FILE.txt", help="what to say; lines and .?!;: end sentences")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help=".wav")
    units = "text-to-units model: model/ of lip2speech train"
    parser.add_argument("--units-model", required=True, metavar="DIR", help=units)
    parser.add_argument("--language", metavar="LANG", help="of the text, such as en (default: the model's only one)")
    duration = "exact length (default: as predicted)"
    parser.add_argument("--duration", type=float, metavar="SECONDS", help=duration)
    voice = parser.add_argument_group("voice")
    reference = "whose voice to use (default: that of --model)"
    voice.add_argument("--reference", metavar="anonymous[:SEED]|NAME|FILE", help=reference)
    add_watermark_argument(voice)
    add_consent_argument(voice)
    voice.add_argument("--model", metavar="MODEL", help="folder or org/name of a voice that speaks units")
    add_device_argument(voice)
    add_flow_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Synthesise and write. Raises VsrError."""
    options, language, phones = check_arguments(args)
    check_consent(args.consent, "a voice that says a text")
    import torch

    from lip2speech.inference.folder import load_model
    from lip2speech.inference.reference import fixed_embedding, read_reference
    from lip2speech.inference.revoicing import matching_codebook, say_units
    from lip2speech.inference.saying import open_text_units, say_text
    from lip2speech.inference.speakers import speaker_of
    from vsr.core.clock import SAMPLE_RATE
    from vsr.media.audio import fit_length

    vector = fixed_embedding(read_reference(args.reference)) if args.reference else None
    loaded, model = load_model(args.model, args.device), open_text_units(args.units_model)
    matching_codebook(Path(args.units_model), loaded.parts[0], model.config.units)
    said_text = say_text(model, phones, language, args.duration)
    speaker = speaker_of(loaded, None if vector is None else torch.from_numpy(vector))
    wave = say_units(loaded, torch.tensor(said_text.units), speaker, options)
    if args.duration is not None:
        wave = fit_length(wave, round(SAMPLE_RATE * args.duration))
        print(f"{said_text.pace:.2f} times as fast as the model would say it")
    return write_result(args, wave)


def check_arguments(args: argparse.Namespace) -> tuple[FlowOptions, str, list[list[str]]]:
    """Check files, options and words before models are loaded; returns the options of the flow, the language and the
    phones of each sentence. Raises VsrError."""
    from lip2speech.inference.folder import ACOUSTIC, find_model
    from lip2speech.inference.reference import FACE, OWN, files_of, read_reference
    from lip2speech.inference.saying import check_time, chosen_language, phones_of_sentences, sentences_of, text_config
    from lip2speech.inference.synthetic_marks import VOICE
    from lip2speech.inference.unit_voices import check_units_folder
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output

    options = flow_options(args)
    reference = read_reference(args.reference) if args.reference else None
    if reference and reference.kind in (OWN, FACE):
        raise VsrError("bad_options", f"--reference {args.reference}: a text has no voice of its own")
    if Path(args.out).suffix.lower() != ".wav":
        raise VsrError("bad_options", f"{args.out}: sound alone is written: the name must end in .wav")
    check_output(args.out, *files_of(reference), kind=VOICE)
    config = text_config(args.units_model)
    language = chosen_language(args.language, config)
    phones = phones_of_sentences(sentences_of(args.text), language, config)
    if args.duration is not None:
        check_time(phones, args.duration)
    check_units_folder(find_model(args.model) / ACOUSTIC)
    return options, language, phones
