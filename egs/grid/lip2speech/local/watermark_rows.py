#!/usr/bin/env python3
"""Detection rate of the watermark after changes, its false alarms, and its cost in quality.

    local/watermark_rows.py --sounds DIR... [--most N] [--seconds S] [--json FILE]

Every sound file of the folders (the first S seconds of the first N of each) is marked and changed: codecs at 16 kHz or
at the named rate, resampling, loudness, cuts and white noise. Prints, for each folder and change, how often the mark is
found (probability of error under 1e-6), how many unmarked files count as marked, and the median of log10 of the
probability; PESQ (wide band) and STOI of marked against unmarked sound; and for how many of 30 other patterns an
unmarked sound reaches the fit required for detection.
"""

import argparse
import json
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly

from lip2speech.inference.watermark import ALIGNMENTS, THRESHOLD, detect, mark, pattern_fit
from vsr.core.clock import SAMPLE_RATE
from vsr.core.files import write_text
from vsr.media.audio import read_wave

SUFFIXES = {".wav", ".opus", ".mp4", ".mpg", ".flac"}
PATTERNS = range(1000, 1030)


def through(wave: np.ndarray, codec: str, container: str, bits: int, rate: int = SAMPLE_RATE) -> np.ndarray:
    """The wave after encoding and decoding by a codec at ``bits`` per second."""
    resampled = resample_poly(wave, rate // 100, SAMPLE_RATE // 100) if rate != SAMPLE_RATE else wave
    file = BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bits
        samples = (np.clip(resampled, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as coded:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        frames = [
            frame for decoded in coded.decode(audio=0) for frame in resampler.resample(decoded)
        ] + resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def noisy(wave: np.ndarray, snr: float) -> np.ndarray:
    """The wave with white noise at ``snr`` dB relative to the whole wave."""
    return wave + np.random.default_rng(0).normal(size=len(wave)) * wave.std() * 10 ** (-snr / 20)


CHANGES = {
    "none": lambda wave: wave,
    "AAC 64 kb/s": lambda wave: through(wave, "aac", "adts", 64_000),
    "AAC 32 kb/s": lambda wave: through(wave, "aac", "adts", 32_000),
    "AAC 64 kb/s of 44.1 kHz": lambda wave: through(wave, "aac", "adts", 64_000, 44_100),
    "MP3 64 kb/s": lambda wave: through(wave, "libmp3lame", "mp3", 64_000),
    "MP3 32 kb/s": lambda wave: through(wave, "libmp3lame", "mp3", 32_000),
    "Opus 32 kb/s": lambda wave: through(wave, "libopus", "ogg", 32_000),
    "Opus 16 kb/s": lambda wave: through(wave, "libopus", "ogg", 16_000),
    "8 kHz and back": lambda wave: resample_poly(resample_poly(wave, 1, 2), 2, 1),
    "44.1 kHz and back": lambda wave: resample_poly(resample_poly(wave, 441, 160), 160, 441),
    "-30 dB, 16 bits": lambda wave: np.round(wave * 0.0316 * 32767) / 32768,
    "0.5 s cut off": lambda wave: wave[8_123:],
    "1.5 s alone": lambda wave: wave[9_001:33_001],
    "noise at 30 dB": lambda wave: noisy(wave, 30),
    "noise at 20 dB": lambda wave: noisy(wave, 20),
    "4 % faster": lambda wave: resample_poly(wave, 25, 26),
}


def rows(waves: list[np.ndarray]) -> dict:
    """Figures of the sounds of a folder."""
    marked, by_change = [mark(wave) for wave in waves], {}
    for name, change in CHANGES.items():
        positives, negatives = ([detect(change(wave)) for wave in group] for group in (marked, waves))
        powers = np.log10([max(result.probability, 1e-300) for result in positives])
        by_change[name] = {
            "found": sum(result.is_marked for result in positives),
            "false": sum(result.is_marked for result in negatives),
            "log10": float(np.median(powers)),
        }  # fmt: skip
    pairs = [(pesq(SAMPLE_RATE, a, b, "wb"), stoi(a, b, SAMPLE_RATE)) for a, b in zip(waves, marked, strict=True)]
    fits = np.array([pattern_fit(wave, draw) for wave in waves for draw in PATTERNS])
    needed = np.sqrt(2 * np.log(ALIGNMENTS / THRESHOLD))
    return {
        "sounds": len(waves), "seconds": sum(map(len, waves)) / SAMPLE_RATE, "changes": by_change,
        "pesq_wb": float(np.mean([pair[0] for pair in pairs])), "least_pesq_wb": float(min(pair[0] for pair in pairs)),
        "stoi": float(np.mean([pair[1] for pair in pairs])),
        "patterns": len(fits), "as_good": int((fits > needed).sum()), "best": float(fits.max()),
        "needed": float(needed),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", nargs="+", type=Path, required=True, metavar="DIR")
    parser.add_argument("--most", type=int, default=100, metavar="N")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="files of each folder to leave out")
    parser.add_argument("--seconds", type=float, default=10, metavar="S")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    by_folder = {}
    for folder in args.sounds:
        files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)[args.skip :][: args.most]
        waves = [read_wave(path)[: int(args.seconds * SAMPLE_RATE)] for path in files]
        by_folder[folder.name] = rows(waves)
        print(json.dumps({folder.name: by_folder[folder.name]}, indent=1), flush=True)
    if args.json:
        write_text(args.json, json.dumps(by_folder, indent=1) + "\n")


if __name__ == "__main__":
    main()
