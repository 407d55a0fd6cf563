"""How tokens are made, and the options of the command line that say so. Loads no PyTorch: `--help` is to be quick."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from vsr.core.errors import VsrError
from vsr.core.numbers import SEED, Range, check_numbers

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
            raise VsrError("bad_options", f"--tokens: decoding is '{self.decode}'; it can be {', '.join(DECODINGS)}")
        check_numbers(
            self, reason="bad_options", heads=Range(0, 64), steps=Range(1, 1000), temperature=Range(0, 100), seed=SEED
        )
        if self.decode == GREEDY and self.heads > 1:
            raise VsrError("bad_options", "--tokens: greedy decoding asks one head; viterbi and verified ask several")


def add_token_argument(voice) -> None:
    """Declare --tokens."""
    voice.add_argument(
        "--tokens", metavar="DIR[:HOW[:K]]", help="a token model in place of the flow; HOW: greedy, viterbi, verified"
    )


def token_options(args: argparse.Namespace) -> tuple[str, TokenOptions] | None:
    """The folder and the options that --tokens says, with --steps, --temperature and --seed; None without.

    Raises VsrError bad_options.
    """
    if not args.tokens:
        return None
    folder, decode, heads = parts_of(args.tokens)
    return folder, TokenOptions(decode, heads, max(1, args.steps), args.temperature, args.seed)


def parts_of(given: str) -> tuple[str, str, int]:
    """DIR, DIR:HOW or DIR:HOW:K -> folder, decoding, heads (0: all). Raises VsrError bad_options."""
    folder, heads = given, ""
    before, _, last = given.rpartition(":")
    if before and last.isdecimal():
        folder, heads = before, last
    before, _, last = folder.rpartition(":")
    if before and last and not set(last) & set("/\\"):
        return before, last, int(heads or 0)
    if heads:
        raise VsrError("bad_options", f"--tokens {given}: say how, DIR:verified:{heads} or DIR:viterbi:{heads}")
    return folder, GREEDY, 0


def check_tokens_alone(args: argparse.Namespace, text: str | None, noisy: str | None = None) -> str | None:
    """What --text is: with --tokens there is none, as words pull a flow. Raises VsrError bad_options where it is given
    beside --tokens, or --noisy is."""
    if not args.tokens:
        return text
    if noisy or text not in (None, "none"):
        raise VsrError("bad_options", f"{'--noisy' if noisy else '--text'} is of a flow, not of --tokens")
    return "none"
