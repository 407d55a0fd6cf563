"""Progress of long runs: callbacks, and bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vsr.core.clock import FPS

LONG = 30.0  # seconds; a shorter video is finished before its own bar would show anything
Item = TypeVar("Item")


@dataclass(frozen=True)
class Watch:
    """Callbacks of a run.

    progress: called about once per second of video with (file, seconds read, seconds in all or 0 if unknown).
    block: called after each block of a long video except the last, with the transcript so far.
    """

    progress: Callable[[Any, float, float], None] = lambda file, done, total: None
    block: Callable[[Any], None] = lambda transcript: None


@contextmanager
def progress_bars(transcripts: Callable[[Watch], Iterator[Item]], count: int) -> Iterator[Iterator[Item]]:
    """The transcripts of `count` files, with bars on a terminal: one for the files if there are several, and one for
    each long video, as `film_bar` shows it."""
    if not sys.stderr.isatty():
        yield transcripts(Watch())
        return
    with _seconds_bar(transient=count == 1) as bar:
        results = transcripts(Watch(progress=_FileBar(bar)))
        yield bar.track(results, total=count, description="files") if count > 1 else results


@contextmanager
def film_bar() -> Iterator[Callable[[Any, float, float], None]]:
    """The `progress` of a `Watch` that shows a bar for a long video on a terminal, with the time left and the speed
    relative to real time."""
    if not sys.stderr.isatty():
        yield Watch().progress
        return
    with _seconds_bar(transient=True) as bar:
        yield _FileBar(bar)


def _seconds_bar(transient: bool):
    """A bar on stderr that counts seconds of video."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), _speed())
    # By default rich prints stdout through the bar's terminal, past a redirection to a file.
    console = Console(stderr=True)
    return Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty(), transient=transient)


def report_frames(frames: Iterable[tuple], progress: Callable[[Any, float, float], None], file, total: float):
    """The (frame, place) pairs of a video of ``total`` seconds, reported about once per second of video."""
    for count, (frame, place) in enumerate(frames):
        if count % FPS == 0:
            progress(file, place.time, total)
        yield frame, place


def count_items(items: Iterable[Item], what: str, total: int, done: int = 0, failed: str = "") -> Iterator[Item]:
    """The items as they arrive, while a bar on stderr counts them and shows the time left.

    Args:
        done: how many of ``total`` were done before.
        failed: word for items that have a ``reason``, such as "refused"; the bar shows their number.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns, failures = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()), 0
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, completed=done)
        for item in items:
            failures += bool(failed and getattr(item, "reason", ""))
            bar.update(task, advance=1, description=f"{what} ({failures} {failed})" if failures else what)
            yield item


def _speed():
    """The column "12.3 x real time", for bars that count seconds of video."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task) -> Text:
            is_known = task.fields.get("video") and task.speed
            return Text(f"{task.speed:.1f} x real time" if is_known else "")

    return Speed()


class _FileBar:
    """The bar of the video that is being read, one at a time."""

    def __init__(self, bar):
        self._bar, self._file, self._task = bar, None, None

    def __call__(self, file, done: float, total: float) -> None:
        if total and total < LONG:
            return
        if file != self._file:
            if self._task is not None:
                self._bar.remove_task(self._task)
            # A resumed video starts where it stopped: the speed must not count what was read before.
            name, seconds = Path(file).name, total or None
            self._file, self._task = file, self._bar.add_task(name, total=seconds, completed=done, video=True)
        self._bar.update(self._task, completed=done)
