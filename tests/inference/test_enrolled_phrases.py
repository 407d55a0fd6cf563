"""Own phrases: enrolled, kept, recognised, forgotten; refusals are one line, with nothing half-written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.inference import enrolled_phrases
from vsr.inference.live import recording
from vsr.media.audio import read_wave
from vsr.modelstore.folder import load_model

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips of a mouth that moves in different ways."""
    folder, face = tmp_path_factory.mktemp("clips"), talking_face(60)
    orders = {
        "slow": np.repeat(np.arange(15), 2), "fast": np.arange(0, 60, 2), "halting": np.arange(30) // 5 * 9,
        "late": np.arange(20, 50),
    }  # fmt: skip
    return {name: str(write_video(folder / f"{name}.mp4", face[order])) for name, order in orders.items()}


@pytest.fixture
def model_options(clips, tmp_path, monkeypatch, tiny_model, capsys):
    """Enrol two phrases; the options that name the model."""
    monkeypatch.chdir(tmp_path)
    model = ["--model", str(tiny_model)]
    for phrase, clip in (("Ich habe Durst", "slow"), ("喉が渇いた", "fast")):
        assert main(["phrases", "enrol", phrase, clips[clip], *model]) == 0
    assert capsys.readouterr().out.splitlines() == ["Ich habe Durst\t1 example", "喉が渇いた\t1 example"]
    return model


def test_clip_matches_its_own_phrase_whatever_the_language(model_options, clips, capsys):
    assert main(["phrases", "own", clips["slow"], clips["fast"], *model_options]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(row[1], row[3]) for row in rows] == [
        ("1", "Ich habe Durst"), ("2", "喉が渇いた"), ("1", "喉が渇いた"), ("2", "Ich habe Durst"),
    ]  # fmt: skip
    assert float(rows[0][2]) > 0.99


def test_clip_of_no_phrase_is_rejected(model_options, clips, capsys):
    assert main(["phrases", "own", clips["halting"], "--threshold", "1", "--json", *model_options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["phrase"] is None and len(record["phrases"]) == 2
    assert main(["phrases", "own", clips["halting"], "--json", "--nbest", "1", *model_options]) == 0
    assert len(json.loads(capsys.readouterr().out)["phrases"]) == 1
    assert main(["phrases", "own", clips["halting"], "--threshold", "1", *model_options]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("(none of these)")


def test_examples_are_added_and_earlier_ones_unchanged(model_options, clips, tiny_model, capsys):
    before = enrolled_phrases.read_enrolled("phrases")
    assert main(["phrases", "enrol", "ich  habe durst", clips["halting"], *model_options]) == 0
    (extended,) = [phrase for phrase in enrolled_phrases.read_enrolled("phrases") if phrase.phrase == "Ich habe Durst"]
    assert extended.clips == ("slow.mp4", "halting.mp4") and len(list(Path("phrases").iterdir())) == 2
    (first,) = [phrase for phrase in before if phrase.phrase == extended.phrase]
    loaded = load_model(str(tiny_model))
    streams = enrolled_phrases.streams_of(loaded, clips["halting"])
    for name, values in first.examples[0].items():
        assert np.array_equal(values, extended.examples[0][name])
        assert np.allclose(extended.examples[1][name], streams[name], atol=1e-6)
    assert set(streams) == {"frontend", "last", "points"} and len({len(values) for values in streams.values()}) == 1


def test_example_enrolled_meanwhile_is_kept(model_options, clips, tiny_model, monkeypatch):
    """Two processes enrol one phrase: the later one once replaced the example of the other."""
    original = enrolled_phrases.streams_of

    def enrol_meanwhile(loaded, *arguments):
        monkeypatch.setattr(enrolled_phrases, "streams_of", original)
        enrolled_phrases.enrol(loaded, "phrases", "Ich habe Durst", [clips["late"]])
        return original(loaded, *arguments)

    monkeypatch.setattr(enrolled_phrases, "streams_of", enrol_meanwhile)
    extended = enrolled_phrases.enrol(load_model(str(tiny_model)), "phrases", "Ich habe Durst", [clips["halting"]])
    assert extended.clips == ("slow.mp4", "late.mp4", "halting.mp4") and len(extended.examples) == 3


def test_phrases_are_listed_and_forgotten(model_options, capsys):
    assert main(["phrases", "enrolled"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["Ich habe Durst", "喉が渇いた"]
    assert main(["phrases", "remove", "ich habe durst"]) == 0
    assert [phrase.phrase for phrase in enrolled_phrases.read_enrolled("phrases")] == ["喉が渇いた"]


def refusal(arguments, capsys, status=1):
    assert main(["phrases", *arguments]) == status
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == ""
    return line


def test_impossible_requests_are_one_line_and_change_nothing(model_options, clips, landscape_clip, tmp_path, capsys):
    files = {path: path.read_bytes() for path in Path("phrases").iterdir()}
    other, clip = ["--folder", "nowhere"], clips["slow"]
    copies = [shutil.copy(clip, tmp_path / f"copy{number}.mp4") for number in range(11)]
    for arguments, message, status in (
        (["enrol", "x", clip, str(landscape_clip)], "no face", 1),
        (["enrol", "  ", clip], "a name", 1),
        (["enrol", "m\udcf6chte", clip], "no text in the encoding", 1),
        (["remove", "m\udcf6chte"], "no text in the encoding", 1),
        (["enrol", "x"], "CLIP", 2),
        (["enrol", "x", *(str(copy) for copy in copies)], "more than 10", 1),
        (["enrol", "x", clip, clip], "given twice", 2),
        (["enrol", "x", clip], "slow.mp4 is an example of 'Ich habe Durst' already: give a clip of this phrase", 2),
        (["enrol", "Ich habe Durst", clips["late"], str(copies[0])], "already (slow.mp4): film the phrase again", 2),
        (["enrol", "x", clips["late"], "nowhere.mp4"], "no such file", 1),
        (["enrol", "x", "nowhere.mp4", "nor.mp4"], "no such file, nor any of the 1 others", 1),
        (["remove", "x"], "not enrolled", 1),
        (["own"], "CLIP", 2),
        (["own", clip, *other], "no phrase is enrolled", 1),
        (["enrolled", *other], "no phrase is enrolled", 1),
        (["own", clip, clip, "--speak", "a.wav"], "one clip", 2),
        (["own", clip, "--threshold", "2"], "--threshold", 2),
    ):
        options = model_options if arguments[0] in ("enrol", "own") else ()
        assert message in refusal([*arguments, *options], capsys, status), arguments
    assert "was enrolled with the reader tiny" in refusal(["own", clip], capsys)
    assert {path: path.read_bytes() for path in Path("phrases").iterdir()} == files and not Path("nowhere").exists()


def test_damaged_phrase_file_is_named(model_options, clips, capsys):
    (Path("phrases") / "x.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert "x.safetensors" in refusal(["own", clips["slow"], *model_options], capsys)


def test_camera_serves_as_a_clip_and_nothing_is_stored(model_options, clips, monkeypatch, capsys):
    def camera(name):
        yield from ((image, index / 25) for index, image in enumerate(talking_face(60)[::2]))

    monkeypatch.setattr(recording, "open_source", camera)
    assert main(["phrases", "own", "0", "--seconds", "2", "--threshold", "0", *model_options]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].startswith("0\t1\t") and captured.out.splitlines()[0].endswith("喉が渇いた")
    assert "camera 0" in captured.err and {path.name for path in Path().iterdir()} == {"phrases"}


def test_missing_camera_is_one_line(model_options, capsys):
    assert "camera 63 does not open" in "".join(
        line for line in [main(["phrases", "own", "63", *model_options]) and capsys.readouterr().err]
    )


def test_recognised_phrase_is_spoken(model_options, clips):
    pytest.importorskip("espeakng_loader", reason="needs eSpeak NG")
    assert main(["phrases", "own", clips["slow"], "--speak", "said.wav", "--voice", "de", *model_options]) == 0
    wave = read_wave(Path("said.wav"), 25)
    assert len(wave) > 8000 and np.abs(wave).max() > 0.05


def test_file_name_of_a_phrase_is_valid_on_every_system(tmp_path):
    names = [
        enrolled_phrases._file_of(tmp_path, phrase) for phrase in ("a/b", "..", "CON", "ä" * 200, "é", "喉", "A/B")
    ]
    assert all(name.parent == tmp_path and len(name.name) < 80 and name.name.isascii() for name in names)
    assert len(set(names)) == 6
    with pytest.raises(VsrError):
        enrolled_phrases._file_of(tmp_path, "x" * 201)


def test_one_clip_needs_no_list_and_none_teaches_nothing(tiny_model, clips, tmp_path):
    loaded = load_model(tiny_model)
    with pytest.raises(VsrError, match="give one or several"):
        enrolled_phrases.enrol(loaded, tmp_path / "none", "x", [])
    assert not (tmp_path / "none").exists()
    assert enrolled_phrases.enrol(loaded, tmp_path / "one", "x", clips["slow"]).clips == ("slow.mp4",)
