"""Damaged files are read or refused with a reason, soon and in bounded memory.

The default run tries a part of the 300 files; VSR_FUZZ=300 tries all.
"""

import multiprocessing
import os
import random
import re
import resource
from pathlib import Path

import pytest

from vsr.core.errors import CLIP_REASONS

COUNT = int(os.environ.get("VSR_FUZZ", "24"))
ONCE_FATAL = {81}  # always tried: it crashed the process once, as a closed container was asked for its frame rate
SECONDS = 20
MEGABYTES = 2500
FORMATS = {
    "mp4": ("libx264", "yuv420p"), "mkv": ("libx265", "yuv420p10le"), "webm": ("libvpx-vp9", "yuv420p"),
    "mpg": ("mpeg1video", "yuv420p"), "avi": ("mpeg4", "yuv420p"), "mov": ("mjpeg", "yuvj420p"),
    "gif": ("gif", "rgb8"), "ts": ("mpeg2video", "yuv420p"),
}  # fmt: skip


@pytest.fixture(scope="module")
def intact(tmp_path_factory, make_face, make_video):
    """Suffix -> bytes of a video of a face that talks for a second."""
    folder, face = tmp_path_factory.mktemp("good"), make_face(25, size=128)
    options = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"deadline": "realtime"}}
    return {
        suffix: make_video(folder / f"a.{suffix}", face, 25, codec, pixels, options=options.get(codec)).read_bytes()
        for suffix, (codec, pixels) in FORMATS.items()
    }


def flipped(data, rng, intact):
    """Flip some bits."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 10, 100, 1000])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def header_flipped(data, rng, intact):
    """Flip bits at the start or the end, where headers and indices are."""
    part = rng.choice([slice(0, 400), slice(-1500, None)])
    return data[: part.start] + flipped(data[part], rng, intact) + (data[part.stop :] if part.stop else b"")


def truncated(data, rng, intact):
    """Cut off the end or the start."""
    cut = rng.randrange(len(data))
    return data[:cut] if rng.random() < 0.7 else data[cut:]


def swapped(data, rng, intact):
    """Put the header of one format before the content of another."""
    other, length = intact[rng.choice(sorted(intact))], rng.choice([4, 16, 64, 512])
    return other[:length] + data[length:]


def huge(data, rng, intact):
    """Set sizes and counts to the largest values."""
    data = bytearray(data)
    marks = b"tkhd avc1 jpeg stsz stts stsc stco mvhd mdhd avih strf GIF89a".split()
    places = [data.find(mark) + len(mark) for mark in marks if mark in data] or [0]
    for _ in range(rng.choice([1, 3])):
        position = rng.choice(places) + rng.randrange(0, 60, 2)
        data[position : position + 4] = rng.choice(
            [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x3f\xff"]
        )
    return data


def blanked(data, rng, intact):
    """Overwrite a stretch with zeros or with another stretch."""
    data, length = bytearray(data), rng.choice([64, 512, 4096])
    start, other = rng.randrange(len(data)), rng.randrange(len(data))
    data[start : start + length] = bytes(length) if rng.random() < 0.5 else data[other : other + length]
    return data


MUTATIONS = (flipped, header_flipped, truncated, swapped, huge, blanked)


def mutants(intact, count):
    """(description, suffix, bytes); the same ones in every run."""
    for number in sorted({*range(count), *ONCE_FATAL}):
        rng = random.Random(number)
        suffix, change = rng.choice(sorted(intact)), MUTATIONS[number % len(MUTATIONS)]
        yield f"{number}: {change.__name__} {suffix}", suffix, bytes(change(intact[suffix], rng, intact))


def read_all(connection, model):
    """Run in a process of its own: paths in, (reason or None, message, megabytes) out."""
    from vsr.inference.bulk import FileReader, Settings

    reader = FileReader(Settings(str(model), (("method", "ctc_greedy"),), faces="all"))
    connection.send(None)
    for path in iter(connection.recv, None):
        reason, message = reader.read(path).error or (None, "")
        connection.send((reason, message, peak_megabytes()))


def peak_megabytes():
    """Peak memory of this process alone: Linux hands ru_maxrss down from the parent, however large that is."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024


@pytest.fixture
def read_elsewhere(tiny_model):
    """Have another process read a file; a crash or a hang fails the test."""
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=read_all, args=(theirs, tiny_model), daemon=True)
    worker.start()
    theirs.close()
    assert ours.recv() is None

    def read(path, case):
        ours.send(str(path))
        assert ours.poll(SECONDS), f"{case}: hangs"
        try:
            return ours.recv()
        except EOFError:
            pytest.fail(f"{case}: the process died")

    yield read
    worker.kill()


def test_damaged_files_are_read_or_refused_with_a_reason(intact, read_elsewhere, tmp_path):
    num_refused = 0
    for case, suffix, data in mutants(intact, COUNT):
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(data)
        reason, message, megabytes = read_elsewhere(path, case)
        assert reason is None or reason in CLIP_REASONS, f"{case}: {reason}, {message}"
        assert reason is None or (message and "\n" not in message), case
        assert megabytes < MEGABYTES, f"{case}: {megabytes:.0f} MB"
        num_refused += reason is not None
    assert 0 < num_refused < COUNT  # neither all are refused nor none is damaged
