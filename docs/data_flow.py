"""Draw the picture of the data flow, once for light pages and once for dark ones: `python docs/data_flow.py`."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 960, 392
BOX_WIDTH, BOX_HEIGHT, GAP, LEFT = 160, 76, 30, 20  # pixels
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"

# (title, what it is, where it is made); one list a row
SEEN = (
    ("video file", "any rate, any codec", ""),
    ("frames", "(T, H, W, 3) at 25/s", "vsr/media/reader.py"),
    ("faces", "tracked, each one person", "vsr/face/detector.py"),
    ("mouth crop", "(T, 96, 96) gray", "vsr/face/mouth_crop.py"),
    ("states", "(T, D)", "vsr/models/"),
)
READ = (
    ("text, subtitles", "txt srt vtt ass json tsv", "vsr/output/subtitles.py"),
    ("words", "with times, confidence", "vsr/decoding/align.py"),
    ("joint search", "CTC and attention", "vsr/decoding/joint_beam.py"),
    ("CTC, decoder", "log-probabilities", "vsr/models/decoder.py"),
)
SPOKEN = (
    ("voice", "wav, or in the video", "vsr/media/audio.py"),
    ("wave", "(640 T), 16 kHz", "lip2speech/vocoders/"),
    ("flow", "mel (4 T, 80), units (2 T)", "lip2speech/models/"),
    ("content", "coarse mel, units", "lip2speech/models/"),
)


@dataclass(frozen=True)
class Theme:
    """Colours of one of the two pictures: of text, of what stands back, and of the rows' boxes."""

    name: str
    ink: str
    pale: str
    seen: str
    read: str
    spoken: str


LIGHT = Theme("light", "#1f2328", "#59636e", "#eef1f4", "#ddf4e4", "#e3ecfd")
DARK = Theme("dark", "#e6edf3", "#9da7b1", "#262c34", "#12361f", "#182f54")


def draw(theme: Theme) -> str:
    """The picture as SVG."""
    right = LEFT + 4 * (BOX_WIDTH + GAP)
    down = right + BOX_WIDTH / 2
    parts = [
        _label("seen once", LEFT, 22, theme),
        *_row(SEEN, LEFT, 34, theme.seen, theme),
        *_arrows(4, LEFT + BOX_WIDTH, 34, 1, theme),
        _label("vsr: read", LEFT, 150, theme),
        *_row(READ, LEFT, 162, theme.read, theme),
        *_arrows(3, LEFT + BOX_WIDTH, 162, -1, theme),
        _label("lip2speech: voiced", LEFT, 278, theme),
        *_row(SPOKEN, LEFT, 290, theme.spoken, theme),
        *_arrows(3, LEFT + BOX_WIDTH, 290, -1, theme),
        *(_elbow(down, 34 + BOX_HEIGHT, right - GAP, top + BOX_HEIGHT / 2, theme) for top in (162, 290)),
    ]
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}'"
        f" role='img' {FONT}>\n<title>From a video to its text and its voice</title>\n{body}\n</svg>\n"
    )


def _row(boxes, left: float, top: float, fill: str, theme: Theme):
    for index, (title, shape, made_in) in enumerate(boxes):
        x = left + index * (BOX_WIDTH + GAP)
        yield f"<rect x='{x}' y='{top}' width='{BOX_WIDTH}' height='{BOX_HEIGHT}' rx='8' fill='{fill}'/>"
        middle = x + BOX_WIDTH / 2
        yield _text(title, middle, top + 26, 15, theme.ink, "600")
        yield _text(shape, middle, top + 46, 12, theme.ink, "400")
        yield _text(made_in, middle, top + 64, 11, theme.pale, "400")


def _text(text: str, x: float, y: float, size: int, colour: str, weight: str, anchor: str = "middle") -> str:
    return (
        f"<text x='{x:g}' y='{y:g}' font-size='{size}' font-weight='{weight}' fill='{colour}'"
        f" text-anchor='{anchor}'>{escape(text)}</text>"
    )


def _label(text: str, x: float, y: float, theme: Theme) -> str:
    return _text(text, x, y, 12, theme.pale, "600", "start")


def _arrows(count: int, left: float, top: float, direction: int, theme: Theme):
    """Arrows in the gaps of a row; direction 1 points right, -1 left."""
    y = top + BOX_HEIGHT / 2
    for index in range(count):
        near, far = left + index * (BOX_WIDTH + GAP) + 5, left + index * (BOX_WIDTH + GAP) + GAP - 5
        start, end = (near, far) if direction > 0 else (far, near)
        yield _arrow(f"M{start} {y:g}H{end}", end, y, direction, theme)


def _elbow(x: float, top: float, end: float, y: float, theme: Theme) -> str:
    """From the states down and to the left, into the last box of a row."""
    return _arrow(f"M{x:g} {top + 5:g}V{y:g}H{end + 5:g}", end + 5, y, -1, theme)


def _arrow(path: str, x: float, y: float, direction: int, theme: Theme) -> str:
    head = f"M{x - 6 * direction:g} {y - 4:g}L{x:g} {y:g}L{x - 6 * direction:g} {y + 4:g}"
    return f"<path d='{path}{head}' fill='none' stroke='{theme.pale}' stroke-width='1.5'/>"


def main() -> None:
    """Write both pictures."""
    IMAGES.mkdir(exist_ok=True)
    for theme in (LIGHT, DARK):
        (IMAGES / f"data-flow-{theme.name}.svg").write_text(draw(theme), encoding="utf-8")


if __name__ == "__main__":
    main()
