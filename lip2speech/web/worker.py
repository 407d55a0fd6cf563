"""The worker behind page and API: one thread with the models, and the queue of jobs."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from traceback import clear_frames

from lip2speech.inference.synthesis_options import NONE
from lip2speech.web.jobs import Dropped, Job, Limits
from lip2speech.web.models import Models, load_libraries
from lip2speech.web.page_jobs import inspect_job, read_job
from lip2speech.web.store import Store
from vsr.core.errors import VsrError
from vsr.core.machine import AUTO, return_freed_memory

TICK = 0.25  # seconds between two polls of a job


class Worker:
    """The models, the one thread that uses them, the queue and the files.

    Args:
        limits: of requests.
        model, voice: the lip reader and the voice: folders or names on the hub; None: those in the packages.
        precision: of the lip reader.

    Raises:
        VsrError: as `Models`; missing_package.
    """

    def __init__(self, limits: Limits, model: str | None = None, voice: str | None = None, precision: str = AUTO):
        self.models, self.is_shipped = Models(model, voice, precision), model is None
        self.limits, self.store = limits, Store(60 * limits.keep_minutes, limits.room)
        self._worker = ThreadPoolExecutor(1, "lip2speech-web")
        load_libraries()
        self._uploads_of_visitors: dict[str, set[Path]] = {}  # visitor -> folders of the uploads on the page
        self._queue: list[Job] = []  # running and waiting jobs; used by the server's thread only

    def new_job(self, upload: str | Path, reference: str | Path | None = None, text: str = NONE) -> Job:
        """Create a job with its own copies of the uploads; ``text``: "read", "none" or the words.

        Raises VsrError too_large, unreadable.
        """
        folder = self.store.new_job()
        try:
            source = self._moved_upload(folder / "source", Path(upload))
            spoken = self._moved_upload(folder / "reference", Path(reference)) if reference else None
            return Job(folder, source, spoken, self.store.scratch, text)
        except BaseException:
            self.store.remove(folder)
            raise

    def _moved_upload(self, folder: Path, upload: Path) -> Path:
        if not upload.is_file():
            raise VsrError("unreadable", f"{upload.name}: the file is no longer here; please choose it again")
        if upload.stat().st_size > self.limits.max_mb * 2**20:
            size = upload.stat().st_size / 2**20
            raise VsrError("too_large", f"{upload.name}: {size:.0f} MB; at most {self.limits.max_mb} MB are taken")
        folder.mkdir(mode=0o700)
        try:
            os.link(upload, folder / upload.name)
        except OSError:  # on another disk, such as the example
            shutil.copyfile(upload, folder / upload.name)
        return folder / upload.name

    def record_uploads(self, visitor: str, *uploads: str | Path | None) -> None:
        """Record the uploads that the page of a visitor shows now; none when the visitor has left."""
        folders = {Path(upload).parent for upload in uploads if upload}
        self._uploads_of_visitors = {
            other: uploads_shown for other, uploads_shown in self._uploads_of_visitors.items() if other != visitor
        }
        self._uploads_of_visitors |= {visitor: folders} if folders else {}

    def uploads_on_pages(self) -> set[Path]:
        """The folders of all uploads that a page shows."""
        return set().union(*self._uploads_of_visitors.values())

    def sweep(self) -> None:
        """Remove old files and uploads that no page shows; jobs in the queue stay."""
        self.store.sweep({job.folder for job in self._queue}, self.uploads_on_pages())
        self._uploads_of_visitors = {
            visitor: folders for visitor, folders in self._uploads_of_visitors.items() if any(map(Path.exists, folders))
        }

    def drop(self, job: Job) -> None:
        """Cancel a job and remove its files."""
        job.dropped = True
        self.store.remove(job.folder)

    def process(self, job: Job) -> AsyncGenerator[int, None]:
        """Read and voice a job's video for the page (`read_job`); yields and raises as `do`."""
        return self.do(job, read_job)

    async def do(self, job: Job, work, *args) -> AsyncGenerator[int, None]:
        """Call ``work(models, limits, job, *args)`` in the worker's thread; yields the number of jobs ahead at each
        change. Closing the generator drops the job.

        Raises VsrError: busy, too_long, too_slow, and the errors of the work; Dropped.
        """
        try:
            async with aclosing(self._follow(job, work, self.models, self.limits, job, *args)) as following:
                async for ahead in following:
                    yield ahead
        finally:
            if job.dropped:
                self.drop(job)

    def inspect(self, job: Job, face: int) -> AsyncGenerator[int, None]:
        """Write `inspectN.html`, the page of `lip2speech inspect`, for a face of a finished job; as `process`."""
        return self._follow(job, inspect_job, self.models, job, face)

    async def _follow(self, job: Job, work, *args) -> AsyncGenerator[int, None]:
        self._admit(job)
        future = asyncio.get_running_loop().run_in_executor(self._worker, _without_frames, work, *args)
        try:
            last = None
            while not future.done():
                ahead = self._queue.index(job)
                if last != (last := (ahead, *job.state())):
                    yield ahead
                await asyncio.wait({future}, timeout=TICK)
                if job.dropped:
                    raise Dropped
            if job.dropped:  # an error of the work only means that its folder has been removed
                raise Dropped
            self._raise_for(future, job)
        finally:
            job.dropped = job.dropped or not future.done()
            future.cancel()
            self._queue.remove(job)

    def _admit(self, job: Job) -> None:
        ahead = len(self._queue)
        if ahead > self.limits.queue:
            clips = f"{ahead} clips are" if ahead > 1 else "a clip is"
            raise VsrError("busy", f"Many visitors are waiting: {clips} before yours. Please try again in a minute.")
        job.stage, job.share, job.dropped = "waiting", None, False
        self._queue.append(job)

    @staticmethod
    def _raise_for(future: asyncio.Future, job: Job) -> None:
        """Raise the error of the work, if any, with file names instead of the server's paths."""
        try:
            future.result()
        except VsrError as error:
            message = error.message
            for path in (job.source, job.reference or job.source):
                message = message.replace(str(path), path.name)
            raise VsrError(error.reason, message) from error

    def close(self) -> None:
        """Stop after the running job and remove all files."""
        for job in self._queue:
            job.dropped = True
        self._worker.shutdown(cancel_futures=True)
        self.store.close()


def _without_frames(work, *args) -> None:
    """Run the work. The frames of an error are cleared: their local variables, often 100 MB a clip, would stay in
    memory until the next garbage collection."""
    try:
        work(*args)
    except BaseException as error:
        cause: BaseException | None = error
        while cause is not None:
            clear_frames(cause.__traceback__)
            cause = cause.__context__
        raise
    finally:
        return_freed_memory()
