"""Jobs of visitors, worked on as the page does."""

import asyncio

import pytest

from vsr.core.errors import VsrError


async def follow(worker, job):
    """Work to the end; returns what a visitor sees on the way."""
    states = []
    async for ahead in worker.process(job):
        states.append((ahead, job.stage, job.share))
    return states


def done(worker, *videos):
    """Jobs that are processed at the same time."""
    jobs = [worker.new_job(video) for video in videos]

    async def all_of_them():
        return await asyncio.gather(*(follow(worker, job) for job in jobs))

    return jobs, asyncio.run(all_of_them())


def refused(worker, video, reference=None):
    with pytest.raises(VsrError) as caught:
        asyncio.run(follow(worker, worker.new_job(video, reference)))
    return caught.value
