"""Labels by machine: recognised words become clips on the recording's clock; labels that cannot be trusted are left out
and counted; a killed run is resumed. The recogniser here has known answers."""

import json

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.corpora import labelling
from vsr.corpora.labelling import LabelSettings, label_recordings
from vsr.corpora.recogniser_labels import Rules, labels_of, spoken_words
from vsr.data.manifest import Clip, read_manifest
from vsr.data.recordings import recordings
from vsr.media.audio import read_wave, write_wave
from vsr.media.mux.written import write_recording
from vsr.media.whisper import RecognisedWord, Recognition, in_words
from vsr.text.normalise import alnum


def words(*rows, probability=0.9):
    return tuple(RecognisedWord(word, start, end, probability) for word, start, end in rows)


class Known:
    """Returns the given answer for each recording, known by its length; lists its calls."""

    def __init__(self, answers):
        self.answers, self.asked, self.languages = answers, [], []

    def hear(self, wave, language=""):
        seconds = round(len(wave) / 16_000, 2)
        self.asked.append(seconds)
        self.languages.append(language)
        return self.answers[seconds]


GOOD = Recognition(words((" Bin", 0.1, 0.3), (" blue.", 0.3, 0.5), (" F2", 0.5, 0.9)), "en", 1.0, 0.1)
SPANISH = Recognition(words((" Hola,", 0.1, 0.4), (" señor", 0.4, 0.8)), "es", 0.8, 0.1)
UNSURE = Recognition(words((" mumble", 0.1, 0.5), probability=0.2), "en", 1.0, 0.1)
QUIET = Recognition(words((" you", 0.1, 0.2)), "en", 1.0, 0.9)
NOTHING = Recognition((), "en", 1.0, 1.0)
ANSWERS = {1.0: GOOD, 1.1: SPANISH, 1.2: UNSURE, 1.3: QUIET, 1.4: NOTHING}


@pytest.fixture
def folder(tmp_path):
    """A sound file of each length, a video without sound, and a stand-in for a Whisper."""
    root = tmp_path / "in"
    root.mkdir()
    for number, seconds in enumerate(ANSWERS):
        write_wave(root / f"{number}.wav", np.full(round(16_000 * seconds), 0.1, np.float32))
    write_recording(root / "silent.mkv", np.zeros((5, 32, 32, 3), np.uint8), None)
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(b"weights")
    return root


@pytest.fixture
def known(monkeypatch):
    recogniser = Known(ANSWERS)
    monkeypatch.setattr(labelling, "_opened", lambda folder: recogniser)
    return recogniser


def label(folder, out, **rules):
    return label_recordings(
        recordings([folder]), out, LabelSettings(str(folder.parent / "whisper"), Rules(**rules)), jobs=1
    )


def test_kept_labels_make_a_manifest_and_the_others_are_counted(folder, known, tmp_path):
    counts = label(folder, tmp_path / "out")
    assert counts == {"kept": 2, "low_confidence": 1, "no_speech": 2, "no_sound": 1}
    english, spanish = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert english.text == "bin blue f two" and spanish.text == "hola señor"
    assert english.words == (("bin", 0.1, 0.3), ("blue", 0.3, 0.5), ("f", 0.5, 0.7), ("two", 0.7, 0.9))
    written = json.loads((tmp_path / "out" / "counts.json").read_text(encoding="utf-8"))
    assert written == {"recordings": 6, **counts}


def test_every_label_is_stored_with_confidence_language_and_reason(folder, known, tmp_path):
    label(folder, tmp_path / "out", only="es")
    lines = (tmp_path / "out" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    records = {record["id"]: record for record in map(json.loads, lines)}
    reasons = {name: [entry["reason"] for entry in record["labels"]] for name, record in records.items()}
    assert reasons == {"0": ["other_language"], "1": [""], "2": ["other_language"], "3": ["no_speech"],
                       "4": ["no_speech"], "silent": []}  # fmt: skip
    assert records["silent"]["reason"] == "no_sound"
    spanish = records["1"]["labels"][0]
    assert (spanish["language"], spanish["language_probability"], spanish["confidence"]) == ("es", 0.8, 0.9)
    assert spanish["words"] == [["hola", 0.1, 0.4, 0.9], ["señor", 0.4, 0.8, 0.9]]


def test_repeated_words_are_left_out_however_confident(tmp_path):
    loop = [(" am", 0.0, 0.1), (" not", 0.1, 0.2), (" going", 0.2, 0.3)]
    write_wave(tmp_path / "a.wav", np.full(16_000, 0.1, np.float32))
    for times, reason in ((1, ""), (3, ""), (40, "repeated")):
        (entry,) = labels_of(
            Clip("a", str(tmp_path / "a.wav"), ""), Known({1.0: Recognition(words(*loop * times), "en", 1, 0)}), Rules()
        )
        assert entry.reason == reason and entry.confidence == 0.9


@pytest.mark.parametrize("confidence, kept", [(0.0, 3), (0.2, 3), (0.21, 2), (0.95, 0)])
def test_minimum_confidence_decides(folder, known, tmp_path, confidence, kept):
    assert label(folder, tmp_path / "out", confidence=confidence)["kept"] == kept
    assert (tmp_path / "out" / "manifest.jsonl").exists() == bool(kept)


def test_language_is_passed_on(folder, known, tmp_path):
    label(folder, tmp_path / "out", language="de")
    assert set(known.languages) == {"de"}
    with pytest.raises(VsrError, match="give one of them"):
        Rules(language="de", only="de")


def test_second_run_recognises_only_new_or_changed_recordings(folder, known, tmp_path):
    label(folder, tmp_path / "out")
    first = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    known.asked.clear()
    label(folder, tmp_path / "out")
    assert not known.asked and (tmp_path / "out" / "manifest.jsonl").read_bytes() == first
    write_wave(folder / "0.wav", np.full(17_600, 0.2, np.float32))
    label(folder, tmp_path / "out")
    assert known.asked == [1.1]
    assert read_manifest(tmp_path / "out" / "manifest.jsonl")[0].text == "hola señor"


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_line_cut_short_by_a_kill_is_recognised_again(folder, known, tmp_path, cut):
    label(folder, tmp_path / "out")
    complete = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    path = tmp_path / "out" / "labels.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    (tmp_path / "out" / "manifest.jsonl").unlink()
    known.asked.clear()
    label(folder, tmp_path / "out")
    assert len(known.asked) <= 1 and (tmp_path / "out" / "manifest.jsonl").read_bytes() == complete


def test_labels_of_other_settings_and_foreign_files_are_not_replaced(folder, known, tmp_path):
    label(folder, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(VsrError, match="other settings"):
        label(folder, tmp_path / "out", confidence=0.1)
    (tmp_path / "whisper" / "model.bin").write_bytes(b"other")
    with pytest.raises(VsrError, match="other settings"):
        label(folder, tmp_path / "out")
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(VsrError, match="exists already"):
        label(folder, tmp_path / "own")


def test_long_recording_is_cut_at_pauses_on_its_own_clock(tmp_path):
    rows = [(f" W{n}", 0.5 * n, 0.5 * n + 0.3) for n in range(40)]
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000 * 21).astype(np.float32)
    write_recording(tmp_path / "long.mkv", np.zeros((25 * 21, 32, 32, 3), np.uint8), wave)
    clip = Clip("long", str(tmp_path / "long.mkv"), "")
    recogniser = Known({21.0: Recognition(words(*rows), "xx", 0.5, 0.0)})
    labels = labels_of(clip, recogniser, Rules(max_seconds=6))
    assert len(labels) >= 4 and [entry.clip.id for entry in labels][:2] == ["long_000", "long_001"]
    spoken = [(word, entry.clip.start + start) for entry in labels for word, start, _ in entry.clip.words]
    assert [word for word, _ in spoken] == [f"w{n}" for n in range(40)]
    np.testing.assert_allclose([time for _, time in spoken], [0.5 * n for n in range(40)], atol=2e-3)
    for first, second in zip(labels, labels[1:], strict=False):
        assert first.clip.end <= second.clip.start + 1e-6 and first.clip.end - first.clip.start <= 6
    from vsr.data.sound import natural_wave

    part = labels[2].clip
    natural = natural_wave(part)
    begin = round(part.start * 25) * 640
    np.testing.assert_allclose(natural[:640], read_wave(clip.video)[begin : begin + 640], atol=1e-4)


def test_part_of_a_recording_is_recognised_alone(tmp_path):
    write_wave(tmp_path / "a.wav", np.full(32_000, 0.1, np.float32))
    clip = Clip("a", str(tmp_path / "a.wav"), "", start=0.4, end=1.4)
    (entry,) = labels_of(clip, Known({1.0: GOOD}), Rules())
    assert (entry.clip.start, entry.clip.end) == (0.4, 1.4) and entry.clip.words[0] == ("bin", 0.1, 0.3)


def test_spoken_words_rise_within_the_recording():
    heard = words(("Bin,", 0.2, 0.1), ("...", 0.3, 0.4), ("42", 0.05, 0.6), ("it's", 0.5, 9.0))
    spoken = list(spoken_words(heard, in_words, 1.0))
    assert [word[0] for word in spoken] == ["bin", "four", "two", "it's"]
    times = [time for word in spoken for time in word[1:3]]
    assert times == sorted(times) and times[-1] == 1.0
    assert [word[0] for word in spoken_words(words(("¡Señor!", 0, 1)), alnum, 1.0)] == ["señor"]


@pytest.mark.parametrize("options, message", [
    ("--whisper absent", "no Whisper"), ("--confidence 2 --whisper .", "confidence"),
    ("--max-seconds 0 --whisper .", "max"),
    ("--language en --only en --whisper .", "one of them"),
])  # fmt: skip
def test_wrong_options_are_one_line_and_leave_nothing(folder, tmp_path, capsys, options, message):
    status = 1 if "absent" in options else 2
    assert main(["label", str(folder), "--out", str(tmp_path / "out"), *options.split()]) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0] and not (tmp_path / "out").exists()


def test_damaged_whisper_is_one_line(folder, tmp_path, capsys):
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper to hear with Whisper of CTranslate2")
    labelling._opened.cache_clear()
    assert main(["label", str(folder), "--out", str(tmp_path / "out"), "--whisper", str(tmp_path / "whisper")]) == 1
    assert "no Whisper of CTranslate2 there" in capsys.readouterr().err and not (tmp_path / "out").exists()
