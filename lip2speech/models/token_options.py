"""Decoding options of token models, and their command line. Loads no PyTorch, so that `--help` is quick."""

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
    """How tokens are generated.

    Args:
        decode: of a language model: greedy, one step at a time; viterbi, the best path through the predictions of its
            heads for the next ``heads`` steps; verified, as many of them as agree with greedy decoding.
        heads: number that is used; 0: all of the model.
        steps: of a generator that fills in masked tokens.
        temperature: of its sampling; 0: always the most probable.
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
    """Options from the arguments of `add_token_arguments`, --steps, --temperature and --seed; None without --tokens.

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
    """The value of --text: "none" with --tokens, as words can only pull a flow. Raises VsrError bad_options where
    --text or --noisy is given with --tokens."""
    if not args.tokens:
        return text
    if noisy or text not in (None, "none"):
        raise VsrError("bad_options", f"{'--noisy' if noisy else '--text'} works only with the flow, not with --tokens")
    return "none"
