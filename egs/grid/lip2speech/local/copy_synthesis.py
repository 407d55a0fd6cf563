#!/usr/bin/env python3
"""Vocoders side by side in copy-synthesis: natural mels and units of a list become waveforms.

    local/copy_synthesis.py VOCODER ... --manifest FILE --features DIR [--f0 read|natural|mean] [--ratio X]
        [--rounds N] [--json FILE]

Prints PESQ, STOI, the error of the pitch in cents where both are voiced and the share of frames in which one alone is,
and the paired bootstrap interval of each vocoder's PESQ against the first one's. VOCODER is the folder of one, or one
before any training: `untrained` with the harmonic source, which knows no pitch by itself, or `untrained-none`. --f0
says where a source takes its pitch from: from its own head, from the recording, or (as control) the mean of the
recording wherever that is voiced; --ratio multiplies it, and then the error is against the pitch that was asked for.
--rounds: of mel consistency, in place of what each vocoder's config says.
Run it in the folder that the manifest's paths are relative to.
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
    """95 % of the means of ``differences`` (clips,) by bootstrap over the clips."""
    rng = np.random.default_rng(0)
    means = differences[rng.integers(len(differences), size=(draws, len(differences)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def vocoder_of(folder: str) -> Generator:
    """The vocoder of a folder, or the source alone."""
    torch.manual_seed(0)
    if folder.startswith("untrained"):
        return Generator(GeneratorConfig(source=folder.partition("-")[2] or "harmonic")).eval()
    return load_vocoder(folder)[0]


def given_f0(natural: np.ndarray, how: str, ratio: float) -> torch.Tensor | None:
    """(1, N) Hz for the source; None: it reads its own."""
    if how == "read":
        return None
    mean = np.exp(np.log(natural[natural > 0]).mean())
    f0 = np.where(natural > 0, mean, 0) if how == "mean" else natural
    return torch.from_numpy((ratio * f0).astype(np.float32))[None]


@torch.inference_mode()
def figures(vocoder: Generator, own, how: str, ratio: float) -> list[float]:
    """Of one clip, in the order of NAMES."""
    natural = own.wave.numpy()
    wanted = pitch(natural)
    f0 = given_f0(wanted, how, ratio)
    made = vocoder(own.mel[None], own.units[None], own.speaker[None], f0=f0)[0].numpy()
    found = pitch(made)
    both = (wanted > 0) & (found > 0)
    cents = 1200 * np.abs(np.log2(found[both] / (ratio * wanted[both])))
    alone = float(np.mean((wanted > 0) != (found > 0)))
    return [pesq(natural, made, "nb"), pesq(natural, made, "wb"), stoi(natural, made), float(cents.mean()), alone]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocoders", nargs="+", metavar="VOCODER")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--f0", choices=("read", "natural", "mean"), default="read")
    parser.add_argument("--ratio", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    rows: dict[str, np.ndarray] = {}
    print(f"{len(clips)} clips, f0 {args.f0}, ratio {args.ratio:g}")
    print(f"{'vocoder':28}" + "".join(f"{name:>10}" for name in NAMES))
    for folder in args.vocoders:
        vocoder = vocoder_of(folder)
        vocoder.rounds = vocoder.rounds if args.rounds is None else args.rounds
        rows[folder] = np.array([figures(vocoder, load_features(args.features, c), args.f0, args.ratio) for c in clips])
        print(f"{folder[-27:]:28}" + "".join(f"{own:10.3f}" for own in rows[folder].mean(0)), flush=True)
    first, *others = args.vocoders
    for folder in others:
        low, high = paired_interval(rows[folder][:, 0] - rows[first][:, 0])
        print(f"{folder[-27:]} - {first[-27:]}: PESQ nb {low:+.3f} to {high:+.3f}")
    if args.json:
        write_text(args.json, json.dumps({own: found.tolist() for own, found in rows.items()}) + "\n")


if __name__ == "__main__":
    main()
