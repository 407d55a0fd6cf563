"""The offset of every clip's sound against its video, measured by what the lips of other clips teach.

A corpus is cut at whole video frames and its sound is not, so that in GRID each clip's sound is up to 20 ms early or
late. A model that is trained on it learns blurred onsets. Here a small network learns to hear what it sees on all but
a part of the corpus; on that part the lag between what it expects and what is heard is taken, and in a second round the
network learns from sound that is moved accordingly. Nobody's recordings but the corpus's own are needed (SyncNet, Chung
and Zisserman 2016, which others use, knows only whole frames).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lip2speech.av_sync.eigenlips import Eigenlips
from lip2speech.av_sync.predictor import bands_of, fit_predictor
from lip2speech.features.dataset import NoText
from lip2speech.features.lag import Lag, clip_lag, moved_bands
from lip2speech.features.stored import StoredFeatures
from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.core.pool import in_processes
from vsr.core.progress import counted
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip

FOLDS, ROUNDS = 4, 2
FITTED = 3000  # clips that one network learns from, at most
LEAST = 20  # clips that can teach anything
LARGEST, APART = 0.1, 0.03  # seconds: a larger lag, or halves farther apart, is no measurement
FORMAT = "lip2speech-offsets"


@dataclass(frozen=True)
class Measured:
    """What was measured on a corpus.

    Args:
        lags: clip id -> its lag, of zero median over the corpus: a lag that all clips share cannot be known.
        reliability: correlation of the lags with themselves measured again, from the agreement of halves (Spearman
            and Brown); 0: the clips do not differ, or it cannot be seen.
    """

    lags: dict[str, Lag]
    reliability: float

    def offsets(self) -> dict[str, float]:
        """Clip id -> best guess of its offset in seconds, drawn towards 0 as far as the lags are noise."""
        return {id: self.reliability * lag.whole if believable(lag) else 0.0 for id, lag in self.lags.items()}

    def summary(self) -> str:
        """One line for people."""
        offsets = 1000 * np.array(list(self.offsets().values()))
        left = sum(not believable(lag) for lag in self.lags.values())
        note = f"{len(offsets)} clips: offsets deviate by {offsets.std():.1f} ms, reliability {self.reliability:.2f}"
        return note + (f"; {left} could not be measured and count as 0" if left else "")

    def save(self, path: str | Path) -> None:
        """Write JSON, atomically."""
        write_json(path, {"format": FORMAT, "reliability": self.reliability, "clips": {
            id: {"offset": offset} | asdict(self.lags[id]) for id, offset in self.offsets().items()
        }})  # fmt: skip


def believable(lag: Lag) -> bool:
    """Whether the halves of a clip agree on a lag that may be."""
    return abs(lag.whole) <= LARGEST and abs(lag.first - lag.second) <= APART


def read_offsets(path: str | Path) -> dict[str, float]:
    """Clip id -> seconds by which its sound is late, of a file of `lip2speech sync`. Raises VsrError bad_offsets."""
    try:
        stored = read_json(path)
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is '{stored['format']}'")
        offsets = {id: float(own["offset"]) for id, own in stored["clips"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VsrError("bad_offsets", f"{path} is no file of lip2speech sync ({error})") from error
    if not np.isfinite(list(offsets.values())).all():
        raise VsrError("bad_offsets", f"{path} holds offsets that are not finite: run lip2speech sync again")
    return offsets


def measure(
    clips: Sequence[Clip], others: Sequence[Clip], features: str | Path, seed: int = 0, jobs: int = 1
) -> Measured:
    """Offsets of ``clips``, each by networks that did not learn from it, and of ``others``, from which none learns.

    Args:
        features: folder of `lip2speech features`, for clips and others.
        jobs: processes.

    Raises:
        VsrError: bad_manifest, bad_features.
    """
    if len(clips) < LEAST:
        raise VsrError(
            "bad_manifest",
            f"{len(clips)} clips are too few to learn how lips and sound go together: give {LEAST} or more",
        )
    learned = len(clips)
    data = _Corpus([*clips, *others], learned, features, seed)
    measured = Measured({id: Lag(0.0, 0.0, 0.0) for id in data.ids}, 0.0)
    for number in range(ROUNDS):
        on_time = list(measured.offsets().values())
        lags = _centred(_one_round(data, learned, on_time, seed + number, jobs), learned)
        measured = Measured(dict(zip(data.ids, lags, strict=True)), reliability(lags[:learned]))
    return measured


def _centred(lags: list[Lag], learned: int) -> list[Lag]:
    """Lags of zero median over the clips that were learned from."""
    centre = float(np.median([lag.whole for lag in lags[:learned]]))
    return [Lag(*(value - centre for value in astuple(lag))) for lag in lags]


class _Corpus:
    """lips (T, 96) and bands (4T, 20) of every clip, 60 MB an hour; eigenlips are those of the first ``learned``."""

    def __init__(self, clips: Sequence[Clip], learned: int, features: str | Path, seed: int):
        stored, crops = StoredFeatures(features, clips), CropDataset(clips, NoText(), None)
        self.ids = [clip.id for clip in clips]
        drawn = np.random.default_rng(seed).permutation(learned)[:FITTED]
        lips = Eigenlips.fit([crops.crop(clips[i]) for i in drawn], seed)
        self.lips = [lips(crops.crop(clip)) for clip in counted(clips, "lips", len(clips))]
        self.bands = [bands_of(stored[i].mel) for i in range(len(clips))]


def _one_round(data: _Corpus, learned: int, offsets: list[float], seed: int, jobs: int) -> list[Lag]:
    """The lag of every clip; the first ``learned`` are measured by the one network that does not know them, the others
    by all, of which the mean is taken."""
    on_time = [moved_bands(bands, offset) for bands, offset in zip(data.bands, offsets, strict=True)]
    folds = range(FOLDS)
    work = partial(_fold, data, on_time, learned, seed)
    results = in_processes(work, folds, jobs, _lost) if jobs > 1 else map(work, folds)
    found: list[list[Lag]] = [[] for _ in data.ids]
    for measured in counted(results, "networks", FOLDS):
        for index, lag in measured.items():
            found[index].append(lag)
    return [Lag(*np.mean([astuple(lag) for lag in own], 0).tolist()) for own in found]


def _fold(data: _Corpus, on_time: list[Tensor], learned: int, seed: int, fold: int) -> dict[int, Lag]:
    """Index -> lag of the clips in a fold, and of those that are in none."""
    torch.set_num_threads(1)
    known = [i for i in np.random.default_rng(seed).permutation(learned).tolist() if i % FOLDS != fold][:FITTED]
    network = fit_predictor([data.lips[i] for i in known], [on_time[i] for i in known], seed)
    asked = [i for i in range(len(data.ids)) if i % FOLDS == fold or i >= learned]
    with torch.inference_mode():
        return {i: clip_lag(data.bands[i], network(data.lips[i][None])[0]) for i in asked}


def _lost(fold: int) -> dict[int, Lag]:
    raise VsrError("internal", f"the process of part {fold + 1} died (not enough memory?): give fewer --jobs")


def reliability(lags: Sequence[Lag]) -> float:
    """Of the whole clips' lags, in 0 ... 1, from how the lags of halves correlate."""
    # No clip is left out for the disagreement of its halves: those left would agree by choice.
    halves = np.array([(lag.first, lag.second) for lag in lags]).clip(-LARGEST, LARGEST)
    if not halves.std(0).all():
        return 0.0
    agreement = float(np.corrcoef(halves.T)[0, 1])
    return max(0.0, 2 * agreement / (1 + agreement))
