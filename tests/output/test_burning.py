"""Burned-in captions: where and when words are shown, what stays unchanged, and refusals."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import write_video
from tests.footage import read, write_recording
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave
from vsr.media.reader import frames_from, original_frames, read_frames
from vsr.output.burning import burn, draw_cues
from vsr.output.cues import Cue, cues
from vsr.output.transcript import Segment, TimedWord, Transcript

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"


def transcript(words, **settings):
    segment = Segment(words[0].start, words[-1].end, 0, 0.9, tuple(words), (), **settings)
    return Transcript("clip.mp4", 25.0, 4.0, "m", (segment,))


def frames_of(path):
    chunks = list(read_frames(path))
    return np.concatenate([frames for frames, _ in chunks]), np.concatenate([times for _, times in chunks])


@pytest.fixture
def grey(tmp_path):
    return write_video(tmp_path / "grey.mp4", np.full((75, 120, 160, 3), 90, np.uint8))


def test_words_are_at_the_bottom_while_they_are_said(grey, tmp_path):
    captions = transcript([TimedWord("bin", 1.0, 1.4, 0.9), TimedWord("blue", 1.4, 2.0, 0.9)])
    burn(grey, captions, tmp_path / "out.mp4")
    frames, times = frames_of(tmp_path / "out.mp4")
    assert len(frames) == 75 and frames.shape[1:3] == (120, 160)
    bright = (frames > 200).any(-1)
    (cue,) = cues(captions)
    for bright_pixels, time in zip(bright, times, strict=True):
        assert bright_pixels.any() == (cue.start <= time < cue.end), time
    assert not bright[:, :80].any() and bright[30, 80:].sum() > 5
    middle = np.flatnonzero(bright[30].any(0))
    assert abs((middle[0] + middle[-1]) / 2 - 80) < 6


@pytest.mark.parametrize("fps, frames", [(60, 60), (24, 24), (4, 24)])
def test_frame_rate_and_size_are_those_of_the_film(fps, frames, tmp_path):
    """A film of few frames gets more, so that captions come and go on time."""
    film = write_video(tmp_path / "film.mp4", np.full((fps, 64, 1500, 3), 90, np.uint8), fps=fps)
    captions = transcript([TimedWord("bin", 0.3, 0.6, 0.9)])
    burn(film, captions, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [(frame.time, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    times, images = zip(*shown, strict=True)
    assert len(times) == frames and images[0].shape == (64, 1500)
    (cue,) = cues(captions)
    assert [(image > 200).any() for image in images] == [cue.start <= time < cue.end for time in np.round(times, 3)]
    assert np.diff(times).max() < 0.06


def test_unsure_words_are_marked_as_in_subtitles():
    words = [TimedWord("bin", 0.0, 1.0, 0.1)]
    image = np.zeros((120, 160, 3), np.uint8)
    plain, marked = (draw_cues(image, [Cue(0, 1, 0, (word,))]) for word in (words[0], TimedWord("[...]", 0, 1, 0.1)))
    assert not np.array_equal(plain, marked) and draw_cues(image, []) is image


@pytest.mark.parametrize("text", ["w" * 42, "喉が渇いた", "çok teşekkürler", "wide " * 8])
def test_any_line_fits(text):
    image = np.zeros((180, 320, 3), np.uint8)
    drawn = draw_cues(image, [Cue(0, 1, 0, (TimedWord(text, 0, 1, 0.9),))])
    columns = np.flatnonzero(drawn.any((0, 2)))
    assert len(columns) and columns[0] > 0 and columns[-1] < 319 and drawn[-1].max() == 0


def test_sound_is_unchanged(tmp_path):
    burn(CLIP, transcript([TimedWord("bin", 1.0, 1.4, 0.9)]), tmp_path / "out.mkv")
    with av.open(str(CLIP)) as before, av.open(str(tmp_path / "out.mkv")) as after:
        assert [stream.type for stream in after.streams] == [stream.type for stream in before.streams]
        sounds = [
            [bytes(packet) for packet in container.demux(audio=0) if packet.size] for container in (before, after)
        ]
    assert sounds[0] == sounds[1]
    assert len(read_wave(tmp_path / "out.mkv", 25)) == pytest.approx(len(read_wave(CLIP, 25)), abs=1024)


def noise(seconds):
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * 48_000)).astype(np.float32)


def lag(wave, other):
    """Seconds by which `other` is later than `wave`, both (S,) at 16 kHz, and their likeness at that lag."""
    spectra = [np.fft.rfft(signal, 2 * len(wave)) for signal in (other, wave)]
    likeness = np.fft.irfft(spectra[0] * spectra[1].conj()) / np.linalg.norm(wave) / np.linalg.norm(other)
    best = int(np.argmax(likeness))
    return (best - 2 * len(wave) * (best > len(wave))) / 16_000, likeness[best]


@pytest.mark.parametrize("name, begin, late", [("v.ts", 10, 0), ("v.mpg", 0, 0), ("v.mkv", 3600, 0), ("v.mp4", 0, 1.2)])
def test_sound_is_in_time_wherever_the_clock_begins(name, begin, late, tmp_path):
    """The sound of a transport stream that begins at 10 s was 10 s late; `late`: frames begin after the sound."""
    times = begin + late + np.arange(75) / 25
    video = write_recording(tmp_path / name, times, noise(3 + late), sound_start=begin)
    burn(video, transcript([TimedWord("bin", 1.0, 1.4, 0.9)]), tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4")[0] == pytest.approx(read(video)[0], abs=1)
    apart, likeness = lag(read_wave(video, 75), read_wave(tmp_path / "out.mp4", 75))
    assert abs(apart) < 0.01 and likeness > 0.8


@pytest.mark.parametrize(
    "name, codecs, suffix, kept",
    [
        ("v.avi", ("mpeg4", "pcm_mulaw"), "mp4", "aac"),
        ("v.mkv", ("libx264", "pcm_s24le"), "mp4", "aac"),
        ("v.mov", ("libx264", "pcm_s24le"), "mov", "pcm_s24le"),
        ("v.webm", ("libvpx", "libopus"), "mov", "aac"),
        ("v.webm", ("libvpx", "libopus"), "mp4", "opus"),
    ],
)  # fmt: skip
def test_sound_that_players_do_not_expect_is_encoded_again(name, codecs, suffix, kept, tmp_path):
    video = write_recording(tmp_path / name, np.arange(50) / 25, noise(2), codecs=codecs, options={"b": "1M"})
    burn(video, transcript([TimedWord("bin", 1.0, 1.4, 0.9)]), out := tmp_path / f"out.{suffix}")
    with av.open(str(out)) as container:
        assert [stream.codec.canonical_name for stream in container.streams] == ["h264", kept]
    apart, likeness = lag(read_wave(video, 50), read_wave(out, 50))
    assert abs(apart) < 0.01 and likeness > 0.6  # AAC replaces noise by other noise


ORANGE = (220, 120, 40)


def coloured(path, codec, pixels, tags, size=(64, 48), stored_by=None):
    """A film of one orange, stored as ``tags`` (matrix, primaries, transfer curve), FFmpeg's numbers, say; ``size``:
    (W, H); ``stored_by``: the matrix, where the tags do not say it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"qp": "4"})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), ORANGE, np.uint8), format="rgb24")
            frame.pts = index
            stored_by = stored_by or tags[0]
            matrix = {} if stored_by in (0, 2) else {"dst_colorspace": stored_by}
            container.mux(stream.encode(frame.reformat(format=pixels, **matrix)))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "codec, pixels, tags, said",
    [
        ("libx264", "yuv420p", (1, 1, 1), (1, 1, 1)),
        ("libx264", "yuv420p10le", (9, 9, 16), (9, 9, 16)),
        ("libx264", "yuv420p", (2, 2, 2), (6, 2, 2)),
        ("libx264rgb", "rgb24", (0, 2, 2), (1, 2, 2)),
    ],
    ids=["BT.709", "HDR", "unsaid", "RGB"],
)
def test_colours_are_those_of_the_film(codec, pixels, tags, said, tmp_path):
    film = coloured(tmp_path / "film.mkv", codec, pixels, tags)
    burn(film, transcript([TimedWord("bin", 3.0, 3.4, 0.9)]), tmp_path / "out.mp4")
    before, after = (frames_of(path)[0].astype(int) for path in (film, tmp_path / "out.mp4"))
    assert np.abs(before - after).mean((0, 1, 2)).max() < 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == said


@pytest.mark.parametrize("size, matrix", [((1280, 48), 1), ((64, 592), 1), ((64, 576), 6)])
def test_colours_that_a_film_does_not_say_are_those_of_players(size, matrix, tmp_path):
    film = coloured(tmp_path / "film.mkv", "libx264", "yuv420p", (2, 2, 2), size, matrix)
    burn(film, transcript([TimedWord("bin", 3.0, 3.4, 0.9)]), tmp_path / "out.mp4")
    (after, *_), (before, *_) = frames_of(tmp_path / "out.mp4")[0], [image for image, _ in original_frames(film)]
    assert np.abs(after.mean((0, 1)) - ORANGE).max() < 4 and np.abs(before.mean((0, 1)) - ORANGE).max() < 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == matrix
    (still, _), (read, _) = next(frames_from(film, as_shown=True)), next(frames_from(film))
    assert np.abs(still.mean((0, 1)) - ORANGE).max() < 4
    with av.open(str(film)) as container:  # the gray of a crop is the stored luma, whatever the matrix
        luma = next(container.decode(video=0)).to_ndarray(format="gray").mean()
    assert abs(read.mean((0, 1)) @ (0.299, 0.587, 0.114) - luma) < 3


def test_command_reads_and_burns(tmp_path, capsys):
    out = tmp_path / "captioned.mp4"
    assert main(["transcribe", str(CLIP), "--burn", str(out)]) == 0
    assert "blue" in capsys.readouterr().out
    before, after = frames_of(CLIP)[0], frames_of(out)[0]
    assert after.shape == before.shape
    changed = np.abs(after.astype(int) - before).max(-1) > 120
    half = before.shape[1] // 2
    assert changed[40, half:].sum() > 100 and changed[:, :half].mean() < 1e-3


@pytest.mark.parametrize(
    "arguments, pattern",
    [
        (["x.mp4", "--burn", "x.mp4"], "x.mp4"),
        (["x.mp4", "--burn", "y.txt"], r"\.mp4, \.mkv"),
        (["x.mp4", "z.mp4", "--burn", "y.mp4"], "one video"),
    ],
)
def test_impossible_outputs_are_refused_before_the_work(arguments, pattern, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.mp4").write_bytes(CLIP.read_bytes())
    assert main(["transcribe", *arguments]) == (1 if pattern == "x.mp4" else 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(pattern, line) and {path.name for path in Path().iterdir()} == {"x.mp4"}


def test_unreadable_video_leaves_nothing(tmp_path):
    (tmp_path / "half.mp4").write_bytes(b"no video")
    with pytest.raises(VsrError):
        burn(tmp_path / "half.mp4", transcript([TimedWord("bin", 0, 1, 0.9)]), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
