"""What the page shows, as HTML: colours, escapes, limits and refusals."""

import dataclasses
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lip2speech.web import render
from lip2speech.web.jobs import Face, Job, Limits
from lip2speech.web.page_jobs import confidence_class, shift_earlier
from vsr.core.errors import VsrError
from vsr.face.skipped import Skipped
from vsr.output.subtitles import to_vtt
from vsr.output.transcript import Segment, TimedWord, TrackReport, Transcript

VOID = {"img", "source", "track", "i"}


def job_of(*texts, name="clip.mp4", early=0.0, voiced=True):
    """A finished job; each text is one face's words, with confidences rising from 0.1."""
    faces = []
    for number, text in enumerate(texts):
        words = tuple(TimedWord(word, k + 0.5, k + 1.0, min(1.0, 0.1 + 0.4 * k)) for k, word in enumerate(text.split()))
        segment = Segment(0.0, 9.0, number, 0.5, words, ())
        faces.append(Face(Transcript(name, 25.0, 9.0, "m", (segment,)), "data:image/webp;base64,AA==", voiced))
    return Job(Path("jobs/token"), Path("jobs/token/source") / name, faces=faces, lead=early, stage="done")


class Balanced(HTMLParser):
    """Checks that tags are closed; collects attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in VOID or self.open.pop() == tag


def parsed(text):
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def everything(job, number=0):
    panels = (render.watch, render.voiced, render.faces, render.words, render.files)
    return "".join(panel(job, number) for panel in panels)


def test_words_show_their_confidence_as_colour_number_and_mark():
    words = re.findall(r"<button.*?</button>", render.words(job_of("bin blue now"), 0))
    assert [re.search(r"--p: (\d+)", word).group(1) for word in words] == ["10", "50", "90"]
    assert ["unsure" in word for word in words] == [True, True, False]
    assert [re.search(r"<small>(\d+)", word).group(1) for word in words] == ["10", "50", "90"]
    assert 'aria-label="now, 2.50 s, confidence 90' in words[2]
    assert "No words were read" in render.words(job_of(""), 0)


def test_warnings_of_a_transcript_are_on_the_page():
    for text in ("bin blue", ""):
        job = job_of(text)
        tracks = (TrackReport(0, 0.0, 3.0, 1.0, 0.1, ("few frames",)),)
        poor = replace(job.faces[0].transcript, tracks=tracks, skipped=(Skipped(0, 1.0, 2.0, "covered"),))
        job.faces[0] = replace(job.faces[0], transcript=poor)
        page = render.words(job, 0)
        assert "The mouth is covered: 1.00 to 2.00 s" in page and "fewer than 11 times a second" in page
        assert parsed(page).tags.count("p") == (5 if text else 3)


def test_subtitles_and_words_are_on_the_clock_of_the_copy():
    job = job_of("bin blue", early=0.4)
    assert re.findall(r'data-start="([\d.]+)" data-end="([\d.]+)"', render.words(job, 0)) == [
        ("0.100", "0.600"), ("1.100", "1.600"),
    ]  # fmt: skip
    subtitles = to_vtt(shift_earlier(job.faces[0].transcript, job.lead), confidence_class)
    assert "00:00:00.100 --> 00:00:01.600\n<c.sure0>bin</c> <00:00:01.100><c.sure2>blue</c>" in subtitles


def test_faces_are_offered_only_if_there_is_a_choice():
    assert render.faces(job_of("bin"), 0) == ""
    offered = render.faces(job_of("bin", "blue"), 1)
    assert re.findall(r'data-face="(\d)" aria-pressed="(\w+)"', offered) == [("0", "false"), ("1", "true")]
    job = job_of("bin", "blue")
    assert 'download="clip.face2.srt"' in render.files(job, 1) and 'href="results/token/1.srt"' in render.files(job, 1)
    assert 'download="clip.srt"' in render.files(job_of("bin"), 0)


def test_voice_is_offered_once_it_is_there():
    waiting = job_of("bin", voiced=False)
    assert "<video" not in render.voiced(waiting, 0) and "mp4" not in render.files(waiting, 0)
    assert 'src="results/token/0.mp4"' in render.voiced(job_of("bin"), 0)
    assert 'download="clip.voiced.mp4"' in render.files(job_of("bin"), 0)


def test_voice_is_marked_as_synthetic_with_what_shaped_it():
    job = job_of("bin")
    job.faces[0] = dataclasses.replace(job.faces[0], note="Shaped by <lips>.")
    assert "Synthetic voice. Shaped by &lt;lips&gt;." in render.voiced(job, 0)
    assert "Synthetic" not in render.watch(job, 0)


def test_text_is_escaped():
    nasty = "<img/src=x onerror=alert(1)>\"'&"
    job = job_of(nasty, nasty, name=f"{nasty[:8]}.mp4")
    page = parsed(everything(job))
    assert page.tags.count("img") == 2  # the two portraits
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "<img/src=x" not in render.problem("unreadable", nasty) and "&lt;img" in render.problem("x", nasty)


def test_progress_shows_queue_and_steps():
    job = job_of("bin")
    job.stage = "waiting"
    assert "2 clips are before yours" in render.progress(job, 2)
    assert "1 clip is before yours" in render.progress(job, 1)
    job.stage, job.share = "reading", 0.5
    page = render.progress(job, 0)
    assert re.findall(r'<li class="(\w+)"', page) == ["past", "now", "next"]
    assert page.count("aria-current") == 1 and 'value="0.50"' in page and 'role="status"' in page
    for stage in ("waiting", "loading", "faces", "reading", "voice", "done"):
        job.stage = stage
        parsed(render.progress(job, 0))


def test_problem_is_one_line_announced_with_advice():
    page = render.problem("no_face", "clip.mp4: no face found for 12 frames")
    assert 'role="alert"' in page and "clip.mp4: no face found for 12 frames" in page
    assert "towards the camera" in page
    assert parsed(page).tags == ["div", "p", "p"]


def test_welcome_has_the_limits_and_those_of_the_shipped_model():
    limits = Limits(max_mb=7, max_seconds=12, keep_minutes=3)
    assert all(part in render.welcome(limits, True) for part in ("7 MB", "12 s", "3 minutes", "does not read free"))
    assert "free speech" not in render.welcome(limits, False)
    parsed(render.welcome(limits, True) + render.empty() + render.inspection(0, "token"))
    assert 'sandbox="allow-scripts"' in render.inspection(0, "token")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_mb": 0}, {"max_seconds": -1.0}, {"max_seconds": float("inf")}, {"queue": -1}, {"keep_minutes": 0.0},
        {"keep_minutes": float("nan")},
    ],
)  # fmt: skip
def test_limits_must_be_positive(wrong):
    with pytest.raises(VsrError, match="--" + next(iter(wrong)).replace("_", "-")):
        Limits(**wrong)


def test_style_and_script_use_no_network():
    static = Path(render.__file__).parent / "static"
    for name in ("style.css", "page.js"):
        assert not re.search(r"https?://|@import|url\(|fetch\(", (static / name).read_text("utf-8")), name
