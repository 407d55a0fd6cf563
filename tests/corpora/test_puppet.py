"""The puppet corpus: seeded, disjoint, and a face for a real detector."""

import pickle

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.corpora.puppet import RESERVED, PuppetSettings, prepare_puppet
from vsr.corpora.puppet.clips import UNITS, Chunk, align_lines, make_chunk
from vsr.corpora.puppet.sentences import GRID_SLOTS, Vocabulary, draw_splits, load_vocabulary
from vsr.corpora.puppet.speech import Span, Voice, synthesiser
from vsr.data.manifest import read_manifest
from vsr.face.landmarker import _without_models


@pytest.fixture(scope="module")
def voice_of_espeak():
    try:
        return synthesiser()
    except VsrError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def corpora(voice_of_espeak, tmp_path_factory):
    """The same call made twice."""
    folders = [tmp_path_factory.mktemp("puppet") for _ in range(2)]
    for folder in folders:
        prepare_puppet(folder, PuppetSettings(1, 1, 0, seed=3, jobs=1))
    return folders


def frames_of(path):
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_splits_are_disjoint_seeded_and_without_the_reserved_sentence():
    grid = load_vocabulary("grid")
    splits = draw_splits(grid, {"dev": 50, "test": 50, "train": 20_000}, seed=0)
    drawn = [sentence for sentences in splits.values() for sentence in sentences]
    assert len(set(drawn)) == len(drawn) == 20_100
    assert RESERVED not in drawn and len(RESERVED.split()) == len(GRID_SLOTS)
    assert splits == draw_splits(grid, {"dev": 50, "test": 50, "train": 20_000}, seed=0)
    assert splits["dev"] != draw_splits(grid, {"dev": 50, "test": 50, "train": 9}, seed=1)["dev"]
    assert all(w in slot for s in drawn[:50] for w, slot in zip(s.split(), GRID_SLOTS, strict=True))


def test_number_of_training_clips_changes_no_held_out_sentence():
    grid = load_vocabulary("grid")
    few, many = (draw_splits(grid, {"dev": 5, "test": 5, "train": n}, seed=7) for n in (10, 1000))
    assert (few["dev"], few["test"]) == (many["dev"], many["test"])


def test_any_text_file_is_a_vocabulary(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("Good morning!\n\ngood  morning\nHow are you?\nIt's late.\n", encoding="utf-8")
    splits = draw_splits(load_vocabulary(str(path)), {"dev": 1, "test": 1, "train": 4}, seed=0)
    assert len(set(splits["train"])) == 1 and len(splits["train"]) == 4
    assert {s for line in splits.values() for s in line} == {"good morning", "how are you", "it's late"}
    with pytest.raises(VsrError, match="3 sentences"):
        draw_splits(load_vocabulary(str(path)), {"dev": 2, "test": 1, "train": 1}, seed=0)


def test_sentences_that_cannot_be_spoken_word_by_word_are_left_out(tmp_path, monkeypatch, capsys):
    """The others are made, and a line has their number; of GRID's grammar every sentence must be spoken."""
    from vsr.corpora.puppet import corpus, speech

    path = tmp_path / "lines.txt"
    path.write_text("good morning\nof the day\nred two\nblue five\n", encoding="utf-8")
    spoken = speech.Synthesiser._word_spans

    def merged(self, words, *arguments):
        if "the" in words:
            raise speech.Unsayable("espeak-ng does not say 'the' as a word")
        return spoken(self, words, *arguments)

    monkeypatch.setattr(speech.Synthesiser, "_word_spans", merged)
    monkeypatch.setattr(corpus, "_make_all", lambda chunks, jobs: [make_chunk(chunk) for chunk in chunks])
    counts = prepare_puppet(tmp_path / "out", PuppetSettings(3, 0, 1, jobs=1), vocabulary=str(path))
    texts = {clip.text for name in ("train", "test") for clip in read_manifest(tmp_path / "out" / f"{name}.jsonl")}
    assert sum(counts.values()) == 3 and texts == {"good morning", "red two", "blue five"}
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 of" in line and "such as 'of the day'" in line
    with pytest.raises(VsrError, match="as a word"):
        make_chunk(Chunk(str(tmp_path), Vocabulary("grid"), ("x",), ("the",), ((1,),)))
    assert pickle.loads(pickle.dumps(speech.Unsayable("x"))).reason == "no_speech"


@pytest.mark.parametrize("name", ["", "no/such/file"])
def test_missing_vocabulary_is_named(name):
    with pytest.raises(VsrError, match="vocabulary"):
        load_vocabulary(name)


def test_align_lines_cover_the_clip_without_gaps():
    lines = list(align_lines((Span("bin", 0.0, 0.31), Span("blue", 0.31, 0.77)), 0.4, 50))
    rows = [line.split() for line in lines]
    assert [row[2] for row in rows] == ["sil", "bin", "blue", "sil"]
    assert rows[0][0] == "0" and rows[-1][1] == str(2 * UNITS)
    assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]]


def test_phonemes_and_words_have_their_times(voice_of_espeak):
    speech = voice_of_espeak.speak(["bin", "a", "z"], ["bin", "[[eI]]", "[[zEd]]"], Voice())
    assert [span.label for span in speech.phonemes] == ["b", "ɪ", "n", "eɪ", "z", "ɛ", "d"]
    assert [span.label for span in speech.words] == ["bin", "a", "z"]
    times = [t for span in speech.words for t in (span.start, span.end)]
    assert times == sorted(times) and times[-1] <= len(speech.samples) / speech.rate
    with pytest.raises(VsrError, match="no voice"):
        voice_of_espeak.speak(["bin"], ["bin"], Voice("nobody"))


def test_same_seed_gives_the_same_frames_and_alignment(corpora):
    first, second = corpora
    for name in ("puppet_train_00000", "puppet_dev_00000"):
        assert np.array_equal(*(frames_of(folder / "video" / f"{name}.mp4") for folder in corpora))
        path = f"align/{name}.align"
        assert (first / path).read_text(encoding="utf-8") == (second / path).read_text(encoding="utf-8")


def test_manifest_and_alignment_describe_the_clip(corpora):
    (clip,) = read_manifest(corpora[0] / "train.jsonl")
    rows = (corpora[0] / "align" / f"{clip.id}.align").read_text(encoding="utf-8").splitlines()
    assert int(rows[-1].split()[1]) == len(frames_of(clip.video)) * 1000
    assert clip.text == " ".join(word for word, _, _ in clip.words)


def test_folder_is_continued_and_never_mixed(corpora):
    clip = corpora[0] / "video" / "puppet_train_00000.mp4"
    before = clip.stat().st_mtime_ns
    prepare_puppet(corpora[0], PuppetSettings(1, 1, 0, seed=3, jobs=1))
    assert clip.stat().st_mtime_ns == before
    with pytest.raises(VsrError, match="another puppet corpus"):
        prepare_puppet(corpora[0], PuppetSettings(1, 1, 0, seed=4, jobs=1))


@pytest.mark.skipif(_without_models(), reason="mediapipe 1.x has no models of its own")
def test_real_detector_sees_the_rendered_mouth():
    """The mesh's opening follows the rendered one; this needs no speech library."""
    pytest.importorskip("mediapipe")
    from vsr.corpora.puppet.face import Face
    from vsr.corpora.puppet.visemes import PARAMETERS
    from vsr.face.detector import MediaPipeMesh

    rendered, detector = np.linspace(0, 1, 9), MediaPipeMesh()
    measured = []
    for opening in rendered:
        pose = np.zeros(len(PARAMETERS))
        pose[[PARAMETERS.index("open"), PARAMETERS.index("jaw")]] = opening
        (face,) = detector.detect(Face().frame(pose))
        measured.append(
            np.linalg.norm(face.points[31] - face.points[35]) / np.linalg.norm(face.points[29] - face.points[33])
        )
    assert np.corrcoef(rendered, measured)[0, 1] > 0.9
    assert measured[-1] - measured[0] > 0.2
