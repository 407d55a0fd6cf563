"""Speech that another toolkit prepared beside an AV-HuBERT list, in the layout of lip2speech-unit and its followers
(Choi et al. 2023): units in ``<subset>.unt`` or ``.km`` and a dictionary, log-mels and GE2E vectors as .npy, sound.

It is converted to the files that `lip2speech train` and `lip2speech vocoder` read: ``ID.safetensors`` with wave
(640 T,), mel (4T, 80), units (2T,) and speaker (256,), and a codebook ``units.safetensors`` with the number of units
but no centres, since the list does not have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.clock import HOP, MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import atomic_write, read_lines
from vsr.data.manifest import Clip

UNIT_LISTS = (".unt", ".km")
CODEBOOK = "units.safetensors"
GIVEN = "given"  # for the name of an extractor: nothing here can make such units
BANDS, SPEAKER = 80, 256
SLACK = 2  # video frames by which a file may be longer or shorter than its clip
RATES = (1, 2, 4)  # units per video frame: 25, 50 or 100 Hz


@dataclass(frozen=True)
class PreparedClip:
    """A clip's sound, mel (None: computed from the sound) and vector files, and its units at the rate of the list."""

    sound: Path
    mel: Path | None
    speaker: Path
    units: np.ndarray


@dataclass(frozen=True)
class PreparedSpeech:
    """The prepared speech of every clip of a list, and the number of distinct units."""

    clips: list[PreparedClip]
    size: int


def unit_list(path: Path) -> Path | None:
    """The file of units beside a tsv; None if there is none."""
    return next((path for path in map(path.with_suffix, UNIT_LISTS) if path.is_file()), None)


def read_prepared(path: Path, sounds: Sequence[Path]) -> PreparedSpeech | None:
    """The prepared speech for the clips of a tsv with these sound files; None where it has no units.

    Raises VsrError bad_manifest for a unit that is not in the dictionary, bad_features for a missing file.
    """
    unit_file = unit_list(path)
    if unit_file is None:
        return None
    dictionary = _dictionary(unit_file.with_name(f"dict{unit_file.suffix}.txt"))
    rows = [(number, line.split()) for number, line in read_lines(unit_file)]
    if len(rows) != len(sounds):
        raise VsrError("bad_manifest", f"{path} has {len(sounds)} clips, {unit_file.name} {len(rows)} rows of units")
    units = [_numbers(row, dictionary, f"{unit_file}, line {number}") for number, row in rows]
    return PreparedSpeech([_prepared_clip(*pair) for pair in zip(sounds, units, strict=True)], len(dictionary))


def _dictionary(path: Path) -> dict[str, int]:
    """Unit as written -> its number, which is its line in the file ("UNIT COUNT" per line)."""
    if not path.is_file():
        raise VsrError("bad_manifest", f"{path} is not there: it says which units there are")
    return {line.split()[0]: place for place, (_, line) in enumerate(read_lines(path))}


def _numbers(row: list[str], dictionary: dict[str, int], where: str) -> np.ndarray:
    unknown = next((unit for unit in row if unit not in dictionary), None)
    if unknown is not None:
        raise VsrError("bad_manifest", f"{where}: {unknown!r} is no unit of the dictionary")
    return np.array([dictionary[unit] for unit in row], np.int16)


def _prepared_clip(sound: Path, units: np.ndarray) -> PreparedClip:
    mel, speaker = (_sibling_file(sound, folder) for folder in ("mel", "spk_emb"))
    for path in (sound, speaker):
        if not path.is_file():
            raise VsrError("bad_features", f"{path} is not there: units are given, so it is needed")
    return PreparedClip(sound, mel if mel.is_file() else None, speaker, units)


def _sibling_file(sound: Path, folder: str) -> Path:
    """``.../audio/A/B.wav`` -> ``.../FOLDER/A/B.npy``; of several folders called audio, the last."""
    parts = list(sound.with_suffix(".npy").parts)
    at = len(parts) - 1 - parts[::-1].index("audio") if "audio" in parts else len(parts) - 2
    return Path(*parts[:at], folder, *parts[at + 1 :])


def files_of(prepared: PreparedSpeech, clips: Sequence[Clip], folder: Path) -> list[tuple[Path, Path]]:
    """(file of features, sound that they are of) for each clip."""
    return [(_file(folder, clip), spoken.sound) for clip, spoken in zip(clips, prepared.clips, strict=True)]


def _file(folder: Path, clip: Clip) -> Path:
    return folder / f"{clip.id}.safetensors"


def store_prepared(prepared: PreparedSpeech, clips: Sequence[Clip], folder: Path) -> None:
    """Write the files of all clips, whose ``num_frames`` are known, and the codebook.

    Raises VsrError bad_features for arrays that do not fit their clip.
    """
    from safetensors.numpy import save_file

    for clip, spoken in zip(clips, prepared.clips, strict=True):
        tensors = tensors_of(spoken, clip.num_frames)
        with atomic_write(_file(folder, clip)) as temporary:
            save_file(tensors, str(temporary))
    with atomic_write(folder / CODEBOOK) as temporary:
        save_file({"centres": np.zeros((prepared.size, 0), np.float32)}, str(temporary), {"extractor": GIVEN})


def tensors_of(spoken: PreparedClip, frames: int) -> dict[str, np.ndarray]:
    """The arrays stored for a clip of ``frames`` video frames: cut, or lengthened by repeating the last step (the wave
    by silence). Raises VsrError bad_features."""
    import torch

    from vsr.media.audio import fit_length, read_wave
    from vsr.media.mel import log_mel
    from vsr.media.mux.sound import to_pcm16

    wave = read_wave(spoken.sound)
    check_length(len(wave), frames * SAMPLES_PER_FRAME, SAMPLES_PER_FRAME, spoken.sound)
    wave = fit_length(wave, frames * SAMPLES_PER_FRAME)
    samples = torch.from_numpy(wave).double()  # equal to theirs within 2e-4; single precision is not in quiet bands
    mel = log_mel(samples).float().numpy() if spoken.mel is None else _array(spoken.mel, (-1, BANDS))
    return {
        "wave": to_pcm16(wave),
        "mel": fit_steps(mel, frames * MELS_PER_FRAME, SAMPLES_PER_FRAME // HOP, spoken.mel or spoken.sound),
        "units": fit_steps(at_unit_rate(spoken.units, frames), frames * UNITS_PER_FRAME, UNITS_PER_FRAME, spoken.sound),
        "speaker": _array(spoken.speaker, (SPEAKER,)),
    }


def at_unit_rate(units: np.ndarray, frames: int) -> np.ndarray:
    """Units (N,) at 25, 50 or 100 Hz -> (2T,) at 50 Hz; N and the number of frames tell the rate."""
    rate = min(RATES, key=lambda rate: abs(len(units) / rate - frames))
    return units.repeat(UNITS_PER_FRAME) if rate == 1 else units[:: rate // UNITS_PER_FRAME]


def fit_steps(steps: np.ndarray, count: int, per_frame: int, path: Path) -> np.ndarray:
    """(N, ...) -> (count, ...): cut, or the last step repeated. Raises VsrError bad_features."""
    check_length(len(steps), count, per_frame, path)
    last = np.repeat(steps[-1:], max(0, count - len(steps)), axis=0)
    return np.ascontiguousarray(np.concatenate([steps[:count], last]))


def check_length(length: int, expected_length: int, per_frame: int, path: Path) -> None:
    """Raise VsrError bad_features for a length that is off by more than two video frames."""
    if abs(length - expected_length) > SLACK * per_frame:
        actual, expected = length / per_frame, expected_length / per_frame
        raise VsrError("bad_features", f"{path}: {actual:.1f} video frames long, its clip has {expected:.0f}")


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 .npy of this shape (-1: any). Raises VsrError bad_features."""
    try:
        array = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise VsrError("bad_features", f"{path} cannot be read: {cause_of(error)}") from error
    fits = array.ndim == len(shape) and all(
        expected in (-1, actual) for expected, actual in zip(shape, array.shape, strict=True)
    )
    if not fits or not len(array) or not np.isfinite(array).all():
        raise VsrError("bad_features", f"{path}: {array.shape}, or not finite, where {shape} is needed")
    return array
