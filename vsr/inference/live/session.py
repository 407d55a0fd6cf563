"""Live captions from frames: mouth crops are collected to utterances, which are read repeatedly while they grow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vsr.core.clock import FPS
from vsr.core.windows import frame_edges
from vsr.decoding.defaults import options_for, preferred_window
from vsr.decoding.encoding import mesh_for, turned_away
from vsr.decoding.options import DecodeOptions
from vsr.face.detector import Detector
from vsr.face.faces import NUM_POINTS
from vsr.face.frame_rate import FEW, frame_rate
from vsr.face.geometry import CROP
from vsr.face.piece import MIN_FRAMES
from vsr.face.stretches import Stretches, stretches_of
from vsr.face.visual_vad import MARGIN, REST, SLACK, activity, spans_of
from vsr.inference.live.captions import Captions
from vsr.inference.live.capture import CapturedFrame
from vsr.inference.live.mouth import Mouth, MouthStream
from vsr.inference.live.points import LivePoints
from vsr.inference.recognition import read_windows
from vsr.media.resample import on_grid
from vsr.modelstore.folder import LoadedModel
from vsr.output.transcript import TimedWord

STEP = 8  # least number of frames between two readings
CALM = 15  # frames of rest that end an utterance
BEAM = 4  # beam of a model without its own setting: narrow, to keep the delay small
LOOK_BACK = 2 * FPS  # latest frames, which decide whether a mouth is covered


@dataclass(frozen=True)
class Caption:
    """A live caption. standing: words that no longer change; loose: words that may change; final: the utterance is
    over; person: number of the face that is read, from 0; delays: seconds since the end of each new standing word was
    captured. For a final caption: mouths, its frames, and in_domain, as in `vsr.output.transcript.Segment`."""

    standing: tuple[TimedWord, ...]
    loose: tuple[TimedWord, ...]
    final: bool
    person: int
    delays: tuple[float, ...] = ()
    mouths: tuple[Mouth, ...] = ()
    in_domain: float | None = None


@dataclass
class Utterance:
    """The mouths since the lips began to move, and their captions."""

    mouths: list[Mouth] = field(default_factory=list)
    captions: Captions = field(default_factory=Captions)
    read: int = 0  # number of mouths in the last reading

    @property
    def active(self) -> np.ndarray:
        """Lip activity (T,)."""
        return activity(np.stack([mouth.points for mouth in self.mouths]))

    @property
    def speaking_mouths(self) -> list[Mouth]:
        """The mouths from the first to the last that speaks, as in `vsr transcribe`; none for a photo or a mask."""
        speech = _stretches(self.mouths).speech
        return self.mouths[speech[0][0] : speech[-1][1]] if speech else []


class Session:
    """One live reading.

    Args:
        loaded: model, of `vsr.modelstore.folder.load_model`.
        detector: face detector.
        options: of the search; default: `live_options`.
        turns: whether to read whoever speaks; otherwise the largest face until it is gone.
    """

    def __init__(self, loaded, detector: Detector, options: DecodeOptions | None = None, turns: bool = True):
        self.loaded, self.options = loaded, options or live_options(loaded)
        self.window = preferred_window(loaded)
        mesh = mesh_for(loaded)
        self.points = None if mesh is None else LivePoints(mesh)
        self.mouths = MouthStream(detector, faces=mesh is not None, turns=turns)
        self.utterance = Utterance()
        self.covered = 0.0  # seconds in which the mouth was covered
        self.few_frames = 0.0  # seconds of speech with too few different frames to be read well
        self.num_frames = 0  # of the source
        self.num_mouths = 0  # number of mouths
        self.read = 0  # number of utterances
        self._latest: deque[Mouth] = deque(maxlen=LOOK_BACK)
        self._person = 0
        self._pool = ThreadPoolExecutor(1)
        self._reading: Future | None = None
        blank = Mouth(np.zeros((CROP, CROP), np.uint8), np.zeros((NUM_POINTS, 2)), 0.0, 0.0)
        self._read([blank] * MIN_FRAMES)  # warm-up: the first reading takes longest
        if mesh is not None:
            mesh.ready()

    def run(self, images: Iterable[CapturedFrame]) -> Iterator[Caption]:
        """Yield captions as they change; the caller stops by closing the frames."""
        try:
            for frame, seconds, at in _grid(images):
                self.num_frames += 1
                for mouth in self.mouths.add(frame, seconds, at):
                    yield from self._process(mouth)
                yield from self._captions()
            for mouth in self.mouths.rest():
                yield from self._process(mouth)
            yield from self._finish()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _process(self, mouth: Mouth) -> Iterator[Caption]:
        """Process the next frame of the mouth."""
        if self.mouths.person != self._person:
            yield from self._finish()
            self._person = self.mouths.person
        self.utterance.mouths.append(mouth)
        self._check_cover(mouth)
        active = self.utterance.active
        if not (active >= REST).any():
            self.utterance.mouths = self.utterance.mouths[-MARGIN:]
        elif len(active) > MIN_FRAMES + CALM and (active[-CALM:] < REST).all():
            yield from self._finish()
        elif len(active) > SLACK * self.window:
            yield from self._cut(active)
        elif self._reading is None and len(active) >= max(MIN_FRAMES, self.utterance.read + STEP):
            self.utterance.read = len(active)
            if len(spoken := self.utterance.speaking_mouths) >= MIN_FRAMES:
                self._reading = self._pool.submit(self._read, spoken)

    def _check_cover(self, mouth: Mouth) -> None:
        """Check once a second whether the mouth is covered."""
        self._latest.append(mouth)
        self.num_mouths += 1
        if self.num_mouths % FPS == 0:
            self.covered += float(_stretches(list(self._latest)).covered[-FPS:].sum()) / FPS

    def _read(self, mouths: list[Mouth]) -> tuple[list[TimedWord], float, float | None]:
        """Read mouths: the words, the second at which the frames end, and the in-domain probability."""
        edges = frame_edges(np.array([mouth.time for mouth in mouths]))
        crop = np.stack([mouth.crop for mouth in mouths])
        points = None if self.points is None or self._skips_tracks(mouths) else [self.points.of(mouths)]
        reading = read_windows(self.loaded, [crop], [edges], self.options, points)[0]
        return list(reading.hypotheses[0].words), float(edges[-1]), reading.in_domain

    def _skips_tracks(self, mouths: list[Mouth]) -> bool:
        """Whether the track reader is not used for these mouths: their faces were not kept, or are turned too far."""
        return mouths[0].face is None or turned_away(self.loaded, np.stack([mouth.points for mouth in mouths]))

    def _captions(self) -> Iterator[Caption]:
        """Yield the caption of a reading that has finished."""
        if self._reading is not None and self._reading.done():
            words, end, _ = self._reading.result()
            self._reading = None
            yield self._caption(self.utterance.captions.update(words, end))

    def _cut(self, active: np.ndarray) -> Iterator[Caption]:
        """Cut speech without a pause where the lips are calmest; the remaining frames begin the next utterance."""
        end = spans_of(active, 0, len(active), self.window)[0][1]
        end = end if end < len(active) else int(0.8 * len(active))
        later = self.utterance.mouths[end:]
        self.utterance.mouths = self.utterance.mouths[:end]
        yield from self._finish()
        self.utterance.mouths = later

    def _finish(self) -> Iterator[Caption]:
        """Read the utterance for the last time and begin a new one."""
        if self._reading is not None:
            self._reading.result()  # wait for the running reading, whose result is no longer needed
            self._reading = None
        is_speech = len(self.utterance.mouths) >= MIN_FRAMES and (self.utterance.active >= REST).any()
        if is_speech and len(spoken := self.utterance.speaking_mouths) >= MIN_FRAMES:
            words, _, in_domain = self._read(spoken)
            self.read += 1
            if frame_rate(np.stack([mouth.crop for mouth in spoken])) < FEW:
                self.few_frames += len(spoken) / FPS
            caption = self._caption(self.utterance.captions.finish(words), final=True)
            yield replace(caption, mouths=tuple(spoken), in_domain=in_domain)
            if self.points is not None:
                self.points.close()
        self.utterance = Utterance()

    def _caption(self, new: list[TimedWord], final: bool = False) -> Caption:
        captions, now = self.utterance.captions, time.monotonic()
        times = np.array([mouth.time for mouth in self.utterance.mouths])
        capture_times = np.array([mouth.at for mouth in self.utterance.mouths])
        delays = tuple(now - float(np.interp(word.end, times, capture_times)) for word in new)
        return Caption(tuple(captions.standing), tuple(captions.loose), final, self._person, delays)


def live_options(loaded: LoadedModel, overrides: Mapping[str, Any] | None = None) -> DecodeOptions:
    """The options of the search: ``overrides``, else the model's own; the default of the beam is `BEAM`."""
    defaults = {} if "beam" in loaded.config.get("decode", {}) else {"beam": BEAM}
    return options_for(loaded, defaults | dict(overrides or {}))


def _stretches(mouths: list[Mouth]) -> Stretches:
    """The stretches of these mouths in which lips speak, rest or are covered."""
    return stretches_of(np.stack([mouth.crop for mouth in mouths]), np.stack([mouth.points for mouth in mouths]))


def _grid(images: Iterable[CapturedFrame]) -> Iterator[tuple[np.ndarray, float, float]]:
    """(frame, seconds, capture time) resampled to 25 frames a second."""
    timed = ((taken, taken.time) for taken in images)
    for taken, position in on_grid(timed, 1 / FPS):
        yield taken.frame, position.time, taken.at
