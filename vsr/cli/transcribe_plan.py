"""Which videos `vsr transcribe` still has to read, and whether their results may be written."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from vsr.cli.options import files_of_model
from vsr.cli.search_options import check_head, language_files, search_options
from vsr.core.errors import VsrError
from vsr.core.machine import find_device
from vsr.data.modalities import SOUND
from vsr.output.writing import Outputs


def videos_to_read(args: argparse.Namespace, outputs: Outputs) -> tuple[list[str], int]:
    """The videos to read, and how many others there are whose results may not be written; each gets its line."""
    from vsr.core.artifacts import KEPT, NEW, print_states
    from vsr.output.ledger import WrittenTranscripts

    outputs.prepare()
    read = (*args.videos, *language_files(args), *files_of_model(args.model))
    written, inputs = WrittenTranscripts(outputs.folder), {os.path.realpath(file) for file in read}
    state_of = _state_function(args, outputs, written) if args.resume else lambda video: NEW
    states, allowed, refused = [], [], 0
    for video in args.videos:
        try:
            state = state_of(video)
            if state != KEPT:
                outputs.check(video, written, inputs, args.force)
                outputs.remove_leftovers(video)
                allowed.append(video)
            states.append(state)
        except VsrError as error:
            refused += not report_line(video, str(error))
    print_states(states, "transcripts")
    return allowed, refused


def _state_function(args: argparse.Namespace, outputs: Outputs, written) -> Callable[[str], str]:
    """Whether an earlier run finished a video with this model and these options (`Outputs.state`)."""
    from vsr.core.one_output import content_of

    made = _provenance(args)

    def state(video: str) -> str:
        try:
            own = {"video": content_of(video)} if os.path.isfile(video) else {}
            return outputs.state(video, made | own, written)
        except OSError as error:
            raise VsrError("unreadable", f"{error.filename}: {error.strerror}") from error

    return state


def _provenance(args: argparse.Namespace) -> dict:
    """What a transcript that this run makes says of how it was made. Raises VsrError."""
    from vsr.decoding.defaults import options_in
    from vsr.decoding.provenance import search_record
    from vsr.face.speaker_selection import number_of_faces
    from vsr.modelstore.checkpoint import read_config
    from vsr.modelstore.folder import find_model
    from vsr.modelstore.precision import chosen_precision

    folder = find_model(args.model)
    precision = chosen_precision(folder, args.precision, find_device("auto") if args.device == "auto" else args.device)
    made = search_record(folder, options_in(folder, read_config(folder), options_given(args)), precision=precision)
    made["faces"] = number_of_faces(args.faces) or "all"
    made |= {"unsure": args.unsure} if args.unsure else {}
    made |= {"cropped": True, "faces": 1} if args.cropped else {}
    return made | _modality(args, folder)


def _modality(args: argparse.Namespace, folder: Path) -> dict:
    """What a finished transcript of a model that hears says of it. Raises VsrError."""
    from vsr.decoding.encoding import modality_among
    from vsr.modelstore.folder import modalities_in

    read = modalities_in(folder)
    chosen = modality_among(read, args.modality, str(args.model))
    return {"modality": chosen} | ({"faces": 1} if chosen == SOUND else {}) if SOUND in read else {}


def options_given(args: argparse.Namespace) -> dict:
    """Fields of `DecodeOptions` that were given, with the head. Raises VsrError for what does not go together."""
    given = search_options(args)
    check_head(args.head, given)
    return given if args.head is None else given | {"head": args.head}


def report_line(file: str, message: str) -> bool:
    """False, after a line on stderr that names the file."""
    print(f"vsr: {message}" if file in message else f"vsr: {file}: {message}", file=sys.stderr)
    return False
