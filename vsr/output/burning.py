"""Burns captions into a video: the words are drawn on its frames, at its frame rate and size, and its sound is kept.

Shapes: frame (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError, one_line
from vsr.core.files import atomic_write
from vsr.media.colours import BT709, BT2020, LIMITED, encodable, guessed_matrix, says_matrix
from vsr.media.container import open_container, video_clock
from vsr.media.frame_shape import fit_into
from vsr.media.mux.kept_sound import KeptSound
from vsr.media.reader import original_frames
from vsr.media.streams import video_stream
from vsr.media.tags import COMMENT, commented_kind
from vsr.media.timestamps import mean_rate
from vsr.output.cues import Cue, cues
from vsr.output.transcript import Transcript
from vsr.output.unsure_words import readable

SUFFIXES = (".mp4", ".mkv", ".mov")
TICKS = 90_000  # per second
FONT = "DejaVuSans.ttf"  # covers most alphabets; the fallback, Pillow's default font, has Latin letters
LETTER, MARGIN, OUTLINE = 1 / 16, 1 / 25, 1 / 12  # relative to the height of the frame; the outline to the letters'
QUALITY = {"preset": "veryfast", "crf": "20"}
MARK = "captions read from the lips by vsr"  # a comment in the metadata
CAPTIONED = commented_kind("a video with captions by vsr transcribe --burn", MARK)


def check_burn(out: str | Path) -> None:
    """Refuse a name whose suffix is no supported container. Raises VsrError bad_options."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise VsrError("bad_options", f"{out}: captions are burned into {', '.join(SUFFIXES)}")


def burn(video: str | Path, transcript: Transcript, out: str | Path, unsure: str | None = None) -> None:
    """Write ``video`` with the captions of its transcript on the frames, completely or not at all.

    Args:
        unsure: mode of `vsr.output.unsure_words.readable` for subtitles.

    Raises:
        VsrError: unreadable, no_video, bad_options, not_writable, no_space.
    """
    import av

    check_burn(out)
    captions = cues(readable(transcript, "srt", unsure))
    with atomic_write(out) as temporary, open_container(video) as source:
        try:
            with av.open(str(temporary), "w", format=_format_of(out)) as target:
                target.metadata[COMMENT] = MARK
                _write(video, captions, source, target)
        except (av.FFmpegError, ValueError) as error:
            raise VsrError("unreadable", f"{video}: cannot be written as {out}: {one_line(error)}") from error


def _format_of(out: str | Path) -> str:
    return "matroska" if Path(out).suffix.lower() == ".mkv" else Path(out).suffix[1:].lower()


def _write(video: str | Path, captions: list[Cue], source, target) -> None:
    """Write all frames, interleaved with the packets of sound before each of them."""
    frames = original_frames(video)
    first_image, first = next(frames)
    height, width = first_image.shape[:2]
    size = width // 2 * 2, height // 2 * 2  # chroma is halved
    rate = Fraction(mean_rate(video_stream(source))).limit_denominator(1001)
    stream = target.add_stream("libx264", rate=rate, options=QUALITY)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS)
    _tag_colours(stream.codec_context, video_stream(source).codec_context)
    sound = KeptSound(video, source, target, video_clock(video)[0] + first)
    for image, time in chain([(first_image, first)], frames):
        sound.write_until(time - first)
        frame = _frame(fit_into(image, size), captions, time, time - first)
        target.mux(stream.encode(encodable(frame, stream)))
    target.mux(stream.encode())
    sound.write_until(float("inf"))


def _tag_colours(context, source) -> None:
    """Say in the stream how its colours are shown, with the primaries and the transfer curve that make a film HDR. Of a
    source that does not say it, players guess it from the size, which may be another once the film is turned."""
    said = BT2020 if source.color_primaries == BT2020 else BT709
    context.colorspace = said if says_matrix(source) else guessed_matrix(source.width, source.height)
    context.color_range, context.color_primaries, context.color_trc = LIMITED, source.color_primaries, source.color_trc


def _frame(image: np.ndarray, captions: list[Cue], time: float, offset: float):
    """The encoder's frame with captions, ``offset`` seconds after the first."""
    import av

    captioned = draw_cues(image, [cue for cue in captions if cue.start <= time < cue.end])
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(captioned), format="rgb24")
    frame.pts, frame.time_base = round(offset * TICKS), Fraction(1, TICKS)
    return frame


def draw_cues(image: np.ndarray, cues: list[Cue]) -> np.ndarray:
    """Draw the lines of some cues at the bottom of a frame, the first cue lowest; without cues, return the frame."""
    if not cues:
        return image
    from PIL import Image, ImageDraw

    image = Image.fromarray(image)
    draw, (width, height) = ImageDraw.Draw(image), image.size
    lines = "\n".join("\n".join(cue.named_lines) for cue in reversed(cues))
    font, outline = _font(lines, width, height)
    draw.multiline_text(
        (width / 2, height * (1 - MARGIN)), lines, "white", font, anchor="md", align="center", stroke_width=outline,
        stroke_fill="black",
    )  # fmt: skip
    return np.asarray(image)


def _font(lines: str, width: int, height: int):
    """The font, reduced until all lines fit the width, and the width of its outline."""
    size = max(8, round(height * LETTER))
    while size > 8 and max(_letters(size).getlength(line) for line in lines.splitlines()) > 0.95 * width:
        size -= 1
    return _letters(size), max(1, round(size * OUTLINE))


@lru_cache(maxsize=64)
def _letters(size: int):
    from PIL import ImageFont

    try:
        return ImageFont.truetype(FONT, size)
    except OSError:
        return ImageFont.load_default(size)
