#!/usr/bin/env python3
"""Rank correlation (Spearman, 95 % interval) between the scores of a fusion and how readable a stream is.

    local/reliability.py --model exp/relscore/model --manifest data/sound/test_s1/manifest.jsonl \\
        --voices data/sound/train/manifest.jsonl

The score of sound, averaged over a clip's frames, against the SNR of its noise; the score of video against the share of
frames with a visible mouth. Noise and covered lips are those of local/noise.py; the interval is a bootstrap over clips.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parent))
from noise import SHARES, SNRS, Cell, cover_mouth, noisy

from vsr.core.errors import VsrError
from vsr.data.crop_files import read_crop
from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_input import clip_wave, to_sound_input
from vsr.data.splits import check_disjoint
from vsr.data.transforms import to_network_input
from vsr.models.streams import Streams
from vsr.modelstore.folder import load_model

RESAMPLES = 1000
Scores = dict[str, float]  # modality -> mean over the frames


@torch.inference_mode()
def scores_of(model, wave: np.ndarray, crop: np.ndarray) -> Scores:
    """Mean fusion score of each stream of one clip, wave (640 T,) and crop (T, 96, 96)."""
    inputs = {VIDEO: to_network_input(crop)[None], SOUND: to_sound_input(wave, model.sound_form)[None]}
    _, scores = model.frontend.joined(Streams(inputs), torch.ones(1, len(crop), dtype=torch.bool))
    return {name: float(frame_scores.mean()) for name, frame_scores in scores.items()}


def over_noise(model, clip: Clip, voices: list[Clip], kind: str, seed: int) -> list[tuple[float, Scores]]:
    """(SNR, scores) of a clip with its original lips."""
    crop = np.array(read_crop(clip.crop))
    return [(snr, scores_of(model, noisy(clip, Cell("both", kind, snr), voices, seed), crop)) for snr in SNRS]


def over_cover(model, clip: Clip, seed: int) -> list[tuple[float, Scores]]:
    """(share of visible frames, scores) of a clip with its original sound."""
    wave = clip_wave(clip)
    return [(1 - share, scores_of(model, wave, cover_mouth(clip, share, seed))) for share in (0.0, *SHARES)]


def correlation(clips: list[list[tuple[float, Scores]]], name: str, seed: int = 0) -> tuple[float, float, float]:
    """Spearman's coefficient of a stream's scores over all clips, with its bootstrap interval over clips."""
    pairs = [[(condition, scores[name]) for condition, scores in measurements] for measurements in clips]

    def over(clips_drawn) -> float:
        flat = np.array([pair for clip_pairs in clips_drawn for pair in clip_pairs])
        return float(spearmanr(flat[:, 0], flat[:, 1])[0])

    rng = np.random.default_rng(seed)
    resampled = [over([pairs[i] for i in rng.integers(len(pairs), size=len(pairs))]) for _ in range(RESAMPLES)]
    return over(pairs), *np.quantile(resampled, [0.025, 0.975]).tolist()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True)
    options.add_argument("--manifest", required=True)
    options.add_argument("--voices", required=True)
    options.add_argument("--kind", default="babble")
    options.add_argument("--clips", type=int, default=0, help="the first so many of the list (0: all)")
    options.add_argument("--seed", type=int, default=0)
    return options


def main() -> None:
    """Measure and print, a line for each stream."""
    args = parser().parse_args()
    clips, voices = read_manifest(args.manifest)[: args.clips or None], read_manifest(args.voices)
    check_disjoint(voices, [], clips)
    model = load_model(args.model).model
    noise_scores = [over_noise(model, clip, voices, args.kind, args.seed) for clip in clips]
    scored_streams = noise_scores[0][0][1].keys()
    if not scored_streams:
        raise VsrError("bad_config", f"the fusion of {args.model} scores no stream: give one with relscore or vcafe")
    title = f"sound's score against SNR in {args.kind}"
    for name, measurements, description in (
        (SOUND, noise_scores, title),
        (VIDEO, None, "video's score against the share that is seen"),
    ):
        if name in scored_streams:
            values = measurements or [over_cover(model, clip, args.seed) for clip in clips]
            print(
                "{}: rho {:+.2f} ({:+.2f} to {:+.2f}), {} clips".format(
                    description, *correlation(values, name), len(clips)
                )
            )


if __name__ == "__main__":
    main()
