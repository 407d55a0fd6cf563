"""Jobs of visitors, worked on as the page does."""

import asyncio

import pytest

from vsr.core.errors import VsrError


async def follow(worker, job):
    """Work to the end; what a visitor saw on the way."""
    seen = []
    async for ahead in worker.process(job):
        seen.append((ahead, job.stage, job.share))
    return seen


def done(worker, *videos):
    """Jobs that were worked on at once."""
    jobs = [worker.new_job(video) for video in videos]

    async def all_of_them():
        return await asyncio.gather(*(follow(worker, job) for job in jobs))

    return jobs, asyncio.run(all_of_them())


def refused(worker, video, reference=None):
    with pytest.raises(VsrError) as caught:
        asyncio.run(follow(worker, worker.new_job(video, reference)))
    return caught.value
