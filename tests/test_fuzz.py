"""Damaged files: whatever is in them, they are read or refused with a reason, soon and in bounded memory.

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
ONCE_FATAL = {81}  # always tried: it crashed the process when a closed container was asked for its rate
SECONDS = 20
MEGABYTES = 2500
FORMATS = {
    "mp4": ("libx264", "yuv420p"), "mkv": ("libx265", "yuv420p10le"), "webm": ("libvpx-vp9", "yuv420p"),
    "mpg": ("mpeg1video", "yuv420p"), "avi": ("mpeg4", "yuv420p"), "mov": ("mjpeg", "yuvj420p"),
    "gif": ("gif", "rgb8"), "ts": ("mpeg2video", "yuv420p"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory, make_face, make_video):
    """Suffix -> the bytes of a face that talks for a second."""
    folder, face = tmp_path_factory.mktemp("good"), make_face(25, size=128)
    options = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"deadline": "realtime"}}
    return {
        suffix: make_video(folder / f"a.{suffix}", face, 25, codec, pixels, options=options.get(codec)).read_bytes()
        for suffix, (codec, pixels) in FORMATS.items()
    }


def flipped(data, dice, good):
    """Some bits are wrong."""
    data = bytearray(data)
    for _ in range(dice.choice([1, 10, 100, 1000])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def header_flipped(data, dice, good):
    """Bits are wrong where files say what they are, at the start or at the end."""
    part = dice.choice([slice(0, 400), slice(-1500, None)])
    return data[: part.start] + flipped(data[part], dice, good) + (data[part.stop :] if part.stop else b"")


def truncated(data, dice, good):
    """It ends too early, or begins too late."""
    cut = dice.randrange(len(data))
    return data[:cut] if dice.random() < 0.7 else data[cut:]


def swapped(data, dice, good):
    """The header of one format before the content of another."""
    other, length = good[dice.choice(sorted(good))], dice.choice([4, 16, 64, 512])
    return other[:length] + data[length:]


def huge(data, dice, good):
    """Sizes and counts are as large as they can be told."""
    data = bytearray(data)
    marks = b"tkhd avc1 jpeg stsz stts stsc stco mvhd mdhd avih strf GIF89a".split()
    places = [data.find(mark) + len(mark) for mark in marks if mark in data] or [0]
    for _ in range(dice.choice([1, 3])):
        at = dice.choice(places) + dice.randrange(0, 60, 2)
        data[at : at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x3f\xff"])
    return data


def blanked(data, dice, good):
    """A stretch was lost, and holds zeros or what stands elsewhere."""
    data, length = bytearray(data), dice.choice([64, 512, 4096])
    at, other = dice.randrange(len(data)), dice.randrange(len(data))
    data[at : at + length] = bytes(length) if dice.random() < 0.5 else data[other : other + length]
    return data


MUTATIONS = (flipped, header_flipped, truncated, swapped, huge, blanked)


def mutants(good, count):
    """(what was done, suffix, bytes); the same ones whenever they are made."""
    for number in sorted({*range(count), *ONCE_FATAL}):
        dice = random.Random(number)
        suffix, change = dice.choice(sorted(good)), MUTATIONS[number % len(MUTATIONS)]
        yield f"{number}: {change.__name__} {suffix}", suffix, bytes(change(good[suffix], dice, good))


def read_all(connection, model):
    """In a process of its own: paths in, (reason or None, message, megabytes) out."""
    from vsr.inference.bulk import FileReader, Settings

    reader = FileReader(Settings(str(model), (("method", "ctc_greedy"),), faces="all"))
    connection.send(None)
    for path in iter(connection.recv, None):
        reason, message = reader.read(path).error or (None, "")
        connection.send((reason, message, peak_megabytes()))


def peak_megabytes():
    """Of this process alone: Linux hands ru_maxrss down from the parent that started it, however large that is."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024


@pytest.fixture
def ask(tiny_model):
    """Have a file read by another process; its answer, or the test fails for a crash or a hang."""
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=read_all, args=(theirs, tiny_model), daemon=True)
    worker.start()
    theirs.close()
    assert ours.recv() is None

    def asked(path, what):
        ours.send(str(path))
        assert ours.poll(SECONDS), f"{what}: hangs"
        try:
            return ours.recv()
        except EOFError:
            pytest.fail(f"{what}: the process died")

    yield asked
    worker.kill()


def test_damaged_files_are_read_or_refused_with_a_reason(good, ask, tmp_path):
    refused = 0
    for what, suffix, data in mutants(good, COUNT):
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(data)
        reason, message, megabytes = ask(path, what)
        assert reason is None or reason in CLIP_REASONS, f"{what}: {reason}, {message}"
        assert reason is None or (message and "\n" not in message), what
        assert megabytes < MEGABYTES, f"{what}: {megabytes:.0f} MB"
        refused += reason is not None
    assert 0 < refused < COUNT  # neither is everything refused nor is nothing damaged
