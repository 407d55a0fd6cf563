#!/usr/bin/env python3
"""Voices of a folder at another pitch, as lip2speech speak --pitch gives them, and how exactly they have it.

    local/pitch_shift.py VOICES --out DIR --pitch +4st

Reads VOICES/ID.wav, writes DIR/ID.wav, which lip2speech evaluate takes as a row, and prints the shift that is measured,
the mean over the frames that are voiced before and after, beside the one that was asked for.
"""

import argparse
from pathlib import Path

import numpy as np

from lip2speech.features.pitch import pitch
from lip2speech.inference.prosody import Prosody, pitch_of
from vsr.media.audio import read_wave, write_wave


def shift(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Mean shift of the pitch in cents, and its mean distance from the median."""
    old, new = pitch(before), pitch(after)
    both = (old > 0) & (new > 0)
    cents = 1200 * np.log2(new[both] / old[both])
    return float(cents.mean()), float(np.abs(cents - np.median(cents)).mean())


def main() -> None:
    """Shift, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pitch", required=True)
    args = parser.parse_args()
    ratio, flat = pitch_of(args.pitch)
    args.out.mkdir(parents=True, exist_ok=True)
    found = []
    for path in sorted(args.voices.glob("*.wav")):
        wave = read_wave(path)
        made = Prosody(ratio, flat)(wave)
        write_wave(args.out / path.name, made)
        whole = len(wave) // 160 * 160
        found.append(shift(wave[:whole], made[:whole]))
    each, within = np.array(found).T
    asked = 1200 * np.log2(ratio)
    print(f"{len(each)} clips, asked {asked:+.0f} cents: mean {each.mean():+.1f}, median {np.median(each):+.1f},")
    print(f"largest miss of a clip {np.abs(each - asked).max():.1f}; within a clip {within.mean():.1f} about it")


if __name__ == "__main__":
    main()
