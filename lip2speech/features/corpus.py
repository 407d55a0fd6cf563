"""The features of a corpus: one file a clip, made once, resumable.

Manifest of crops -> `<out>/<id>.safetensors` with wave (640 T,) int16, mel (4T, 80) float32, units (2T,) int16 and
speaker (256,) float32; `<out>/refused.json` with the reason of each clip that has none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lip2speech.audio import read_wave, to_pcm16
from lip2speech.features.mel import NUM_MELS, log_mel
from lip2speech.features.speaker import DIM, speaker_vector
from lip2speech.features.units import Codebook, open_extractor
from vsr.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.data.manifest import Clip
from vsr.errors import VsrError
from vsr.files import atomic_write, write_json
from vsr.video.reader import probe

SILENT = 1e-3  # peak below which a sound track holds no voice


@dataclass
class Features:
    """wave (640 T,) float32; mel (4T, 80) float32; units (2T,) int64; speaker (256,) float32."""

    wave: Tensor
    mel: Tensor
    units: Tensor
    speaker: Tensor


def load_features(folder: str | Path, clip: Clip) -> Features:
    """The features of a clip. Raises VsrError bad_features where they are missing, damaged or of another length."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / f"{clip.id}.safetensors"
    try:
        stored = load_file(str(path))
        wave, mel, units, speaker = (stored[name] for name in ("wave", "mel", "units", "speaker"))
    except FileNotFoundError as error:
        raise VsrError("bad_features", f"{path} is not there: run lip2speech features") from error
    except (OSError, KeyError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} cannot be read: {error}") from error
    frames = clip.num_frames
    shapes = ((frames * SAMPLES_PER_FRAME,), (frames * MELS_PER_FRAME, NUM_MELS), (frames * UNITS_PER_FRAME,), (DIM,))
    if tuple(tuple(t.shape) for t in (wave, mel, units, speaker)) != shapes:
        raise VsrError("bad_features", f"{path} does not fit the clip's {frames} frames: delete it and run again")
    if not (mel.isfinite().all() and speaker.isfinite().all()):
        raise VsrError("bad_features", f"{path} holds values that are not finite: delete it and run again")
    return Features(wave.float() / 32767, mel, units.long(), speaker)


def extract(clip: Clip, codebook: Codebook, extractor) -> dict[str, Tensor]:
    """What is stored of a clip. Raises VsrError: unreadable, no_sound, silent, late_face."""
    if probe(clip.video).num_frames > clip.num_frames:
        raise VsrError("late_face", f"{clip.video}: the crop is shorter than the video, so sound and lips part")
    wave = read_wave(clip.video, clip.num_frames)
    if np.abs(wave).max() < SILENT:
        raise VsrError("silent", f"{clip.video}: its sound is silence")
    sound = torch.from_numpy(wave)
    units = codebook.units(extractor.frames(sound))
    return {
        "wave": torch.from_numpy(to_pcm16(wave)),
        "mel": log_mel(sound),
        "units": units.to(torch.int16),
        "speaker": torch.from_numpy(speaker_vector(wave)),
    }


def extract_corpus(clips: list[Clip], codebook: Codebook, out_dir: str | Path) -> Counter:
    """Write the features of every clip that has none yet; returns counts of "made", "kept" and refusal reasons."""
    from rich.console import Console
    from rich.progress import track
    from safetensors.torch import save_file

    out_dir, extractor = Path(out_dir), open_extractor(codebook.extractor)
    counts, refused = Counter(), {}
    for clip in track(clips, "features", console=Console(stderr=True)):
        path = out_dir / f"{clip.id}.safetensors"
        if path.is_file():
            counts["kept"] += 1
            continue
        try:
            stored = extract(clip, codebook, extractor)
        except VsrError as error:
            refused[clip.id] = {"reason": error.reason, "message": str(error)}
            counts[error.reason] += 1
            continue
        with atomic_write(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in stored.items()}, str(temporary))
        counts["made"] += 1
    reasons = Counter(entry["reason"] for entry in refused.values())
    write_json(out_dir / "refused.json", {"counts": dict(reasons), "clips": refused})
    return counts
