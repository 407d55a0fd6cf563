"""Truncated files are refused; longer sound, a late start, a frozen last frame or rare frames are no truncation."""

from contextlib import contextmanager

import numpy as np
import pytest

from tests.footage import read, tone, write_recording
from vsr.core.errors import VsrError
from vsr.media.reader import probe, read_frames

EVEN = np.arange(75) / 25


@pytest.mark.parametrize("suffix", ["mkv", "webm", "flv", "mp4", "mov", "avi", "ts"])
def test_longer_sound_is_no_truncation(tmp_path, suffix):
    path = write_recording(tmp_path / f"v.{suffix}", EVEN, tone(10))
    assert len(read(path)[1]) == pytest.approx(75, abs=1)
    assert probe(path).duration == pytest.approx(3.0, abs=0.05), "that of the frame"


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "flv", "avi"])
def test_last_frame_may_be_held(tmp_path, suffix):
    path = write_recording(tmp_path / f"v.{suffix}", EVEN, last_seconds=30.0)
    numbers, times = read(path)
    assert len(times) == pytest.approx(75, abs=1) and probe(path).num_frames == len(times)
    assert numbers[-1] == 74


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts", "avi"])
def test_frames_may_be_rare(tmp_path, suffix):
    """As in a shared screen on which nothing moves."""
    rare = [3 + 15 * k for k in range(1, 4)]
    path = write_recording(tmp_path / f"v.{suffix}", [*EVEN, *rare], tone(50))
    numbers, times = read(path)
    assert numbers[-1] == 77 and times[-1] == pytest.approx(48, abs=0.1)
    info = probe(path)
    assert info.num_frames == len(times) and info.end == pytest.approx(times[-1], abs=16)


@pytest.mark.parametrize("sound", [None, 40])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "flv"])
def test_refuses_truncated_file(tmp_path, suffix, sound):
    path = tmp_path / f"v.{suffix}"
    options = {"g": "25", "qmax": "8"}
    write_recording(path, np.arange(500) / 25, None if sound is None else tone(sound), options=options)
    if suffix == "mp4":
        path = with_index_first(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(VsrError, match=r"breaks off after \d+\.\d\d of \d\d\.\d\d s"):
        list(read_frames(path))
    assert probe(path).duration < 18, "of what is there"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi"])
def test_small_loss_in_a_short_clip_is_noticed(tmp_path, suffix):
    """The file's structure says how long it was; else words at the end would be lost silently."""
    path = write_recording(tmp_path / f"v.{suffix}", EVEN, tone(3), options={"g": "25", "qmax": "8"})
    path = with_index_first(path) if suffix == "mp4" else path
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    with pytest.raises(VsrError, match=r"breaks off after [12]\.\d\d of 3\.\d\d s"):
        list(read_frames(path))
    path.write_bytes(data)
    assert len(read(path)[1]) == pytest.approx(75, abs=1)


def with_index_first(path):
    import av

    target = path.with_name("first.mp4")
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as sink:
        streams = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                sink.mux(packet)
    return target


def test_frames_that_cannot_be_decoded_to_the_end_are_an_error(tmp_path, monkeypatch):
    from vsr.media import container

    path = write_recording(tmp_path / "v.ts", np.arange(250) / 25)
    packets = container.safe_packets

    def damaged(source, stream):
        for number, packet in enumerate(packets(source, stream)):
            yield packet if number < 80 or not packet.size else Broken()

    class Broken:
        def decode(self):
            raise ValueError("damaged")

    monkeypatch.setattr(container, "safe_packets", damaged)
    with pytest.raises(VsrError, match="breaks off after 3"):
        list(read_frames(path))


@pytest.mark.parametrize(("suffix", "place"), [("avi", 0.4), ("avi", 0.7), ("mkv", 0.7), ("webm", 0.7)])
def test_refuses_partly_overwritten_file(tmp_path, suffix, place):
    """As by a failed disk: the length is right, and FFmpeg skips to the next frame silently."""
    path = write_recording(tmp_path / f"v.{suffix}", EVEN, tone(3), options={"g": "25", "qmax": "8"})
    data = path.read_bytes()
    first, last = int(place * len(data)), int((place + 0.2) * len(data))
    for filler in (b"\0", b"\xff"):
        path.write_bytes(data[:first] + filler * (last - first) + data[last:])
        with pytest.raises(VsrError, match=r"breaks off after [012]\.\d\d of 3\.\d\d s"):
            list(read_frames(path))


@pytest.mark.parametrize("suffix", ["avi", "flv"])
def test_all_frames_counted_in_the_header_must_be_there(tmp_path, suffix):
    """Once 3.2 of 3.6 s of an AVI were read as all of it."""
    path = write_recording(tmp_path / f"v.{suffix}", np.arange(90) / 25, options={"g": "25", "qmax": "8"})
    data = path.read_bytes()
    end = data.find(b"idx1") if suffix == "avi" else len(data)
    assert len(read(path)[1]) == 90
    for rest in (b"", bytes(len(data) - end * 9 // 10)):
        path.write_bytes(data[: end * 9 // 10] + rest)
        with pytest.raises(VsrError, match=r"breaks off after [23]\.\d\d of 3\.60 s"):
            list(read_frames(path))


def test_frames_trimmed_by_an_edit_list_are_no_loss(tmp_path):
    path, cut = write_recording(tmp_path / "v.mp4", EVEN, options={"g": "75"}), tmp_path / "cut.mp4"
    with open_mp4(path, cut) as (source, sink):
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = sink.streams[0]
                packet.pts, packet.dts = (stamp - round(1 / packet.time_base) for stamp in (packet.pts, packet.dts))
                sink.mux(packet)
    assert 45 <= len(read(cut)[1]) <= 52


@contextmanager
def open_mp4(path, target):
    import av

    with av.open(str(path)) as source, av.open(str(target), "w") as sink:
        sink.add_stream_from_template(source.streams.video[0])
        yield source, sink
