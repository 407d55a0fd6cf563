"""How tokens are made, and the options of the command line that say so. Loads no PyTorch: `--help` is to be quick."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.numbers import SEED, Range, check_numbers
from vsr.modelstore.checkpoint import CONFIG_FILE

GREEDY, VITERBI, VERIFIED = "greedy", "viterbi", "verified"
DECODINGS = (GREEDY, VITERBI, VERIFIED)


@dataclass(frozen=True)
class TokenOptions:
    """How tokens are made.

    Args:
        decode: of a language model: greedy, one step at a time; viterbi, the best path through what its heads say of
            the next ``heads`` steps; verified, as many of them as greedy decoding would have given.
        heads: that are asked; 0: all that the model has.
        steps: of a generator that fills in masked tokens.
        temperature: of its random choices; 0: always the likeliest.
        seed: of its random numbers.
    """

    decode: str = GREEDY
    heads: int = 0
    steps: int = 8
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.decode not in DECODINGS:
            raise VsrError("bad_options", f"--decode is '{self.decode}'; it can be {', '.join(DECODINGS)}")
        check_numbers(
            self, reason="bad_options", heads=Range(0, 64), steps=Range(1, 1000), temperature=Range(0, 100), seed=SEED
        )
        if self.decode == GREEDY and self.heads > 1:
            raise VsrError(
                "bad_options", "--heads works only with --decode viterbi or verified; greedy decoding uses one head"
            )


def add_token_arguments(voice) -> None:
    """Declare --tokens, --decode and --heads."""
    voice.add_argument("--tokens", metavar="DIR", help="a token model, which makes the mel instead of the flow")
    voice.add_argument("--decode", metavar="|".join(DECODINGS), help="how its language model is decoded")
    at_once = "steps predicted at once by viterbi and verified (default: all)"
    voice.add_argument("--heads", type=int, metavar="K", help=at_once)


def token_options(args: argparse.Namespace) -> TokenOptions | None:
    """What `add_token_arguments` was given, with --steps, --temperature and --seed; None without --tokens.

    Raises VsrError.
    """
    if not args.tokens:
        if args.decode or args.heads is not None:
            raise VsrError("bad_options", "--decode and --heads work only with a token model: give --tokens")
        return None
    if not (Path(args.tokens) / CONFIG_FILE).is_file():
        problem = "is no folder of a token model: give the model/ of a lip2speech train with model.generator"
        raise VsrError("bad_model", f"--tokens {args.tokens}: {problem}")
    steps = max(1, args.steps)
    return TokenOptions(args.decode or GREEDY, args.heads or 0, steps, args.temperature, args.seed)


def check_tokens_alone(args: argparse.Namespace, text: str | None, noisy: str | None) -> str | None:
    """What --text is: with --tokens there is none, as words pull a flow. Raises VsrError bad_options where it is given
    beside --tokens, or --noisy is."""
    if not args.tokens:
        return text
    if noisy or text not in (None, "none"):
        raise VsrError("bad_options", f"{'--noisy' if noisy else '--text'} works only with the flow, not with --tokens")
    return "none"
