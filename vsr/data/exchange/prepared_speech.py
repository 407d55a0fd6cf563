"""Speech that others have prepared beside an AV-HuBERT list, as lip2speech-unit and its followers keep it (Choi et al.
2023): units in ``<subset>.unt`` or ``.km`` with their dictionary, log-mels and GE2E vectors as .npy, the sound itself.

It becomes the files that `lip2speech train` and `lip2speech vocoder` read: ``ID.safetensors`` with wave (640 T,), mel
(4T, 80), units (2T,) and speaker (256,), and a codebook ``units.safetensors`` that knows how many units there are, and
no centres, since the list does not have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.clock import HOP, MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write, read_lines
from vsr.data.manifest import Clip

UNIT_LISTS = (".unt", ".km")
CODEBOOK = "units.safetensors"
GIVEN = "given"  # in the place of an extractor's name: nothing here can make such units
BANDS, SPEAKER = 80, 256
SLACK = 2  # video frames by which what belongs to a clip may be longer or shorter than it
RATES = (1, 2, 4)  # units a video frame: 25, 50 or 100 Hz


@dataclass(frozen=True)
class Spoken:
    """A clip's sound, mel ("": made of the sound) and vector files, and its units at the rate of the list."""

    sound: Path
    mel: Path | None
    speaker: Path
    units: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """What is there of every clip of a list, and how many units there are."""

    clips: list[Spoken]
    size: int


def unit_list(path: Path) -> Path | None:
    """The file of units beside a tsv."""
    return next((own for own in map(path.with_suffix, UNIT_LISTS) if own.is_file()), None)


def read_prepared(path: Path, sounds: Sequence[Path]) -> Prepared | None:
    """What belongs to the clips of a tsv, whose sound files are given; None where it has no units.

    Raises VsrError bad_manifest for a unit that no dictionary knows, bad_features for a file that is not there.
    """
    listed = unit_list(path)
    if listed is None:
        return None
    numbers = _dictionary(listed.with_name(f"dict{listed.suffix}.txt"))
    rows = [(number, line.split()) for number, line in read_lines(listed)]
    if len(rows) != len(sounds):
        raise VsrError("bad_manifest", f"{path} has {len(sounds)} clips, {listed.name} {len(rows)} rows of units")
    units = [_numbers(row, numbers, f"{listed}, line {number}") for number, row in rows]
    return Prepared([_spoken(*own) for own in zip(sounds, units, strict=True)], len(numbers))


def _dictionary(path: Path) -> dict[str, int]:
    """Unit as it is written -> its number, which is its place in the file ("UNIT COUNT" a line)."""
    if not path.is_file():
        raise VsrError("bad_manifest", f"{path} is not there: it says which units there are")
    return {line.split()[0]: place for place, (_, line) in enumerate(read_lines(path))}


def _numbers(row: list[str], known: dict[str, int], where: str) -> np.ndarray:
    strange = next((unit for unit in row if unit not in known), None)
    if strange is not None:
        raise VsrError("bad_manifest", f"{where}: {strange!r} is no unit of the dictionary")
    return np.array([known[unit] for unit in row], np.int16)


def _spoken(sound: Path, units: np.ndarray) -> Spoken:
    mel, speaker = (_beside(sound, folder) for folder in ("mel", "spk_emb"))
    for path in (sound, speaker):
        if not path.is_file():
            raise VsrError("bad_features", f"{path} is not there: units are given, so it is needed")
    return Spoken(sound, mel if mel.is_file() else None, speaker, units)


def _beside(sound: Path, folder: str) -> Path:
    """``.../audio/A/B.wav`` -> ``.../FOLDER/A/B.npy``; of several folders called audio, the last."""
    parts = list(sound.with_suffix(".npy").parts)
    at = len(parts) - 1 - parts[::-1].index("audio") if "audio" in parts else len(parts) - 2
    return Path(*parts[:at], folder, *parts[at + 1 :])


def store_prepared(prepared: Prepared, clips: Sequence[Clip], folder: Path) -> None:
    """Write the files of all clips, whose frames are counted, and the codebook.

    Raises VsrError bad_features for what does not fit a clip.
    """
    from safetensors.numpy import save_file

    for clip, spoken in zip(clips, prepared.clips, strict=True):
        tensors = tensors_of(spoken, clip.num_frames)
        with atomic_write(folder / f"{clip.id}.safetensors") as temporary:
            save_file(tensors, str(temporary))
    with atomic_write(folder / CODEBOOK) as temporary:
        save_file({"centres": np.zeros((prepared.size, 0), np.float32)}, str(temporary), {"extractor": GIVEN})


def tensors_of(spoken: Spoken, frames: int) -> dict[str, np.ndarray]:
    """What is stored of a clip of so many video frames: cut, or lengthened by repeating the last step (the wave by
    silence). Raises VsrError bad_features."""
    import torch

    from vsr.media.audio import fit_length, read_wave
    from vsr.media.mel import log_mel
    from vsr.media.mux.sound import to_pcm16

    wave = read_wave(spoken.sound)
    check_length(len(wave), frames * SAMPLES_PER_FRAME, SAMPLES_PER_FRAME, spoken.sound)
    wave = fit_length(wave, frames * SAMPLES_PER_FRAME)
    heard = torch.from_numpy(wave).double()  # as theirs to 2e-4, which single precision is not in quiet bands
    own = log_mel(heard).float().numpy() if spoken.mel is None else _array(spoken.mel, (-1, BANDS))
    return {
        "wave": to_pcm16(wave),
        "mel": fitted(own, frames * MELS_PER_FRAME, SAMPLES_PER_FRAME // HOP, spoken.mel or spoken.sound),
        "units": fitted(at_unit_rate(spoken.units, frames), frames * UNITS_PER_FRAME, UNITS_PER_FRAME, spoken.sound),
        "speaker": _array(spoken.speaker, (SPEAKER,)),
    }


def at_unit_rate(units: np.ndarray, frames: int) -> np.ndarray:
    """Units (N,) at 25, 50 or 100 Hz, as their number in a clip of so many frames says -> (2T,) at 50 Hz."""
    rate = min(RATES, key=lambda own: abs(len(units) / own - frames))
    return units.repeat(UNITS_PER_FRAME) if rate == 1 else units[:: rate // UNITS_PER_FRAME]


def fitted(steps: np.ndarray, wanted: int, per_frame: int, path: Path) -> np.ndarray:
    """(N, ...) -> (wanted, ...): cut, or the last one repeated. Raises VsrError bad_features."""
    check_length(len(steps), wanted, per_frame, path)
    last = np.repeat(steps[-1:], max(0, wanted - len(steps)), axis=0)
    return np.ascontiguousarray(np.concatenate([steps[:wanted], last]))


def check_length(length: int, wanted: int, per_frame: int, path: Path) -> None:
    """Raises VsrError bad_features where it is off by more than two video frames."""
    if abs(length - wanted) > SLACK * per_frame:
        have, want = length / per_frame, wanted / per_frame
        raise VsrError("bad_features", f"{path}: {have:.1f} video frames long, its clip has {want:.0f}")


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 .npy of that shape (-1: any). Raises VsrError bad_features."""
    try:
        found = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise VsrError("bad_features", f"{path} cannot be read: {error}") from error
    fits = found.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, found.shape, strict=True))
    if not fits or not len(found) or not np.isfinite(found).all():
        raise VsrError("bad_features", f"{path}: {found.shape}, or not finite, where {shape} is needed")
    return found
