"""Distribute work over the machines of a Ray cluster, which must see the same files under the same paths.

If a worker or a machine dies, only time is lost: Ray gives its item to another. Results are small (crops are written by
the workers), so the object store stays almost empty.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vsr.core.errors import VsrError
from vsr.core.interrupts import handlers_kept

if TYPE_CHECKING:
    from vsr.core.progress import Watch
    from vsr.data.cropping import Outcome
    from vsr.data.manifest import Clip
    from vsr.inference.bulk import FileReader, Settings
    from vsr.output.transcript import Transcript

Item = TypeVar("Item")
Result = TypeVar("Result")
RETRIES = 3  # of an item whose worker died: limited, as a file may crash the decoder each time
ANSWER = 5.0  # seconds to wait for a connection to the cluster
LOST = "the workers that tried it died (not enough memory, or a file that crashes the decoder)"


class RayCluster:
    """An `vsr.inference.executors.Engine` on a running Ray cluster.

    Args:
        address: HOST:PORT of its head; None: RAY_ADDRESS or the cluster of this machine.
        jobs: most items in flight; None: twice the number of cores.

    Raises:
        VsrError: no_cluster if Ray is not installed or no cluster answers.
    """

    def __init__(self, address: str | None = None, jobs: int | None = None):
        self.ray = connect(address)
        self.jobs = jobs

    def crop(self, clips: Sequence[Clip], out_dir: Path, store: str = "npy") -> Iterator[Outcome]:
        """Outcomes in the order of the clips."""
        from vsr.data.cropping import Cropper, Outcome

        clips = [replace(clip, video=str(Path(clip.video).absolute())) for clip in clips]

        def lost(clip: Clip) -> Outcome:
            return Outcome(clip.id, reason="unreadable", message=f"{clip.video}: {LOST}")

        return self.run_all(partial(Cropper, out_dir.absolute(), store), clips, lost)

    def transcribe(self, paths: Sequence[str], settings: Settings, watch: Watch | None = None) -> Iterator[Transcript]:
        """Transcripts in the order of the files, under the given paths; ``watch`` is not used."""
        from vsr.inference.bulk import failure, resolved_settings

        # Other machines may have the package elsewhere: only a folder that the user named is the same for all.
        resolved = resolved_settings(settings)
        folder = settings.folder and str(Path(resolved.folder or "").absolute())
        start = partial(_reading, replace(resolved, folder=folder, threads=settings.threads or 1))
        files = [str(Path(path).absolute()) for path in paths]
        transcripts = self.run_all(start, files, lambda path: failure(path, "internal", LOST))
        return (replace(transcript, file=str(path)) for path, transcript in zip(paths, transcripts, strict=True))

    def run_all(
        self, start: Callable[[], Callable[[Item], Result]], items: Sequence[Item], on_crash: Callable[[Item], Result]
    ) -> Iterator[Result]:
        """Yield ``start()(item)`` for every item, in order; ``start`` is called once in each worker process.

        Yields ``on_crash(item)`` if all workers that tried it died. A VsrError of the work ends the run and is raised
        here.
        """
        ray = self.ray
        attempt = ray.remote(num_cpus=1, max_retries=RETRIES)(_attempt)
        key, start = uuid.uuid4().hex, ray.put(start)
        waiting: deque[tuple[Any, Any]] = deque()  # (reference, item), in order
        running: set = set()
        for item in items:
            while len(running) >= self._room():
                running -= set(ray.wait(list(running), num_returns=1)[0])
                while waiting and waiting[0][0] not in running:
                    yield self._result(waiting.popleft(), on_crash)
            reference = attempt.remote(key, start, item)
            waiting.append((reference, item))
            running.add(reference)
        while waiting:
            yield self._result(waiting.popleft(), on_crash)

    def _room(self) -> int:
        """Most items in flight: twice the current number of cores, so that no worker waits for the next item."""
        return self.jobs or max(2, 2 * int(self.ray.cluster_resources().get("CPU", 1)))

    def _result(self, waiting: tuple[Any, Any], on_crash: Callable) -> Any:
        reference, item = waiting
        try:
            result = self.ray.get(reference)
        except (self.ray.exceptions.WorkerCrashedError, self.ray.exceptions.NodeDiedError):
            return on_crash(item)
        except self.ray.exceptions.OutOfMemoryError:
            return on_crash(item)
        if isinstance(result, VsrError):
            raise result
        return result


_started: dict[str, Any] = {}  # in this worker process: key of the run, and its work function


def _attempt(key: str, start: Callable, item: Any) -> Any:
    """Process one item in a worker; a VsrError is returned, so that it arrives unwrapped."""
    try:
        if _started.get("key") != key:
            _started.update(work=start(), key=key)
        return _started["work"](item)
    except VsrError as error:
        return error


def _reading(settings: Settings) -> Callable[[str], Transcript]:
    from vsr.inference.bulk import FileReader

    reader: FileReader = FileReader(settings)
    return reader.read


def connect(address: str | None):
    """Import `ray`, connect to the cluster and return the module. Raises VsrError no_cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    try:
        import ray
    except ImportError as error:
        message = "--engine ray needs Ray on every machine: pip install ray"
        raise VsrError("no_cluster", message) from error
    address = address or os.environ.get("RAY_ADDRESS") or "auto"
    _check_address(address)
    _check_arrow()
    try:
        with handlers_kept():  # Ray's would end a command without its clean-up
            ray.init(address, ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
    except ConnectionError as error:
        raise _no_answer(address) from error
    except (RuntimeError, ValueError, OSError) as error:  # such as another version of Python or Ray on the cluster
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise VsrError("no_cluster", f"the Ray cluster at {address} takes no work: {message}") from error
    return ray


def _check_arrow() -> None:
    """Refuse a broken pyarrow: Ray works without it, but not with one that cannot be imported."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        return
    except ImportError as error:
        message = f"Ray cannot work beside this pyarrow ({error}): remove it, or install one that fits"
        raise VsrError("no_cluster", message) from error


def _check_address(address: str) -> None:
    """Try a connection first, as Ray itself waits for minutes on an address that does not answer."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise VsrError("no_cluster", f"--address is '{address}': give HOST:PORT, such as 10.0.0.1:6379")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(address) from error


def _no_answer(address: str) -> VsrError:
    where = "on this machine" if address == "auto" else f"at {address}"
    return VsrError("no_cluster", f"no Ray cluster answers {where}: start one with ray start --head --port 6379")
