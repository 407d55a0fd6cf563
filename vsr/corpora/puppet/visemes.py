"""Phonemes with times -> the pose of the mouth at every frame, each sound influenced by its neighbours.

Coarticulation is that of Cohen and Massaro (1993), "Modeling coarticulation in synthetic visual speech":
every phoneme pulls each parameter towards its target with a weight that is greatest at its middle and falls
off on both sides. Necessary articulations are then enforced: lips closed in p b m, lower lip under the
teeth in f v.

Shapes: T frames at 25 fps, N phonemes, K = len(PARAMETERS).
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import FPS
from vsr.corpora.puppet.speech import Span
from vsr.text.visemes import IPA

PARAMETERS = ("open", "width", "round", "jaw", "tuck", "press", "tongue", "raise")
"""open: gap between the lips; width: spread corners (+) or drawn in (-); round: pushed forward; jaw: lowered;
tuck: lower lip under the upper teeth; press: lips pressed thin; tongue: its tip up and forward; raise: upper
lip up. All 0 at rest and about 1 at the extreme."""

#                 open  width round  jaw   tuck press tongue raise
_TARGETS = {
    "": (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00),
    "p": (0.00, 0.00, 0.00, 0.10, 0.00, 1.00, 0.00, 0.00),
    "b": (0.00, 0.05, 0.00, 0.18, 0.00, 0.55, 0.00, 0.00),
    "m": (0.00, -0.05, 0.05, 0.05, 0.00, 0.25, 0.00, 0.00),
    "f": (0.16, 0.15, 0.00, 0.10, 1.00, 0.00, 0.00, 0.35),
    "v": (0.22, 0.05, 0.00, 0.18, 0.80, 0.00, 0.00, 0.15),
    "θ": (0.30, 0.10, 0.00, 0.18, 0.00, 0.00, 0.95, 0.10),
    "ð": (0.32, 0.05, 0.00, 0.22, 0.00, 0.00, 0.85, 0.05),
    "t": (0.26, 0.20, 0.00, 0.12, 0.00, 0.00, 0.55, 0.20),
    "d": (0.30, 0.12, 0.00, 0.20, 0.00, 0.00, 0.65, 0.08),
    "n": (0.28, 0.08, 0.00, 0.24, 0.00, 0.00, 0.75, 0.00),
    "l": (0.38, 0.10, 0.00, 0.32, 0.00, 0.00, 0.90, 0.05),
    "s": (0.24, 0.55, 0.00, 0.02, 0.00, 0.00, 0.15, 0.30),
    "z": (0.28, 0.45, 0.00, 0.08, 0.00, 0.00, 0.25, 0.15),
    "ʃ": (0.34, -0.25, 0.70, 0.05, 0.00, 0.00, 0.10, 0.40),
    "ʒ": (0.36, -0.20, 0.60, 0.12, 0.00, 0.00, 0.20, 0.30),
    "tʃ": (0.32, -0.25, 0.70, 0.05, 0.00, 0.00, 0.35, 0.40),
    "dʒ": (0.36, -0.15, 0.60, 0.14, 0.00, 0.00, 0.45, 0.25),
    "k": (0.34, 0.10, 0.00, 0.25, 0.00, 0.00, 0.05, 0.10),
    "ɡ": (0.36, 0.05, 0.00, 0.32, 0.00, 0.00, 0.00, 0.00),
    "ŋ": (0.32, 0.05, 0.00, 0.28, 0.00, 0.00, 0.00, 0.00),
    "h": (0.38, 0.05, 0.00, 0.30, 0.00, 0.00, 0.10, 0.05),
    "j": (0.30, 0.50, 0.00, 0.12, 0.00, 0.00, 0.35, 0.10),
    "w": (0.10, -0.90, 1.00, 0.08, 0.00, 0.00, 0.00, 0.00),
    "ɹ": (0.24, -0.45, 0.55, 0.12, 0.00, 0.00, 0.20, 0.15),
    "i": (0.36, 0.90, 0.00, 0.14, 0.00, 0.00, 0.30, 0.20),
    "ɪ": (0.38, 0.50, 0.00, 0.24, 0.00, 0.00, 0.25, 0.10),
    "e": (0.50, 0.55, 0.00, 0.42, 0.00, 0.00, 0.20, 0.15),
    "ɛ": (0.58, 0.45, 0.00, 0.52, 0.00, 0.00, 0.15, 0.15),
    "æ": (0.78, 0.50, 0.00, 0.72, 0.00, 0.00, 0.15, 0.25),
    "a": (0.90, 0.25, 0.00, 0.88, 0.00, 0.00, 0.10, 0.15),
    "ɑ": (0.95, 0.00, 0.00, 1.00, 0.00, 0.00, 0.00, 0.10),
    "ʌ": (0.62, 0.05, 0.00, 0.62, 0.00, 0.00, 0.10, 0.05),
    "ə": (0.36, 0.00, 0.00, 0.32, 0.00, 0.00, 0.15, 0.00),
    "ɜ": (0.44, -0.10, 0.20, 0.40, 0.00, 0.00, 0.15, 0.05),
    "ɒ": (0.70, -0.35, 0.45, 0.80, 0.00, 0.00, 0.00, 0.00),
    "ɔ": (0.55, -0.60, 0.75, 0.65, 0.00, 0.00, 0.00, 0.00),
    "o": (0.42, -0.70, 0.85, 0.45, 0.00, 0.00, 0.00, 0.00),
    "ʊ": (0.26, -0.65, 0.75, 0.28, 0.00, 0.00, 0.00, 0.00),
    "u": (0.16, -0.90, 1.00, 0.15, 0.00, 0.00, 0.00, 0.00),
    "β": (0.10, 0.05, 0.00, 0.12, 0.00, 0.10, 0.00, 0.00),
    "ø": (0.34, -0.55, 0.80, 0.35, 0.00, 0.00, 0.15, 0.00),
    "œ": (0.50, -0.45, 0.65, 0.55, 0.00, 0.00, 0.10, 0.00),
}
_SAME = {
    "ɾ": "d",
    "ɐ": "ə",
    "ɚ": "ɜ",
    "ᵻ": "ɪ",
    "r": "ɹ",
    "g": "ɡ",
    "x": "k",
    "ʔ": "ə",
    "ɫ": "l",
    "ʍ": "w",
    "y": "u",
    # Of languages other than English.
    "ʏ": "ʊ",
    "ɥ": "w",
    "ɨ": "ɪ",
    "ʝ": "j",
    "ç": "j",
    "ɲ": "j",
    "ʎ": "j",
    "ɣ": "ɡ",
    "ʁ": "k",
    "χ": "k",
}
_LONG = "ːˑˈˌ̩̃ʲ"
# With homophenes: viseme class -> sound whose pose all its sounds have, such as b for p b m.
_SHOWN = {"p": "b", "f": "v", "T": "ð", "t": "d", "s": "z", "S": "ʃ", "k": "k", "r": "ɹ", "u": "u", "i": "ɪ",
          "e": "e", "E": "ɛ", "a": "a", "@": "ə", "o": "o", "O": "ɔ"}  # fmt: skip
_CLASSES = IPA | {"β": "p", "ø": "o", "œ": "O"}
VOWELS = frozenset("iɪeɛæaɑʌəɜɒɔoʊuøœ")
CLOSED, TUCKED = frozenset("pbm"), frozenset("fv")
_FIRM = {"w": 2.0, "ʃ": 1.6, "tʃ": 1.6, "dʒ": 1.6, "θ": 1.6, "ð": 1.4, "h": 0.3, "k": 0.6, "ɡ": 0.6}
ATTACK_S = 0.045  # decay of a pull outside its phoneme; the lips need about a tenth of a second
CLOSURE_S = 0.05  # the lips of a plosive are closed for about this long before the sound that espeak marks


def phoneme_parts(label: str) -> list[str]:
    """Keys of the target table for an IPA label: 2 for a diphthong, 0 if unknown."""
    label = "".join(c for c in label if c not in _LONG)
    if label in _TARGETS:
        return [label]
    keys = [_SAME.get(c, c) for c in label]
    return [key for key in keys if key in _TARGETS]


def unknown_sounds(ipa: str) -> set[str]:
    """The signs of an IPA text that have no pose."""
    return {sign for sign in ipa if not (sign in _LONG or sign in "_ -" or sign in _TARGETS or sign in _SAME)}


def mouth_track(phonemes: tuple[Span, ...], num_frames: int, homophenes: bool = False) -> np.ndarray:
    """Pose (T, K) at the times t = frame / 25 s; at rest before the first and after the last phoneme.

    ``homophenes``: all sounds of a viseme class have one pose, so that only a language model distinguishes pat from
    bat; durations still differ.
    """
    times = np.arange(num_frames) / FPS
    parts = list(_parts(phonemes, homophenes))
    if not parts:
        return np.zeros((num_frames, len(PARAMETERS)))
    targets = np.array([_TARGETS[part.label] for part in parts])
    strength = np.array([_strength(part.label) for part in parts])  # (N, K)
    falloff = _falloff(parts, times)  # (T, N)
    track = falloff @ (strength * targets) / (falloff @ strength + _rest_weight(parts, times)[:, None])
    return _enforce(track, parts, times)


def _parts(phonemes: tuple[Span, ...], homophenes: bool = False):
    """The phonemes as spans of single targets: diphthongs in two, p and b shifted to the closure of the lips."""
    for span in phonemes:
        keys = phoneme_parts(span.label)
        keys = [_SHOWN[_CLASSES[key]] for key in keys if key] if homophenes else keys
        if keys in (["p"], ["b"]):
            yield Span(keys[0], span.start - CLOSURE_S, max(span.start + 0.01, span.end - 0.04))
            continue
        for i, key in enumerate(keys):
            length = (span.end - span.start) / len(keys)
            yield Span(key, span.start + i * length, span.start + (i + 1) * length)


def _falloff(parts: list[Span], times: np.ndarray) -> np.ndarray:
    """Share (T, N) of each phoneme's pull at each time: 1 around its middle, decreasing outside."""
    outside = np.stack([np.maximum(part.start - times, times - part.end) for part in parts], axis=1)
    half = np.array([0.5 * (part.end - part.start) for part in parts])
    distance = np.maximum(outside + 0.5 * half, 0.0) / ATTACK_S
    return np.exp(-(distance**1.5))


def _strength(key: str) -> list[float]:
    """How firmly a sound holds each parameter (K,); lips that close leave the rest to the neighbours."""
    if key in CLOSED or key in TUCKED:
        return [3.0 if name in ("open", "tuck", "press") else 0.35 for name in PARAMETERS]
    return [_FIRM.get(key, 1.2 if key in VOWELS else 1.0)] * len(PARAMETERS)


def _rest_weight(parts: list[Span], times: np.ndarray) -> np.ndarray:
    """Pull (T,) of the closed mouth at rest, before and after the speech."""
    silent = np.maximum(parts[0].start - times, times - parts[-1].end)
    return np.exp(np.clip((silent - 0.06) / 0.04, -30, 30)) * 0.05


def _enforce(track: np.ndarray, parts: list[Span], times: np.ndarray) -> np.ndarray:
    """Close the lips in p b m and set the lower lip under the teeth in f v, whatever the neighbours are."""
    opening, tuck = PARAMETERS.index("open"), PARAMETERS.index("tuck")
    for part in parts:
        weight = _bump(part, times)
        if part.label in CLOSED:
            track[:, opening] *= 1 - weight
        elif part.label in TUCKED:
            track[:, tuck] = np.maximum(track[:, tuck], weight * _TARGETS[part.label][tuck])
    return track


def _bump(part: Span, times: np.ndarray) -> np.ndarray:
    """1 inside the phoneme and at least at the frame nearest to its middle, 0 beyond 60 ms of it."""
    middle, half = 0.5 * (part.start + part.end), max(0.5 * (part.end - part.start), 0.5 / FPS)
    return np.clip(1 - (np.abs(times - middle) - half) / 0.06, 0, 1)
