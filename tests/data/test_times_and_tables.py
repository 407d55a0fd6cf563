"""Impossible word times, Kaldi's tables as people write them, and round trips of manifests and journals."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.exchange.convert import Settings, convert
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.validation import validate
from vsr.face.identity import Person
from vsr.face.likeness import measure
from vsr.face.skipped import Skipped
from vsr.inference.journal import Journal
from vsr.inference.records import BlockRecord, ScoredWords, WindowRecord
from vsr.media.resample import Position
from vsr.output.transcript import TimedWord, TrackReport


@pytest.mark.parametrize("times", ["NaN, 1", "0, NaN", "2, 1", "-1, 1", "0, Infinity", "0, 1e400", "-Infinity, 0"])
def test_impossible_word_times_are_reported_with_their_line(times, tmp_path, capsys):
    row = '"video": "a.mp4", "text": "x"'
    lines = f'{{"id": "a", {row}}}\n{{"id": "b", {row}, "words": [["x", {times}]]}}'
    (tmp_path / "m.jsonl").write_text(lines, encoding="utf-8")
    assert main(["validate", "--manifest", str(tmp_path / "m.jsonl")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "line 2: b: the word 'x' lasts from" in line


def test_word_times_out_of_order_or_range_are_refused(make_video, make_face, tmp_path):
    video = str(make_video(tmp_path / "v.mp4", make_face(50)))
    words = {
        "right": (("a", 0.0, 0.5), ("b", 0.5, 1.0)), "back": (("a", 1.0, 1.2), ("b", 0.2, 0.4)),
        "out": (("a", 0.0, 9.0), ("b", 0.5, 1.0)),
    }  # fmt: skip
    write_manifest(
        tmp_path / "m.jsonl", [Clip(name, video, "a b", words=word_times) for name, word_times in words.items()]
    )
    (report,) = validate([tmp_path / "m.jsonl"]).values()
    reasons = {name: reason for name, (reason, _) in report.refused.items()}
    assert reasons == {"back": "words_backward", "out": "words_outside"}


def kaldi(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_scp", ".scp")).write_text(text, encoding="utf-8")
    return folder


def test_kaldi_paths_keep_their_spaces(tmp_path):
    table = "u1  /a/two  spaces/x.mp4\r\nu2 /a/b c.mp4  \n"
    source = kaldi(tmp_path / "in", text="u1  HELLO   YOU\r\nu2\tOH\n", wav_scp=table)
    clips = convert("kaldi", "manifest", source, tmp_path / "out", Settings())
    assert [(clip.video, clip.text) for clip in clips] == [("/a/two  spaces/x.mp4", "HELLO YOU"), ("/a/b c.mp4", "OH")]
    convert("manifest", "kaldi", tmp_path / "out" / "manifest.jsonl", tmp_path / "again", Settings())
    assert [clip.video for clip in convert("kaldi", "manifest", tmp_path / "again", tmp_path / "o2", Settings())] == [
        "/a/two  spaces/x.mp4", "/a/b c.mp4"]  # fmt: skip


@pytest.mark.parametrize(
    "row, message",
    [
        ("u1 sph2pipe -f wav /a/b.sph |", "u1: 'sph2pipe -f wav /a/b.sph |' is a command: give the path"),
        ("u1 ffmpeg -i /a/b.mp4 -f wav - |", "is a command"),
        ("u1 | cat", "is a command"),
        ("u1 -", "names no file"),
        ("u1", "names no file"),
        ("u1 /a/raw.ark:1042", "is a place in an archive"),
        ("u1 /a.mp4\nu1 /b.mp4", "line 2: u1 is there twice"),
    ],
)
def test_refuses_what_only_kaldi_can_open(row, message, tmp_path):
    source = kaldi(tmp_path / "in", text="u1 HELLO\n", wav_scp=f"{row}\n")
    with pytest.raises(VsrError, match=re.escape(message)) as caught:
        convert("kaldi", "manifest", source, tmp_path / "out", Settings())
    assert caught.value.reason == "bad_manifest" and not (tmp_path / "out").exists()


@pytest.mark.parametrize("times", ["nan 1", "0 nan", "0 inf", "2 1", "a b"])
def test_refuses_impossible_segments(times, tmp_path):
    source = kaldi(tmp_path / "in", text="u1 HELLO\n", wav_scp="r /a.mp4\n", segments=f"u1 r {times}\n")
    with pytest.raises(VsrError, match="segments"):
        convert("kaldi", "manifest", source, tmp_path / "out", Settings())


@pytest.mark.parametrize("video", ["/a\n/b.mp4", "/a.mp4 ", "cat /a |"])
def test_refuses_path_that_a_table_cannot_hold(video, tmp_path):
    write_manifest(tmp_path / "in.jsonl", [Clip("a", video, "x")])
    with pytest.raises(VsrError, match="Kaldi's files cannot hold such a path"):
        convert("manifest", "kaldi", tmp_path / "in.jsonl", tmp_path / "out", Settings())


seconds = st.floats(0, 1e6, allow_nan=False)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
paths = texts.filter(lambda text: "\0" not in text)
word = st.tuples(texts, seconds, seconds).map(lambda drawn: (drawn[0], min(drawn[1:]), max(drawn[1:])))
words = st.lists(word, max_size=3)


@st.composite
def clips(draw):
    name = draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,9}", fullmatch=True))
    start = draw(seconds)
    end = draw(st.just(0.0) | st.floats(start, 2e6, exclude_min=True))
    frames = draw(st.integers(0, 10**6))
    return Clip(name, draw(paths), draw(texts), draw(texts), frames, draw(paths), tuple(draw(words)), start, end)


@settings(deadline=None)
@given(st.lists(clips(), min_size=1, max_size=4, unique_by=lambda clip: clip.id))
def test_manifest_is_read_back_as_written(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("manifest") / "m.jsonl"
    write_manifest(path, written)
    assert read_manifest(path) == written


values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts
nested = st.recursive(values, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
records = st.dictionaries(texts, nested, max_size=4)


def several(kind, *fields):
    return st.lists(st.builds(kind, *fields), max_size=2).map(tuple)


number, whole, signs = st.floats(allow_nan=False), st.integers(0, 2**53), st.booleans()
timed = several(TimedWord, texts, number, number, number)
MARK = measure().mark_bytes
faces = several(Person, whole, st.lists(st.binary(min_size=MARK, max_size=MARK), max_size=1).map(tuple))
blocks = st.builds(
    BlockRecord, whole, number, st.builds(Position, number, whole), signs, whole, whole,
    st.lists(number, max_size=3).map(tuple),
    several(TrackReport, whole, number, number, number, number, st.lists(texts, max_size=2).map(tuple)),
    several(Skipped, whole, number, number, texts),
    several(WindowRecord, whole, number, number, several(ScoredWords, number, timed), st.none() | number), faces,
)  # fmt: skip


@settings(deadline=None)
@given(records, st.lists(blocks, max_size=4), st.integers(0, 40))
def test_journal_is_read_back_as_far_as_it_was_written(tmp_path_factory, heading, blocks, cut):
    """Whatever is missing of the last line; never with another heading."""
    path = tmp_path_factory.mktemp("journal") / "a.journal"
    journal = Journal(path, heading)
    for block in blocks:
        journal.add(block)
    assert Journal(path, heading, resume=True).blocks == journal.blocks == blocks
    if blocks:
        last = len(path.read_bytes().splitlines(keepends=True)[-1])
        path.write_bytes(path.read_bytes()[: -min(cut, last)] if cut else path.read_bytes())
        read_back = Journal(path, heading, resume=True).blocks
        assert read_back == journal.blocks[: len(blocks) - (cut > 0)]
        with pytest.raises(VsrError) as caught:
            Journal(path, heading | {"another": 1}, resume=True)
        assert caught.value.reason == "bad_journal"


@pytest.mark.parametrize("score", ["NaN", "Infinity", '"nan"'])
def test_refuses_to_rescore_impossible_scores(score, tmp_path):
    from vsr.decoding.rescore import read_nbest

    (tmp_path / "n.jsonl").write_text(f'{{"id": "a", "nbest": [{{"text": "x", "score": {score}}}]}}', encoding="utf-8")
    with pytest.raises(VsrError, match="line 1: no hypotheses"):
        read_nbest(tmp_path / "n.jsonl", {"a"})
