"""Solver options of the flow, and their command line. Loads no PyTorch, so that `--help` is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from lip2speech.models.guidance import Guidance, scales_in
from vsr.core.errors import VsrError
from vsr.core.numbers import SEED, Range, check_numbers, check_whole, make_plain

SOLVERS = ("euler", "midpoint")
RANGES = {
    "steps": Range(0, 1000), "sway": Range(-1, 1), "temperature": Range(0, 100),
    "seed": SEED, "pull": Range(0, 100), "detail": Range(0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class FlowOptions:
    """How a flow is solved.

    Args:
        steps: of the solver; 0 returns the start without noise (the coarse mel).
        guidance: g of v = v_null + g (v_cond - v_null); 1 is the plain conditional flow; or a chain of conditions with
            a scale each, "name=G,name=G" (`lip2speech.models.guidance`).
        solver: euler (one evaluation a step) or midpoint (two).
        sway: shifts the steps towards the start where negative (Chen et al. 2024, F5-TTS); 0: even steps.
        temperature: scale of the noise in the start; on GRID less is clearer (0.05); training uses 1.
        seed: of the noise; each utterance has its own generator.
        pull: w of `lip2speech.models.pull`, the strength of the pull towards the words, where they are known.
        detail: m of coarse + m (end - coarse), the share kept of what the flow adds to the coarse mel: a mean is closer
            to every recording than a sample of the flow, and a sample sounds more natural. 1: all.
    """

    steps: int = 4
    guidance: Guidance = 1.0
    solver: str = "euler"
    sway: float = 0.0
    temperature: float = 0.05
    seed: int = 0
    pull: float = 0.5
    detail: float = 1.0

    def __post_init__(self):
        make_plain(self)
        if self.solver not in SOLVERS:
            raise VsrError("bad_options", f"the solver is '{self.solver}'; it can be {' or '.join(SOLVERS)}")
        for name in ("steps", "seed"):
            check_whole(name, getattr(self, name), reason="bad_options")
        check_numbers(self, "", "bad_options", **RANGES)
        scales_in(self.guidance)


def unused_of_flow(args: argparse.Namespace, words: bool = True) -> dict[str, str]:
    """Flow options without effect in a call -> where they work: with --tokens, without a step, or without ``words`` to
    be pulled towards."""
    unused = {} if words else {"pull": "words to be pulled towards, as of --text read"}
    if getattr(args, "tokens", None):
        return unused | dict.fromkeys(("guidance", "solver", "detail", "pull"), "a flow, not with --tokens")
    names = ("guidance", "solver", "temperature", "seed", "detail", "pull")
    return unused | (dict.fromkeys(names, "a flow of one step or more, not with --steps 0") if args.steps == 0 else {})


def add_flow_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --steps, --guidance, --solver, --temperature, --seed, --detail and --pull, with the defaults of
    `FlowOptions`."""
    flow, usual = parser.add_argument_group("flow"), FlowOptions()

    def add(name: str, kind: Callable[[str], object], metavar: str, about: str) -> None:
        default = getattr(usual, name)
        default_text = f"{default:g}" if isinstance(default, float) else default
        flow.add_argument(
            f"--{name}", type=kind, default=default, metavar=metavar, help=f"{about} (default: {default_text})"
        )

    add("steps", int, "N", "steps of the flow; 0: coarse mel")
    add("guidance", _number_or_chain, "G|NAME=G,...", "1: none; or one scale for each of several conditions")
    add("solver", str, "NAME", " or ".join(SOLVERS))
    add("temperature", float, "T", "scale of the starting noise")
    add("seed", int, "N", "seed of the noise")
    add("detail", float, "M", "share kept of what the flow adds to the coarse mel")
    pull = f"text={usual.pull:g}"
    about = f"strength of the pull towards the words (default: {pull})"
    flow.add_argument("--pull", default=pull, metavar="text=W", help=about)


def _number_or_chain(text: str) -> Guidance:
    try:
        return text if "=" in text else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number, nor NAME=G with commas between") from None


def flow_options(args: argparse.Namespace) -> FlowOptions:
    """Options from the arguments of `add_flow_arguments`. Raises VsrError."""
    weight = parse_pull(args.pull)
    return FlowOptions(
        args.steps, args.guidance, args.solver, temperature=args.temperature, seed=args.seed, pull=weight,
        detail=args.detail,
    )  # fmt: skip


def parse_pull(text: str) -> float:
    """The weight in ``text=W``. Raises VsrError bad_options."""
    name, equals, weight = text.partition("=")
    try:
        if name != "text" or not equals:
            raise ValueError
        return float(weight)
    except ValueError as error:
        raise VsrError("bad_options", f"--pull {text}: give text=W, such as text=1") from error
