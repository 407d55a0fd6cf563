#!/usr/bin/env python3
"""Compare vocoders in copy-synthesis: natural mels and units of a list become waveforms.

    local/copy_synthesis.py VOCODER ... --manifest FILE --features DIR [--f0 read|natural|mean] [--ratio X]
        [--rounds N] [--json FILE]

Prints PESQ, STOI, the pitch error in cents over frames voiced in both, the share of frames voiced in only one of them,
and the paired bootstrap interval of each vocoder's PESQ against the first one's. VOCODER is a vocoder's folder, or a
vocoder without training: `untrained` with the harmonic source, which predicts no pitch by itself, or `untrained-none`.
--f0 chooses the pitch of the source: from its own head, from the recording, or (as control) the mean of the recording
wherever that is voiced; --ratio multiplies it, and then the error is against the requested pitch. --rounds: of mel
consistency, instead of each vocoder's config. Run it in the folder that the manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.evaluation.intelligibility import stoi
from lip2speech.evaluation.metrics import pesq
from lip2speech.features.pitch import pitch
from lip2speech.features.stored import load_features
from lip2speech.inference.folder import load_vocoder
from lip2speech.vocoders.generator import Generator, GeneratorConfig
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest

NAMES = ("pesq_nb", "pesq_wb", "stoi", "f0_cents", "voicing")


def paired_interval(differences: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of ``differences`` (clips,) by bootstrap over clips."""
    rng = np.random.default_rng(0)
    means = differences[rng.integers(len(differences), size=(draws, len(differences)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def vocoder_of(folder: str) -> Generator:
    """The vocoder of a folder, or an untrained one."""
    torch.manual_seed(0)
    if folder.startswith("untrained"):
        return Generator(GeneratorConfig(source=folder.partition("-")[2] or "harmonic")).eval()
    return load_vocoder(folder)[0]


def f0_of_source(natural: np.ndarray, how: str, ratio: float) -> torch.Tensor | None:
    """F0 (1, N) Hz for the source; None: its own prediction."""
    if how == "read":
        return None
    mean = np.exp(np.log(natural[natural > 0]).mean())
    f0 = np.where(natural > 0, mean, 0) if how == "mean" else natural
    return torch.from_numpy((ratio * f0).astype(np.float32))[None]


@torch.inference_mode()
def figures(vocoder: Generator, features, how: str, ratio: float) -> list[float]:
    """Figures of one clip, in the order of `NAMES`."""
    natural = features.wave.numpy()
    natural_f0 = pitch(natural)
    source_f0 = f0_of_source(natural_f0, how, ratio)
    wave = vocoder(features.mel[None], features.units[None], features.speaker[None], f0=source_f0)[0].numpy()
    wave_f0 = pitch(wave)
    is_voiced = (natural_f0 > 0) & (wave_f0 > 0)
    cents = 1200 * np.abs(np.log2(wave_f0[is_voiced] / (ratio * natural_f0[is_voiced])))
    voicing = float(np.mean((natural_f0 > 0) != (wave_f0 > 0)))
    return [pesq(natural, wave, "nb"), pesq(natural, wave, "wb"), stoi(natural, wave), float(cents.mean()), voicing]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("vocoders", nargs="+", metavar="VOCODER")
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--f0", choices=("read", "natural", "mean"), default="read")
    options.add_argument("--ratio", type=float, default=1.0)
    options.add_argument("--rounds", type=int, metavar="N")
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    rows: dict[str, np.ndarray] = {}
    print(f"{len(clips)} clips, f0 {args.f0}, ratio {args.ratio:g}")
    print(f"{'vocoder':28}" + "".join(f"{name:>10}" for name in NAMES))
    for folder in args.vocoders:
        vocoder = vocoder_of(folder)
        vocoder.rounds = vocoder.rounds if args.rounds is None else args.rounds
        rows[folder] = np.array([figures(vocoder, load_features(args.features, c), args.f0, args.ratio) for c in clips])
        print(f"{folder[-27:]:28}" + "".join(f"{mean:10.3f}" for mean in rows[folder].mean(0)), flush=True)
    first, *others = args.vocoders
    for folder in others:
        low, high = paired_interval(rows[folder][:, 0] - rows[first][:, 0])
        print(f"{folder[-27:]} - {first[-27:]}: PESQ nb {low:+.3f} to {high:+.3f}")
    if args.json:
        write_text(args.json, json.dumps({folder: values.tolist() for folder, values in rows.items()}) + "\n")


if __name__ == "__main__":
    main()
