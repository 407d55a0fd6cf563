"""Frames taken as they come: by a thread of their own, into a short queue.

When the queue is full the oldest is dropped and counted: captions stay close behind the speaker, whatever the machine.
Only a frame that comes before its time, as all do from a file that is piped in, drops none: it waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

WAITING = 25  # frames that may wait


@dataclass
class Taken:
    """A frame that waits: frame, its time, and the moment (monotonic seconds) at which it was taken."""

    frame: np.ndarray
    time: float
    at: float


@dataclass
class Capture:
    """Takes frames in a thread; iterate to get them, in order, without those that had to be dropped.

    error: why the frames ended, where that was not their natural end. It is raised where not one had come; else it
    is for the caller to report, after the captions of those that had.
    """

    images: Iterator[tuple[np.ndarray, float]]
    waiting: int = WAITING
    dropped: int = 0
    error: Exception | None = None
    _queue: deque = field(default_factory=deque)
    _taken: int = 0
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
                    self._queue.append(Taken(frame, seconds, time.monotonic()))
                    self._taken += 1
                    self._news.notify()
                if self._stop:
                    break
        except Exception as error:  # raised where the frames are used
            self.error = error
        with self._news:
            self._ended = True
            self._news.notify()

    def _await_room(self, until: float) -> None:
        """Wait while the queue is full, but not beyond a moment (monotonic seconds)."""
        self._news.wait_for(
            lambda: len(self._queue) < self.waiting or self._stop, timeout=max(0.0, until - time.monotonic())
        )

    def __iter__(self) -> Iterator[Taken]:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._queue or self._ended)
                if not self._queue:
                    break
                taken = self._queue.popleft()
                self._news.notify_all()
            yield taken
        if self.error is not None and not self._taken:
            raise self.error

    def close(self) -> None:
        """Take no more frames."""
        with self._news:
            self._stop = True
            self._news.notify_all()
