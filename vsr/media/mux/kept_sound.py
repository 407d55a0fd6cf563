"""Carries the sound of a recording into another one: copied where players of that container play it, else as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vsr.media.concatenated import OneClock, video_shifts
from vsr.media.container import decoded_frames, safe_packets
from vsr.media.streams import sound_stream

# What players expect in a container. FFmpeg also writes PCM and Vorbis into an .mp4, and accepts Opus for a .mov, which
# then fails.
USUAL = {"aac", "mp3", "mp2", "ac3", "eac3", "alac"}
PLAYED = {
    "mp4": USUAL | {"opus", "flac"},
    "mov": USUAL | {"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_mulaw", "pcm_alaw"},
}
USUAL_RATE = 48_000
SOONER = 0.001  # seconds by which a packet may begin before time 0: rounding of time stamps


class KeptSound:
    """The sound of a recording, written part by part into the container of another.

    Args:
        path: of the recording.
        source: its container, opened for this alone.
        target: the container that is being written.
        start: time stamp, in seconds, that becomes time 0; sound before it is left out.
    """

    def __init__(self, path: str | Path, source, target, start: float):
        self._target = target
        self._packets: Iterator[tuple] = iter(())
        stream = sound_stream(source)
        if stream is not None:
            clock = OneClock(lambda: video_shifts(path))
            carried = _copied if is_copied(stream, target) else _encoded
            self._packets = carried(source, stream, target, lambda time: clock.place(time) - start)
        self._next = next(self._packets, None)  # adds the stream

    def write_until(self, seconds: float) -> None:
        """Write the packets that start before ``seconds``."""
        while self._next is not None and self._next[1] < seconds:
            self._target.mux(self._next[0])
            self._next = next(self._packets, None)


def is_copied(stream, target) -> bool:
    """Whether a sound stream is copied into a container; else it is encoded again."""
    name, container = stream.codec.canonical_name, target.format.name
    return name in target.supported_codecs and name in PLAYED.get(container, {name})


def _copied(source, stream, target, place) -> Iterator[tuple]:
    """(packet, second), unchanged but for its time stamps."""
    into = target.add_stream_from_template(stream)
    for packet in safe_packets(source, stream):
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or not packet.size:
            continue
        seconds = place(float(stamp * packet.time_base))
        if seconds >= -SOONER:
            packet.pts = packet.dts = max(0, round(seconds / packet.time_base))
            packet.stream = into
            yield packet, seconds


def _encoded(source, stream, target, place) -> Iterator[tuple]:
    """(packet, second) of the sound as AAC, of one or two channels; gaps are filled with silence."""
    context = stream.codec_context
    into = target.add_stream("aac", layout="mono" if context.channels == 1 else "stereo", rate=_rate(context))
    graph = None
    for frame in decoded_frames(source, stream):
        if frame.time is None:
            continue
        frame.pts = round(place(frame.time) / frame.time_base)
        graph = graph or _on_time(stream, into)
        graph.push(frame)
        yield from _ready(graph, into)
    if graph:
        graph.push(None)
        yield from _ready(graph, into)
    yield from _timed(into.encode())


def _rate(context) -> int:
    """The rate of the sound if AAC knows it, samples per second."""
    import av

    return context.sample_rate if context.sample_rate in av.Codec("aac", "w").audio_rates else USUAL_RATE


def _on_time(stream, into):
    """A graph of filters that resamples, leaves out what is before time 0, and fills gaps."""
    import av

    graph, context = av.filter.Graph(), into.codec_context
    formats = f"{context.format.name}:{context.sample_rate}:{context.layout.name}".split(":")
    shape = "sample_fmts={}:sample_rates={}:channel_layouts={}".format(*formats)
    graph.link_nodes(
        graph.add_abuffer(template=stream), graph.add("aresample", "async=1:first_pts=0"),
        graph.add("aformat", shape), graph.add("abuffersink"),
    ).configure()  # fmt: skip
    return graph


def _ready(graph, into) -> Iterator[tuple]:
    """(packet, second) of what the graph has finished."""
    import av

    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield from _timed(into.encode(frame))


def _timed(packets) -> Iterator[tuple]:
    return ((packet, float(packet.pts * packet.time_base)) for packet in packets)
