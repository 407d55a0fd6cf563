"""MP4 files whose edit list shows parts of their content, as phones and LosslessCut trim: ISO 14496-12, 8.6.6."""

import struct

import numpy as np

from tests.conftest import write_video

FRAMES = 60
CONTAINERS = {b"moov", b"trak", b"mdia"}


def numbered(count=FRAMES, size=64):
    """Frames (count, size, size, 3) whose brightness is 4 times their number."""
    return np.broadcast_to((4 * np.arange(count, dtype=np.uint8))[:, None, None, None], (count, size, size, 3))


def numbers(path):
    """The numbers of the frames that a player shows."""
    import av

    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="gray").mean()) / 4) for frame in container.decode(video=0)]


def write_trimmed(path, spans, gop=250, bframes=3, flags=""):
    """A video of 60 numbered frames that shows only the ``spans`` (first, stop) of them."""
    options = {"g": str(gop), "bf": str(bframes), "x264-params": f"keyint={gop}:scenecut=0:{flags}", "qp": "10"}
    write_video(path, numbered(), options=options)
    whole = path.read_bytes()
    delay = _media_time(whole)
    path.write_bytes(with_edits(whole, [(first, stop, delay) for first, stop in spans]))
    return path


def _media_time(mp4):
    """Time of the first frame in the media: later than 0 if frames are decoded in another order."""
    position = mp4.index(b"elst") + 4
    return struct.unpack(">i", mp4[position + 12 : position + 16])[0]


def with_edits(mp4, spans):
    """The file with another edit list; spans (first, stop, delay) in frames at 25 a second, and ticks."""
    movie, media = (struct.unpack(">I", mp4[mp4.index(name) + 16 :][:4])[0] for name in (b"mvhd", b"mdhd"))
    entries = b"".join(
        struct.pack(">IiI", (stop - first) * movie // 25, first * media // 25 + delay, 1 << 16)
        for first, stop, delay in spans
    )
    table = _box(b"elst", struct.pack(">II", 0, len(spans)) + entries)
    moov = mp4.index(b"moov") - 4
    assert moov > mp4.index(b"mdat"), "places in the file would move"
    size = struct.unpack(">I", mp4[moov : moov + 4])[0]
    return mp4[:moov] + _replaced(mp4[moov : moov + size], _box(b"edts", table)) + mp4[moov + size :]


def _replaced(box, edits):
    """A box in which every track has ``edits``."""
    name, content, position = box[4:8], b"", 8
    if name == b"edts":
        return edits
    if name not in CONTAINERS:
        return box
    while position < len(box):
        size = struct.unpack(">I", box[position : position + 4])[0]
        content += _replaced(box[position : position + size], edits)
        position += size
    return _box(name, content)


def _box(name, content):
    return struct.pack(">I", len(content) + 8) + name + content
