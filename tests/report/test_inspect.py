"""The page of a reading: its arrays are those of the reading; it holds them safely, in one file."""

import base64
import dataclasses
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.tokens import BLANK, UNK
from vsr.core.windows import window_spans
from vsr.decoding.options import DecodeOptions
from vsr.inference.reader import load_model
from vsr.output.transcript import TimedWord
from vsr.report.collect import inspect_video, inspect_window, lip_opening, token_labels
from vsr.report.images import sprite
from vsr.report.lanes import shown_tokens
from vsr.report.page import render_page
from vsr.text.tokenizer import CharTokenizer

VOID = {"meta", "input", "img", "br"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def inspection(loaded, face_clip):
    return inspect_video(loaded, face_clip, DecodeOptions(beam=3, nbest=3))


@pytest.fixture(scope="module")
def page(inspection):
    return render_page(inspection)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))


def cells(entry, frames):
    """The values of a map as read by the script."""
    raw = np.frombuffer(base64.b64decode(entry["data"]), np.uint8)
    return raw.reshape(len(entry["labels"]), frames) / 255 * entry["peak"]


class Structure(HTMLParser):
    """Collects tags and addresses; requires that open tags are closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def structure(page):
    parser = Structure()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_arrays_are_those_of_the_transcript(loaded, inspection, face_clip):
    transcript = loaded.transcribe(face_clip, DecodeOptions(beam=3, nbest=3))
    assert inspection.words == transcript.segments[0].words
    frames = len(inspection.crop)
    assert inspection.posteriors.shape == (frames, loaded.tokenizer.vocab_size)
    np.testing.assert_allclose(inspection.posteriors.sum(1), 1, rtol=1e-4)
    assert inspection.edges.shape == (frames + 1,) and inspection.opening.shape == (frames,)
    for weights in inspection.attention.values():
        assert weights.shape == (len(inspection.tokens), frames)
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-4)


def test_cross_attention_is_the_weighting_of_values(loaded):
    """Weights applied to the values by hand give the output of the fused kernel; no hook is left behind."""
    decoder = loaded.model.decoder.eval()
    torch.manual_seed(0)
    states, lengths = torch.randn(2, 9, decoder.dim), torch.tensor([9, 6])
    tokens = torch.tensor([[40, 3, 5], [40, 7, 2]])
    before = decoder(tokens, states, lengths)
    weights = decoder.cross_attention(tokens, states, lengths)
    assert torch.equal(before, decoder(tokens, states, lengths))
    assert not any(layer.cross_attention._forward_pre_hooks for layer in decoder.layers)
    assert weights[1, ..., 6:].abs().max() == 0
    attention = decoder.layers[0].cross_attention
    x, mask = torch.randn(2, 3, decoder.dim), torch.arange(9)[None, None, None] < lengths[:, None, None, None]
    _, value = attention.keys_values(states)
    by_hand = attention.out((attention.weights(x, states, mask) @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(by_hand, attention(x, states, mask))


def test_mouth_opens_where_the_clip_opens_it():
    closed = np.zeros((1, 37, 2))
    closed[0, 29:37] = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (3, 0), (2, 0), (1, 0)]
    opened = closed.copy()
    opened[0, 30:33, 1] -= 1
    opened[0, 34:37, 1] += 1
    assert lip_opening(np.concatenate([closed, opened])).tolist() == [0.0, 0.5]


def test_special_tokens_have_readable_names():
    tokenizer = CharTokenizer()
    ids = [BLANK, UNK, *tokenizer.encode("a b"), tokenizer.eos_id]
    assert token_labels(tokenizer, ids) == ["blank", "?", "a", "␣", "b", "end"]


def test_page_needs_no_other_file(page):
    elements = structure(page)
    assert elements.addresses and all(address.startswith("data:image/") for address in elements.addresses)
    assert not re.search(r"https?://|@import|url\((?!data:)", page)
    assert {"canvas", "svg", "table", "input"} <= set(elements.tags)


def test_page_holds_the_numbers(page, inspection):
    data, frames = data_of(page), len(inspection.crop)
    shown = shown_tokens(inspection.posteriors)
    np.testing.assert_allclose(cells(data["maps"]["ctc"], frames), inspection.posteriors[:, shown].T, atol=1 / 255)
    for k, values in enumerate(inspection.attention.values()):
        np.testing.assert_allclose(cells(data["maps"][f"look{k}"], frames), values, atol=1 / 255)
    for values, listed in zip(inspection.posteriors, data["top"], strict=True):
        assert [p for _, p in listed] == pytest.approx(np.sort(values)[::-1][:5], abs=1e-4)
    page_text = " ".join(re.sub("<[^>]*>", " ", page).split())
    for number, reading in enumerate(inspection.nbest, 1):
        assert f"{number} {html.escape(reading.text)} {reading.score:.2f}" in page_text


def test_words_are_on_the_axis_of_the_frames(inspection):
    edges = inspection.edges
    word = TimedWord("bin", float(edges[5]), float(edges[10]), 0.75)
    page = render_page(dataclasses.replace(inspection, words=(word,)))
    width = len(inspection.crop)
    position = f"left: {100 * 5 / width:.3f}%; width: {100 * 5 / width:.3f}%; --p: 75"
    assert position in page
    (entry,) = data_of(page)["words"]
    assert (entry["from"], entry["to"]) == pytest.approx((5, 10))


def test_any_text_stays_text(inspection):
    nasty = "</script><img src=x onerror=alert(1)>$title&"
    word = TimedWord(nasty, 0.0, 0.5, 0.5)
    changed = dataclasses.replace(inspection, words=(word,), tokens=[nasty, *inspection.tokens[1:]])
    page = render_page(changed)
    assert "<img src=x" not in page and page.count("</script>") == 2
    assert data_of(page)["words"][0]["word"] == nasty
    structure(page)


def test_reading_without_words_has_a_page(inspection):
    page = render_page(dataclasses.replace(inspection, words=()))
    assert "No words were read." in page
    structure(page)


def test_plugins_add_lanes_and_sections(inspection):
    mel = ("Mel", '<img alt="mel" src="data:image/png;base64,AA==">')
    page = render_page(inspection, [mel], [("A & B", "<p>x</p>")])
    assert page.index("Where the decoder looks") < page.index('alt="mel"') < page.index("The face")
    assert "<h2>A &amp; B</h2><p>x</p>" in page
    structure(page)


def test_sprite_holds_every_crop():
    import cv2

    crops = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[:, None, None], 96, 1).repeat(96, 2)
    url, columns, rows = sprite(crops)
    sheet = cv2.imdecode(np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert sheet.shape == (rows * 96, columns * 96)
    for k, crop in enumerate(crops):
        row, column = divmod(k, columns)
        assert abs(int(sheet[row * 96 + 48, column * 96 + 48]) - int(crop[0, 0])) <= 2


def test_long_clip_is_shown_by_window(loaded, inspection, monkeypatch):
    monkeypatch.setattr("vsr.report.collect.stills", lambda clip, start, stop: [])  # the file has only a second
    clip = inspection.clip
    crop, points = np.resize(clip.crop, (700, 96, 96)), np.resize(clip.points, (700, 37, 2))
    long = dataclasses.replace(clip, crop=crop, points=points, times=np.arange(700) / 25)
    window = inspect_window(loaded, long, DecodeOptions("ctc_greedy"), window_spans(700), 2)
    assert window.span == (400, 700) and (window.edges[0], window.edges[-1]) == pytest.approx((16.0, 28.0))
    assert np.array_equal(window.crop, crop[400:])
    assert all(16 <= word.start <= word.end <= 28 for word in window.words)
    page = render_page(window)
    assert "window 3 of 3" in page and data_of(page)["first"] == 400


def test_command_writes_the_page_or_nothing(tiny_model, face_clip, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["inspect", str(face_clip), "-o", str(out), "--model", str(tiny_model), "--beam", "5"]) == 0
    structure(out.read_text("utf-8"))
    assert main(["inspect", str(tmp_path / "no.mp4"), "-o", str(tmp_path / "no.html"), "--model", str(tiny_model)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    video = Path(shutil.copy(face_clip, tmp_path / "talk.mp4"))
    assert main(["inspect", str(video), "-o", str(video), "--model", str(tiny_model)]) == 1
    assert "is what is read" in capsys.readouterr().err
    assert video.read_bytes() == face_clip.read_bytes()


def test_narrow_beam_lists_its_hypotheses(tiny_model, face_clip, tmp_path):
    """Such a beam was refused: it has fewer than five hypotheses, the default number."""
    command = ["inspect", str(face_clip), "-o", str(tmp_path / "page.html"), "--model", str(tiny_model), "--beam", "2"]
    assert main(command) == 0
    assert main([*command, "--nbest", "3"]) == 2


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to run the page's script")
def test_script_runs_and_hovering_shows_numbers(page, inspection, tmp_path):
    hover = """<script>
      const map = document.querySelector("canvas[data-map=ctc]"), box = map.getBoundingClientRect();
      map.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: box.left + 1, clientY: box.top + 1}));
    </script></body>"""
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", hover), encoding="utf-8")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    result = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=60)
    tip = re.search(r'<div id="tip"[^>]*>([^<]*)</div>', result.stdout).group(1)
    first = shown_tokens(inspection.posteriors)[0]
    assert tip.startswith(inspection.labels[first]) and tip.endswith("at 0.00 s")
    probability = float(re.search(r"([\d.]+) %", tip).group(1)) / 100
    assert probability == pytest.approx(inspection.posteriors[0, first], abs=0.006)
