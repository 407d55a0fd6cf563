"""`vsr export`: a reader's network for programs without PyTorch."""

from __future__ import annotations

import argparse

HELP = "write a reader's encoder and CTC head as an ONNX file"
ABOUT = """Writes front end, encoder and CTC head as one ONNX graph for clips of any length, compares
ONNX Runtime with PyTorch on clips of several lengths and prints the largest difference; a
graph that is off by more than 1e-3 is not written. The attention decoder and the search are
not included: for greedy text take the most likely tokens without blanks and repeats."""
FILES = """reads   a model
writes  FILE: input video (T, 88, 88) float32, the centre of a mouth crop,
        (gray / 255 - 0.421) / 0.165; outputs states (T, D) and ctc (T, V), log-probabilities;
        metadata name, weights_sha256, tokens"""
SEE = "vsr encode, vsr crop, vsr models"
EXAMPLE = """vsr export onnx grid -o grid.onnx"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("format", choices=("onnx",), help="format of the file")
    parser.add_argument("model", metavar="MODEL", help="name of vsr models, folder or org/name")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the file")


def run(args: argparse.Namespace) -> int:
    """Export, compare and print. Raises VsrError."""
    from pathlib import Path

    from vsr.core.file_kinds import marked_kind
    from vsr.core.files import check_output
    from vsr.modelstore.folder import load_model
    from vsr.modelstore.onnx_export import export_onnx

    loaded = load_model(args.model)
    network = marked_kind("a network of vsr export", b"weights_sha256")
    check_output(args.out, *(str(file) for file in loaded.folder.iterdir()), kind=network)
    found = {"onnx": export_onnx}[args.format](loaded, args.out)
    note = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    print(f"{args.out}: {Path(args.out).stat().st_size / 1e6:.1f} MB; largest difference from PyTorch: {note}")
    return 0
