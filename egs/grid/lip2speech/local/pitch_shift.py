#!/usr/bin/env python3
"""Change the pitch of the voices in a folder, as lip2speech speak --pitch does, and measure how accurate it is.

    local/pitch_shift.py VOICES --out DIR --pitch +4st

Reads VOICES/ID.wav, writes DIR/ID.wav, which lip2speech evaluate takes as a row, and prints the measured shift, the
mean over frames voiced before and after, beside the requested one.
"""

import argparse
from pathlib import Path

import numpy as np

from lip2speech.features.pitch import pitch
from lip2speech.inference.prosody import Prosody, pitch_of
from vsr.media.audio import read_wave, write_wave


def shift(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Mean pitch shift in cents, and its mean absolute deviation from the median."""
    old_f0, new_f0 = pitch(before), pitch(after)
    is_voiced = (old_f0 > 0) & (new_f0 > 0)
    cents = 1200 * np.log2(new_f0[is_voiced] / old_f0[is_voiced])
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
    shifts = []
    for path in sorted(args.voices.glob("*.wav")):
        wave = read_wave(path)
        shifted = Prosody(ratio, flat)(wave)
        write_wave(args.out / path.name, shifted)
        length = len(wave) // 160 * 160
        shifts.append(shift(wave[:length], shifted[:length]))
    means, spread = np.array(shifts).T
    asked = 1200 * np.log2(ratio)
    print(f"{len(means)} clips, asked {asked:+.0f} cents: mean {means.mean():+.1f}, median {np.median(means):+.1f},")
    print(f"largest miss of a clip {np.abs(means - asked).max():.1f}; within a clip {spread.mean():.1f} about it")


if __name__ == "__main__":
    main()
