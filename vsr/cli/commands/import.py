"""`vsr import`: a published checkpoint becomes a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsr.data.modalities import MODALITIES

HELP = "convert a published checkpoint to a model folder"
ABOUT = """Converts a checkpoint published by auto_avsr, AV-HuBERT or MuAViC (av_hubert), Imperial's
model zoo (vsr4ml), RAVEn or BRAVEn (raven) or USR (usr), for lips, sound or both, or
CoGenAV (cogenav), whose text a Whisper writes, to a model folder: names and layouts are
translated, and the outputs match the original's to 1e-4. What the model reads follows from
the tensors; a USR file holds all three, and --modality selects one. The checkpoint is read
without executing anything in it. The licence of its weights is printed: observe it. Models
listed by vsr models need no import: use vsr models get NAME."""
FILES = """reads   the checkpoint; SentencePiece model and list of units, where it has none; of vsr4ml
        model.json beside it, and with --lm the language model that belongs to it; of cogenav
        with --whisper a folder of the transformers library, in safetensors
writes  a model folder: model.safetensors, config.json, tokenizer"""
SEE = "vsr models, vsr transcribe, vsr push"
EXAMPLE = """vsr import auto_avsr vsr_trlrs3_base.pth --tokenizer spm/unigram/unigram5000.model -o models/lrs3
vsr import vsr4ml es/model.pth --lm lm_es/model.pth -o models/es
vsr import raven large_braven.pth --units unigram1000_units.txt -o models/braven
vsr import usr usr2_huge.pth --units unigram1000_units.txt --modality both -o models/usr2
vsr import av_hubert large_noise_pt_noise_ft_433h.pt -o models/av_hubert
vsr import cogenav large_cogenav.pt --whisper whisper-medium -o models/cogenav
vsr transcribe clip.mp4 --model models/av_hubert --modality sound
vsr transcribe clip.mp4 --model models/lrs3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    families = ("auto_avsr", "av_hubert", "vsr4ml", "raven", "usr", "cogenav")
    parser.add_argument("family", choices=families, help="where the checkpoint comes from")
    parser.add_argument("checkpoint", metavar="FILE", help="the checkpoint, .pth or .pt")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("--tokenizer", metavar="FILE", help="SentencePiece model, where the checkpoint has none")
    parser.add_argument(
        "--units",
        metavar="FILE",
        help="the head's units: auto_avsr's list (default: NAME_units.txt beside it) or fairseq's dictionary",
    )
    parser.add_argument("--settings", metavar="JSON", help="for vsr4ml (default: the checkpoint's name with .json)")
    parser.add_argument("--lm", metavar="FILE", help="of vsr4ml, its .json beside it, and raven: the language model")
    parser.add_argument(
        "--modality", choices=tuple(MODALITIES), default="", metavar="M",
        help="of usr: video, sound or both (default: video); of av_hubert: video or both, which reads any "
        "(default: what it was tuned on; of an encoder alone video)",
    )  # fmt: skip
    parser.add_argument(
        "--whisper", metavar="DIR", help="of cogenav: folder of the Whisper that writes its text, medium with the "
        "large model, small with the base (default: none, an encoder alone)",
    )  # fmt: skip
    parser.add_argument("--half", action="store_true", help="store fp16: half the size, no longer exact")


def run(args: argparse.Namespace) -> int:
    """Convert, save and say what it is. Raises VsrError."""
    from vsr.modelstore.importers.importing import check_place, import_checkpoint
    from vsr.modelstore.importers.published import Published

    files = {"tokenizer": args.tokenizer, "units": args.units, "settings": args.settings, "lm": args.lm}
    given = Published(args.family, args.checkpoint, **files, modality=args.modality, whisper=args.whisper)
    given.check()
    check_place(given, args.out)
    _check_modality_there(args.out, args.modality)
    print(import_checkpoint(given, args.out, args.half))
    return 0


def _check_modality_there(out: str, modality: str) -> None:
    """One checkpoint can become several readers: none is replaced by another. Raises VsrError (exists)."""
    from vsr.core.errors import VsrError
    from vsr.modelstore.checkpoint import CONFIG_FILE
    from vsr.modelstore.folder import modalities_in

    if modality and (Path(out) / CONFIG_FILE).exists() and set(modalities_in(Path(out))) != set(MODALITIES[modality]):
        raise VsrError("exists", f"{out} holds another model, which does not read {modality}: choose another --out")
