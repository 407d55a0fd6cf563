#!/usr/bin/env python3
"""Measures whether a voice follows the given pitch and loudness.

    local/pitch_rows.py ACOUSTIC ... --manifest FILE --features DIR [--ways none,pitch] [--json FILE]

Each acoustic model speaks the list without these conditions, with the pitch, the loudness and both of the recording,
with the recording's pitch 4 semitones higher, and as a control with the pitch of another clip. Prints the pitch error
against the recording and against the given pitch (cents, over frames voiced in both), the share of frames voiced in
only one of them, PESQ nb and STOI. Conditions that a model lacks are not given to it. Run it in the folder that the
manifest's paths are relative to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.conditions.tracks import Energy, pitch_track
from lip2speech.evaluation.intelligibility import stoi
from lip2speech.evaluation.metrics import pesq
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.features.pitch import pitch
from lip2speech.inference.folder import load_model
from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest

NAMES = ("f0_own", "f0_shown", "voicing_shown", "pesq_nb", "stoi")
WAYS = ("none", "energy", "pitch", "both", "+4st", "another's")
RATIO = 2 ** (4 / 12)


def input_f0(way: str, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pitch (4T,) Hz that a way gives to the model; for ways without pitch, that of the recording."""
    if way == "+4st":
        return own * RATIO
    return np.resize(other, len(own)) if way == "another's" else own


def conditions_of(way: str, f0: np.ndarray, features) -> dict[str, torch.Tensor]:
    """The conditions of one clip."""
    conditions = {}
    if way not in ("none", "energy"):
        conditions["pitch"] = torch.from_numpy(pitch_track(f0))[None]
    if way in ("energy", "both", "+4st", "another's"):
        conditions["energy"] = torch.from_numpy(Energy().heard(features))[None]
    return conditions


def cents(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean difference in cents of two pitches, over frames voiced in both."""
    is_voiced = (predicted > 0) & (true > 0)
    return float(1200 * np.abs(np.log2(predicted[is_voiced] / true[is_voiced])).mean())


@torch.inference_mode()
def figures(loaded, dataset: SpeechDataset, index: int, way: str, f0: np.ndarray) -> list[float]:
    """Figures of one clip, in the order of `NAMES`."""
    batch, features = dataset.batch([index]), dataset.features[index]
    known = loaded.voice.condition_settings
    conditions = {name: value for name, value in conditions_of(way, f0, features).items() if name in known}
    lengths = batch.lips.lengths
    speech = loaded.voice.speak(batch.lips.video, lengths, batch.speaker, FlowOptions(), conditions=conditions)
    wave, natural = vocode(loaded.vocoder, speech, batch.speaker)[0].numpy(), features.wave.numpy()
    wave_f0, natural_f0 = pitch(wave), features.f0()
    errors = cents(wave_f0, natural_f0), cents(wave_f0, f0)
    return [*errors, np.mean((wave_f0 > 0) != (f0 > 0)), pesq(natural, wave, "nb"), stoi(natural, wave)]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("acoustic", nargs="+")
    options.add_argument("--manifest", required=True)
    options.add_argument("--features", required=True)
    options.add_argument("--ways", default=",".join(WAYS), help="what is shown: some of %(default)s")
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    """Measure and print."""
    options = parser()
    args = options.parse_args()
    ways = args.ways.split(",")
    if unknown := set(ways) - set(WAYS):
        options.error(f"--ways: {', '.join(sorted(unknown))} is none of {', '.join(WAYS)}")
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)
    dataset = SpeechDataset(clips, args.features, NoText(), None)
    tracks = [dataset.features[index].f0() for index in range(len(clips))]
    rows: dict[str, list] = {}
    print(f"{len(clips)} clips\n{'model':16}{'shown':>10}" + "".join(f"{name:>14}" for name in NAMES))
    for folder in args.acoustic:
        loaded = load_model(acoustic=folder)
        for way in ways:
            f0 = [input_f0(way, track, tracks[(index + 1) % len(clips)]) for index, track in enumerate(tracks)]
            values = [figures(loaded, dataset, index, way, f0[index]) for index in range(len(clips))]
            rows[f"{folder} {way}"] = np.array(values).tolist()
            name = Path(folder).parent.name[:15]
            print(f"{name:16}{way:>10}" + "".join(f"{mean:14.3f}" for mean in np.nanmean(values, 0)), flush=True)
    if args.json:
        write_text(args.json, json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
