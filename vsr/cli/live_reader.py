"""The reader of verbs that follow a camera, as their options name it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # PyTorch is loaded after the options are checked
    from vsr.decoding.options import DecodeOptions
    from vsr.modelstore.folder import LoadedModel


def open_reader(args: argparse.Namespace) -> tuple[LoadedModel, DecodeOptions]:
    """The model of --model and how it searches, once --beam and the source are found fit. Raises VsrError."""
    from vsr.decoding.options import DecodeOptions
    from vsr.inference.live.session import live_options
    from vsr.inference.live.source import check_source
    from vsr.modelstore.folder import load_model

    given = {} if args.beam is None else {"beam": args.beam}
    DecodeOptions(**given)  # what is wrong with it is reported before a model is loaded
    check_source(args.source)
    loaded = load_model(args.model, args.device, args.precision)
    return loaded, live_options(loaded, given)
