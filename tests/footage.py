"""Recordings whose frames and sound are stamped as a test wants them; each frame tells its number."""

from fractions import Fraction

import numpy as np

RATE = 48_000
TICKS = 90_000
CODECS = {
    "webm": ("libvpx", "libopus"), "flv": ("flv", "libmp3lame"), "avi": ("mpeg4", "libmp3lame"),
    "ts": ("mpeg2video", "mp2"), "mpg": ("mpeg2video", "mp2"), "h264": ("libx264", None), "hevc": ("libx265", None),
}  # fmt: skip
OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "10"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "1M"}, "mpeg4": {"b": "1M"}, "flv": {"b": "1M"},
    "mpeg2video": {"b": "1M"},
}  # fmt: skip


def image(number):
    """(48, 64, 3) uint8: eight fields that are black or white, the bits of the number modulo 256."""
    bits = (number >> np.arange(8)) & 1
    return (bits.reshape(2, 4).astype(np.uint8) * 200 + 25).repeat(24, 0).repeat(16, 1)[..., None].repeat(3, 2)


def number_of(frame):
    """The number that is drawn in a frame."""
    return int(((frame[12::24, 8::16, 0].ravel() > 128) << np.arange(8)).sum())


def write_recording(
    path, times, sound=None, sound_start=0.0, codecs=None, last_seconds=0.0, fps=25, options=None, timecode=""
):
    """A recording of numbered frames at ``times`` (seconds), the last one of `last_seconds`, if given.

    sound: (S,) float at 48 kHz, from ``sound_start`` on; codecs: of frame and sound;
    timecode: of the first frame, in a track of its own (.mov).
    """
    import av

    codecs = codecs or CODECS.get(path.suffix[1:], ("libx264", "aac"))
    options = OPTIONS.get(codecs[0], {}) | (options or {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codecs[0], rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if timecode:
            stream.metadata["timecode"] = timecode
        # Old codecs know no time base but the frame rate.
        ticks = TICKS if codecs[0] in ("libx264", "libvpx") and path.suffix != ".h264" else fps
        stream.codec_context.time_base = stream.time_base = Fraction(1, ticks)
        track = None if sound is None else container.add_stream(codecs[1], rate=RATE, layout="mono")
        packets = _images(stream, times, ticks, last_seconds)
        packets += [] if track is None else _sounds(track, sound, sound_start)
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base) if p.dts is not None else 0.0):
            container.mux(packet)
    return path


def _images(stream, times, ticks, last_seconds):
    import av

    packets = []
    for number, time in enumerate(times):
        frame = av.VideoFrame.from_ndarray(image(number), format="rgb24")
        frame.pts, frame.time_base = round(time * ticks), Fraction(1, ticks)
        packets += stream.encode(frame)
    packets += stream.encode()
    if last_seconds:
        last = max(packets, key=lambda packet: packet.pts)
        last.duration = round(last_seconds / last.time_base)
    return packets


def _sounds(track, sound, start, size=960):
    import av

    packets = []
    for position in range(0, len(sound), size):
        piece = (np.clip(sound[None, position : position + size], -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), position + round(start * RATE)
        packets += track.encode(frame)
    return packets + track.encode()


def tone(seconds):
    """(S,) float32."""
    return (0.2 * np.sin(np.arange(round(seconds * RATE)) * 0.05)).astype(np.float32)


def clicks(seconds):
    """(S,) float32: in the k-th second a tone of 200 + 50 k Hz, so that the pitch tells the second."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 50 * np.floor(times)) * times)).astype(np.float32)


def second_of(wave, rate=16_000):
    """Which second of `clicks` a wave (S,) comes from."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return round((np.argmax(spectrum) * rate / len(wave) - 200) / 50)


def read(path, **part):
    """(numbers, times) of the frames that are read."""
    from vsr.media.reader import read_frames

    chunks = list(read_frames(path, **part))
    return [number_of(frame) for frames, _ in chunks for frame in frames], np.concatenate([t for _, t in chunks])
