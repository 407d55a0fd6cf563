"""`lip2speech synthesize`: a list of crops becomes waves, mels and units."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lip2speech.inference.synthesis_options import AUTO, NONE
from lip2speech.models.flow_options import add_flow_arguments, flow_options, unused_of_flow
from lip2speech.models.token_options import add_token_arguments, check_tokens_alone, token_options
from vsr.core.machine import add_device_argument

if TYPE_CHECKING:
    from vsr.data.manifest import Clip

HELP = "voice a list of clips, or resynthesise their own speech with the vocoder"
ABOUT = """Voices a list of clips in batches; or, with --copy, sends their own mel and units through
the vocoder, which shows the loss caused by the vocoder alone. A batch gives the same output
as single clips. Voices that an earlier run made from the same input are kept."""
FILES = """reads   a manifest of cropped clips; their features; a model
writes  ID.wav and ID.safetensors (mel, units) for each clip"""
SEE = "lip2speech evaluate, lip2speech speak"
EXAMPLE = """lip2speech synthesize --manifest data/crops/test/manifest.jsonl --features features --out exp/test
lip2speech synthesize --manifest data/crops/test/manifest.jsonl --features features --out exp/copy --copy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, metavar="FILE", help="manifest of cropped clips")
    parser.add_argument("--features", required=True, metavar="DIR", help="folder of lip2speech features")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for ID.wav and ID.safetensors")
    voice = parser.add_argument_group("voice")
    voice.add_argument("--acoustic", metavar="DIR", help="acoustic model (default: the one in the package)")
    voice.add_argument("--vocoder", metavar="DIR", help="vocoder (default: the one in the package)")
    voice.add_argument("--copy", action="store_true", help="natural mel and units (copy-synthesis)")
    voice.add_argument(
        "--protocol", default="cross",
        help="whose voice: self (the clip's own), cross (another clip of the speaker), vision (default: cross)",
    )  # fmt: skip
    voice.add_argument(
        "--text",
        metavar="read|read!|manifest|other|none",
        help="what is said (default: read, if this voice has a listener); other: another clip's words, a control",
    )
    noisy = "clean the sound of the clips' videos, with their lips: mask it, make it again, or auto (default)"
    voice.add_argument("--noisy", nargs="?", const=AUTO, metavar="auto|mask|made", help=noisy)
    voice.add_argument("--rounds", type=int, metavar="N", help="rounds of mel consistency (default: the vocoder's, 0)")
    add_token_arguments(voice)
    add_device_argument(voice, "auto")
    add_flow_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    options = ("text", "steps", "guidance", "solver", "temperature", "seed", "detail", "pull", "tokens", "noisy")
    if args.copy:
        return dict.fromkeys(options, "voices made from lips, not with --copy")
    return unused_of_flow(args, args.text != NONE)


def run(args: argparse.Namespace) -> int:
    """Synthesise and print how many clips were made. Raises VsrError."""
    from lip2speech.inference.folder import load_model
    from lip2speech.inference.synthesis_options import SynthesisOptions
    from lip2speech.inference.synthesizer import synthesize_list
    from vsr.cli.clip_list_messages import tell_few_frames
    from vsr.core.errors import VsrError
    from vsr.core.files import same_file
    from vsr.data.frame_rates import slow_clips

    if same_file(args.out, args.features):
        raise VsrError("bad_config", f"{args.out} holds the features, which voices would replace: choose another --out")
    args.text = check_tokens_alone(args, args.text, args.noisy)
    tokens = token_options(args)
    options = SynthesisOptions(flow_options(args), args.protocol, args.copy, args.rounds, args.text, args.noisy)
    loaded = load_model(acoustic=args.acoustic, vocoder=args.vocoder, device=args.device)
    if tokens:
        from lip2speech.inference.token_voice import with_tokens

        loaded = with_tokens(loaded, args.tokens, tokens)
    clips = _clips(args)
    num_made = synthesize_list(loaded, clips, args.features, args.out, options)
    note = f", {len(clips) - num_made} kept" if num_made < len(clips) else ""
    print(f"{num_made} clips voiced{note}: {args.out}")
    if not args.copy:  # of lips
        tell_few_frames(slow_clips(clips), len(clips), "lip2speech")
    return 0


def _clips(args: argparse.Namespace) -> list[Clip]:
    """The clips that have features; prints how many have none. Raises VsrError."""
    from lip2speech.features.stored import with_features
    from vsr.data.manifest import read_manifest

    clips, note = with_features(read_manifest(args.manifest), args.features)
    if note:
        print(f"lip2speech synthesize: {note}", file=sys.stderr)
    return clips
