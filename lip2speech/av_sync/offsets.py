"""Measures the audio-video offset of every clip of a corpus, with networks trained on its other clips.

Video is cut at whole frames and audio is not, so in GRID each clip's audio is up to 20 ms early or late, and a model
that is trained on it learns blurred onsets. Here a small network learns on all but one fold of the corpus to predict
the audio's bands from the lips; on that fold the lag between predicted and real bands is measured. In a second round
the network is trained on the shifted audio. No data but the corpus is needed (SyncNet, Chung and Zisserman 2016, the
usual tool, resolves only whole frames).
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
from lip2speech.features.lag import Lag, clip_lag, shift_bands
from lip2speech.features.stored import StoredFeatures
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import read_json, write_json
from vsr.core.pool import in_processes
from vsr.core.progress import count_items
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip

FOLDS, ROUNDS = 4, 2
FITTED = 3000  # clips that a network is trained on, at most
LEAST = 20  # smallest number of clips to train on
LARGEST, APART = 0.1, 0.03  # seconds: largest plausible lag, and largest difference of the halves
FORMAT = "lip2speech-offsets"


@dataclass(frozen=True)
class CorpusLags:
    """The lags of a corpus.

    Args:
        lags: clip id -> its lag, with zero median over the corpus: a lag common to all clips cannot be measured.
        reliability: split-half reliability of the lags (Spearman and Brown), the expected correlation with a repeated
            measurement; 0: the clips do not differ measurably.
    """

    lags: dict[str, Lag]
    reliability: float

    def offsets(self) -> dict[str, float]:
        """Clip id -> estimated offset in seconds, shrunk towards 0 by the reliability of the lags."""
        return {id: self.reliability * lag.whole if is_plausible(lag) else 0.0 for id, lag in self.lags.items()}

    def summary(self) -> str:
        """A summary of one line."""
        offsets = 1000 * np.array(list(self.offsets().values()))
        unmeasured = sum(not is_plausible(lag) for lag in self.lags.values())
        note = f"{len(offsets)} clips: offsets deviate by {offsets.std():.1f} ms, reliability {self.reliability:.2f}"
        return note + (f"; {unmeasured} could not be measured and count as 0" if unmeasured else "")

    def save(self, path: str | Path) -> None:
        """Write JSON, atomically."""
        write_json(path, {"format": FORMAT, "reliability": self.reliability, "clips": {
            id: {"offset": offset} | asdict(self.lags[id]) for id, offset in self.offsets().items()
        }})  # fmt: skip


def is_plausible(lag: Lag) -> bool:
    """Whether a lag is plausible and its halves agree."""
    return abs(lag.whole) <= LARGEST and abs(lag.first - lag.second) <= APART


def read_offsets(path: str | Path) -> dict[str, float]:
    """Clip id -> seconds by which its audio is late, from a file of `lip2speech sync`. Raises VsrError bad_offsets."""
    try:
        stored = read_json(path)
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is '{stored['format']}'")
        offsets = {id: float(entry["offset"]) for id, entry in stored["clips"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VsrError("bad_offsets", f"{path} is no file of lip2speech sync ({cause_of(error)})") from error
    if not np.isfinite(list(offsets.values())).all():
        raise VsrError("bad_offsets", f"{path} holds offsets that are not finite: run lip2speech sync again")
    return offsets


def measure(
    clips: Sequence[Clip], others: Sequence[Clip], features: str | Path, seed: int = 0, jobs: int = 1
) -> CorpusLags:
    """Offsets of ``clips``, each from a network that was not trained on it, and of ``others``, on which none is.

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
    num_learned = len(clips)
    data = _Corpus([*clips, *others], num_learned, features, seed)
    measured = CorpusLags({id: Lag(0.0, 0.0, 0.0) for id in data.ids}, 0.0)
    for number in range(ROUNDS):
        offsets = list(measured.offsets().values())
        lags = _centred(_estimate_lags(data, num_learned, offsets, seed + number, jobs), num_learned)
        measured = CorpusLags(dict(zip(data.ids, lags, strict=True)), reliability(lags[:num_learned]))
    return measured


def _centred(lags: list[Lag], num_learned: int) -> list[Lag]:
    """Shift lags to zero median over the training clips."""
    centre = float(np.median([lag.whole for lag in lags[:num_learned]]))
    return [Lag(*(value - centre for value in astuple(lag))) for lag in lags]


class _Corpus:
    """lips (T, 96) and bands (4T, 20) of every clip, 60 MB an hour; eigenlips are fitted to ``num_learned``."""

    def __init__(self, clips: Sequence[Clip], num_learned: int, features: str | Path, seed: int):
        stored, crops = StoredFeatures(features, clips), CropDataset(clips, NoText(), None)
        self.ids = [clip.id for clip in clips]
        indices = np.random.default_rng(seed).permutation(num_learned)[:FITTED]
        lips = Eigenlips.fit([crops.crop(clips[i]) for i in indices], seed)
        self.lips = [lips(crops.crop(clip)) for clip in count_items(clips, "lips", len(clips))]
        self.bands = [bands_of(stored[i].mel) for i in range(len(clips))]


def _estimate_lags(data: _Corpus, num_learned: int, offsets: list[float], seed: int, jobs: int) -> list[Lag]:
    """The lag of every clip; of the first ``num_learned`` from the network that was not trained on it, of the others
    the mean over all networks."""
    aligned = [shift_bands(bands, offset) for bands, offset in zip(data.bands, offsets, strict=True)]
    folds = range(FOLDS)
    work = partial(_fold, data, aligned, num_learned, seed)
    results = in_processes(work, folds, jobs, _failed_fold) if jobs > 1 else map(work, folds)
    lags_of_clips: list[list[Lag]] = [[] for _ in data.ids]
    for measured in count_items(results, "networks", FOLDS):
        for index, lag in measured.items():
            lags_of_clips[index].append(lag)
    return [Lag(*np.mean([astuple(lag) for lag in lags], 0).tolist()) for lags in lags_of_clips]


def _fold(data: _Corpus, aligned: list[Tensor], num_learned: int, seed: int, fold: int) -> dict[int, Lag]:
    """Index -> lag, for the clips in a fold and those in no fold."""
    torch.set_num_threads(1)
    train = [i for i in np.random.default_rng(seed).permutation(num_learned).tolist() if i % FOLDS != fold][:FITTED]
    network = fit_predictor([data.lips[i] for i in train], [aligned[i] for i in train], seed)
    test = [i for i in range(len(data.ids)) if i % FOLDS == fold or i >= num_learned]
    with torch.inference_mode():
        return {i: clip_lag(data.bands[i], network(data.lips[i][None])[0]) for i in test}


def _failed_fold(fold: int) -> dict[int, Lag]:
    raise VsrError("internal", f"the process of part {fold + 1} died (not enough memory?): give fewer --jobs")


def reliability(lags: Sequence[Lag]) -> float:
    """Reliability of the whole clips' lags, in 0 ... 1, from the correlation of the halves' lags."""
    # No clip is left out for disagreement of its halves: the remaining ones would agree by selection.
    halves = np.array([(lag.first, lag.second) for lag in lags]).clip(-LARGEST, LARGEST)
    if not halves.std(0).all():
        return 0.0
    agreement = float(np.corrcoef(halves.T)[0, 1])
    return max(0.0, 2 * agreement / (1 + agreement))
