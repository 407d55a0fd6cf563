"""Capture frames in a separate thread, into a short queue.

When the queue is full, the oldest frame is dropped and counted, so that captions stay close behind the speaker on any
machine. A frame that arrives before its time, as from a piped file, waits instead.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

WAITING = 25  # length of the queue, in frames


@dataclass
class CapturedFrame:
    """A captured frame, its time in the video, and when it was captured (monotonic seconds)."""

    frame: np.ndarray
    time: float
    at: float


@dataclass
class Capture:
    """Captures frames in a thread; iterate to get them in order, without the dropped ones.

    error: why the frames ended early, if they did. It is raised if there was no frame at all; else the caller reports
    it after the captions.
    """

    images: Iterator[tuple[np.ndarray, float]]
    waiting: int = WAITING
    dropped: int = 0
    error: Exception | None = None
    _queue: deque = field(default_factory=deque)
    _num_captured: int = 0
    _ended: bool = False

    def __post_init__(self):
        self._news = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        try:
            began = None
            for frame, seconds in self.images:
                began = time.monotonic() - seconds if began is None else began
                with self._news:
                    self._await_room(until=began + seconds)
                    if len(self._queue) >= self.waiting:
                        self._queue.popleft()
                        self.dropped += 1
                    self._queue.append(CapturedFrame(frame, seconds, time.monotonic()))
                    self._num_captured += 1
                    self._news.notify()
                if self._stop:
                    break
        except Exception as error:  # raised in the consumer's thread
            self.error = error
        with self._news:
            self._ended = True
            self._news.notify()

    def _await_room(self, until: float) -> None:
        """Wait while the queue is full, at most until ``until`` (monotonic seconds)."""
        self._news.wait_for(
            lambda: len(self._queue) < self.waiting or self._stop, timeout=max(0.0, until - time.monotonic())
        )

    def __iter__(self) -> Iterator[CapturedFrame]:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._queue or self._ended)
                if not self._queue:
                    break
                taken = self._queue.popleft()
                self._news.notify_all()
            yield taken
        if self.error is not None and not self._num_captured:
            raise self.error

    def close(self) -> None:
        """Stop capturing."""
        with self._news:
            self._stop = True
            self._news.notify_all()
