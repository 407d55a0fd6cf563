"""Guidance by one scale, or by a chain of scales, one for each condition that is added (AlignDiT, V2SFlow).

    v = v(S0) + sum_k g_k (v(Sk) - v(Sk-1)),    S0 = {}, S1, ... each with one more condition, the last with all

A single number is a chain of one link, from no condition to all. AlignDiT's v + 2 (v - v_text) + 5 (v_text - v_0) is
"text=6,content=3". Redundant sets are not evaluated: with all scales at 1 there is one evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_number

CONTENT = "content"  # name of the visual content and speaker condition
ALLOWED = Range(0, 100)
Guidance = float | str


@dataclass(frozen=True)
class Chain:
    """sets: names of the conditions of each evaluation, in growing order; scales: from each set to the next."""

    sets: tuple[frozenset[str], ...]
    scales: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.sets)


def scales_in(guidance: Guidance) -> tuple[tuple[str, float], ...]:
    """(name, scale) of each link of ``name=G,name=G``; a plain number has the name "".

    Raises VsrError bad_options.
    """
    if not isinstance(guidance, str):
        return (("", _number(guidance, guidance)),)
    links = [part.partition("=")[::2] for part in guidance.split(",")]
    scales = tuple((name.strip(), _number(guidance, scale)) for name, scale in links)
    names = [name for name, _ in scales]
    if len(set(names)) < len(names) or not all(names):
        raise VsrError("bad_options", f"--guidance {guidance}: name each condition once, as in text=6,content=3")
    return scales


def _number(guidance: Guidance, scale: str | float) -> float:
    try:
        value = float(scale)
    except ValueError as error:
        raise VsrError("bad_options", f"--guidance {guidance}: {scale!r} is no number") from error
    check_number("guidance", value, ALLOWED, "bad_options")
    return value


def chain_of(guidance: Guidance, conditions: Sequence[str]) -> Chain:
    """The chain for a voice with the conditions ``conditions``; those that are not named join the last link.

    Raises VsrError bad_options for an unknown condition.
    """
    links, all_names = scales_in(guidance), frozenset(conditions)
    missing = [name for name, _ in links if name and name not in all_names]
    if missing:
        problem = f"this voice has no condition {missing[0]}; it has {', '.join(conditions)}"
        raise VsrError("bad_options", f"--guidance {guidance}: {problem}")
    names = [frozenset(name for name, _ in links[: count + 1]) for count in range(len(links) - 1)]
    steps = list(zip([*names, all_names], (scale for _, scale in links), strict=True))
    links_kept = [step for step, next_step in pairwise(steps) if step[1] != next_step[1]] + steps[-1:]
    first: frozenset[str] = frozenset() if links_kept[0][1] != 1 else links_kept.pop(0)[0]
    return Chain((first, *(names for names, _ in links_kept)), tuple(scale for _, scale in links_kept))
