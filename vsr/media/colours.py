"""How players show the colours of a film that does not say its matrix: BT.709 in high definition, otherwise BT.601.

mpv (libplacebo) begins high definition with 1280 columns or 577 lines, VLC and ffplay (SDL) with 577 lines. FFmpeg's
conversion takes BT.601 for every size; crops are made with it, as their gray is then the luma that is stored.
"""

from __future__ import annotations

BT709, UNSPECIFIED, BT601, BT2020 = 1, 2, 6, 9  # FFmpeg's numbers of matrices and primaries
LIMITED = 1  # FFmpeg's number of the range of films
HD_WIDTH, SD_HEIGHT = 1280, 576  # pixels: the least of high, the greatest of standard definition


def says_matrix(coded) -> bool:
    """Whether a decoded frame, or the codec context of a stream, says its matrix or needs none."""
    return coded.colorspace != UNSPECIFIED or coded.format.is_rgb


def guessed_matrix(width: int, height: int) -> int:
    """The matrix of a film that does not say it, from its size as it is stored, before it is turned or stretched."""
    return BT709 if width >= HD_WIDTH or height > SD_HEIGHT else BT601


def encodable(frame, stream):
    """An RGB frame in the pixel format and the matrix that an output stream says, in the limited range."""
    colours = stream.codec_context.colorspace
    return frame.reformat(format=stream.pix_fmt, dst_colorspace=colours, dst_color_range=LIMITED)
