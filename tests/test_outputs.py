"""Transcripts in the output folder of vsr transcribe: its own are recognised, those of others are not replaced."""

import json
import os
import shutil

import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.inference.bulk import failure
from vsr.output.ledger import WrittenTranscripts
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript
from vsr.output.writing import Outputs


@pytest.fixture
def transcribe(tiny_model, tmp_path, capsys):
    """Run `vsr transcribe`: (status, lines on stderr)."""

    def run(*arguments, model=tiny_model):
        arguments = [str(word) for word in (*arguments, "--model", model, "--jobs", 1)]
        if "--method" not in arguments and "--beam" not in arguments:
            arguments += ["--method", "ctc_greedy"]
        status = main(["transcribe", *arguments])
        return status, capsys.readouterr().err.splitlines()

    return run


@pytest.fixture
def other_clip(make_video, make_face, tmp_path):
    return make_video(tmp_path / "other.mp4", make_face(30)[::-1])


def times_of(*paths):
    return [path.stat().st_mtime_ns for path in paths]


FORMATS = ("srt", "txt,srt", "json", "json,srt")


@pytest.mark.parametrize("formats", FORMATS)
def test_own_transcript_is_replaced_and_kept_on_resume(transcribe, face_clip, tmp_path, formats):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    arguments, files = (clip, "-o", out, "--format", formats), [out / f"clip.{name}" for name in formats.split(",")]
    assert transcribe(*arguments) == (0, []) and transcribe(*arguments) == (0, [])
    before = times_of(*files)
    assert transcribe(*arguments, "--resume") == (0, ["transcripts: 1 kept"]) and times_of(*files) == before
    clip.unlink()
    assert transcribe(*arguments, "--resume") == (0, ["transcripts: 1 kept"]), "a video that is gone has its transcript"


@pytest.mark.parametrize("formats", FORMATS)
def test_resume_repeats_what_other_inputs_made(transcribe, face_clip, other_clip, tiny_model, tmp_path, formats):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    arguments, file = (clip, "-o", out, "--format", formats, "--resume"), out / f"clip.{formats.split(',')[-1]}"
    transcribe(*arguments)

    def expect_remade(cause, *options, **inputs):
        before = times_of(file)
        status, errors = transcribe(*arguments, *options, **inputs)
        assert (status, errors) == (0, [f"transcripts: 1 made again (1 other {cause})"]) and times_of(file) != before

    expect_remade("search", "--beam", 2)
    expect_remade("faces and search", "--faces", "all")
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1  # as long as before
    clip.write_bytes(data)
    expect_remade("faces and video")
    model = shutil.copytree(tiny_model, tmp_path / "model")
    with (model / "model.safetensors").open("r+b") as file_of_weights:
        file_of_weights.seek(-2, 2)
        file_of_weights.write(b"\0\0")
    expect_remade("model", model=model)
    write_json(model / "config.json", read_json(model / "config.json") | {"confidence": None})
    expect_remade("settings", model=model)


@pytest.mark.parametrize("formats", FORMATS)
def test_refuses_another_video_of_the_same_name(transcribe, face_clip, other_clip, tmp_path, formats):
    for folder, clip in (("a", face_clip), ("b", other_clip)):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "00001.mp4")
    out, first, second = tmp_path / "out", tmp_path / "a/00001.mp4", tmp_path / "b/00001.mp4"
    files = [out / f"00001.{name}" for name in formats.split(",")]
    transcribe(first, "-o", out, "--format", formats)
    before = times_of(*files)
    for options in ([], ["--resume"]):
        status, errors = transcribe(second, "-o", out, "--format", formats, *options)
        assert status == 1 and len(errors) == 1 and "the transcript of another video" in errors[0]
        second_gone = second.rename(tmp_path / "gone")
        assert transcribe(second, "-o", out, "--format", formats, *options)[0] == 1, "no word of the other is lost"
        second_gone.rename(second)
        assert times_of(*files) == before
    assert transcribe(second, "-o", out, "--format", formats, "--force") == (0, []) and times_of(*files) != before
    shutil.copy(face_clip, second)  # a copy is the same video
    shutil.copy(face_clip, first)
    assert transcribe(first, "-o", out, "--format", formats, "--force")[0] == 0
    assert transcribe(second, "-o", out, "--format", formats, "--resume") == (0, ["transcripts: 1 kept"])


def test_same_relative_name_in_another_folder_is_another_video(
    transcribe, face_clip, other_clip, tmp_path, monkeypatch
):
    for folder, clip in (("a", face_clip), ("b", other_clip)):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "c.mp4")
    monkeypatch.chdir(tmp_path / "a")
    assert transcribe("c.mp4", "-o", "../out", "--format", "json")[0] == 0
    monkeypatch.chdir(tmp_path / "b")
    assert transcribe("c.mp4", "-o", "../out", "--format", "json")[0] == 1


@pytest.mark.parametrize("options", [[], ["--resume"]])
@pytest.mark.parametrize("name", ["clip.txt", "clip.srt", "clip.json"])
def test_foreign_file_is_not_replaced(transcribe, face_clip, other_clip, tmp_path, name, options):
    clip, other = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "other.mp4"
    (tmp_path / name).write_text('{"Text": "BIN BLUE"}\n', encoding="utf-8")
    arguments = (clip, other, "-o", tmp_path, "--format", "txt,srt,json")
    status, errors = transcribe(*arguments, *options)
    assert status == 1 and len(errors) == 1 and f"{name} is there, and vsr did not write it" in errors[0]
    assert "--force" in errors[0] and (tmp_path / name).read_text("utf-8") == '{"Text": "BIN BLUE"}\n'
    assert (tmp_path / "other.json").is_file(), "the others are read"
    assert transcribe(clip, *arguments[2:], "--force")[0] == 0 and "BIN" not in (tmp_path / name).read_text("utf-8")


def test_corrected_transcript_is_not_replaced(transcribe, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    for formats in ("srt", "srt,json"):
        arguments = (clip, "-o", out, "--format", formats)
        assert transcribe(*arguments, "--force")[0] == 0
        (out / "clip.srt").write_text("corrected by hand", encoding="utf-8")
        for options in ([], ["--resume"]):
            assert transcribe(*arguments, *options)[0] == 1
        assert (out / "clip.srt").read_text("utf-8") == "corrected by hand"


def test_formats_of_several_runs_are_kept_only_if_made_alike(transcribe, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    for formats, beam in (("srt,json", 2), ("json", 3), ("txt", 2), ("vtt,json", 3)):
        assert transcribe(clip, "-o", out, "--format", formats, "--beam", beam) == (0, [])
    status, errors = transcribe(clip, "-o", out, "--format", "srt,vtt,json", "--beam", 3, "--resume")
    assert status == 0 and len(errors) == 1 and "1 made again (1 other" in errors[0]
    assert transcribe(clip, "-o", out, "--format", "srt,json", "--beam", 3, "--resume") == (0, ["transcripts: 1 kept"])
    assert transcribe(clip, "-o", out, "--format", "txt,srt,vtt,json") == (0, [])
    clip.write_bytes(clip.read_bytes()[:2000])
    assert transcribe(clip, "-o", out, "--format", "json")[0] == 1
    assert [path.name for path in out.iterdir() if path.suffix != ".jsonl"] == ["clip.json"], "nothing stale beside it"


def test_transcripts_of_earlier_versions_are_recognised_by_their_json(transcribe, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    transcribe(clip, "-o", out, "--format", "txt,json")
    record = read_json(out / "clip.json")
    for key in ("written", "settings"):
        del record["provenance"][key]
    (out / "clip.json").write_text(json.dumps(record), encoding="utf-8")
    status, errors = transcribe(clip, "-o", out, "--format", "txt,json", "--resume")
    assert (status, errors) == (0, ["transcripts: 1 made again (1 other settings)"])


def test_video_that_became_unreadable_leaves_no_stale_text(transcribe, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    arguments = (clip, "-o", out, "--format", "txt,srt,json")
    transcribe(*arguments)
    clip.write_bytes(clip.read_bytes()[:2000])
    assert transcribe(*arguments)[0] == 1
    assert read_json(out / "clip.json")["error"]["reason"] == "unreadable"
    assert sorted(path.name for path in out.iterdir()) == ["clip.json"]
    assert transcribe(*arguments)[0] == 1, "a failure is ours, too"
    (out / "clip.txt").write_text("somebody's", encoding="utf-8")
    assert transcribe(*arguments, "--force")[0] == 1 and (out / "clip.txt").read_text("utf-8") == "somebody's"


def test_transcript_of_a_missing_video_stays(transcribe, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    arguments = (clip, "-o", out, "--format", "txt,json")
    transcribe(*arguments)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    clip.unlink()
    status, errors = transcribe(*arguments)
    assert status == 1 and len(errors) == 1 and {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_outputs_that_are_inputs_are_not_replaced(transcribe, face_clip, tmp_path):
    clip, linked = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "odd.json"
    os.link(clip, linked)
    data = linked.read_bytes()
    status, errors = transcribe(linked, "-o", tmp_path, "--format", "json", "--force")
    assert status == 1 and "is what is read" in errors[0] and linked.read_bytes() == data
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "clip.json").symlink_to(clip)
    status, errors = transcribe(clip, "-o", tmp_path / "links", "--format", "json", "--force")
    assert status == 1 and "is what is read" in errors[0] and clip.read_bytes() == data


def test_too_long_name_fails_only_its_own_file(transcribe, face_clip, other_clip, tmp_path):
    out = tmp_path / "out"
    long = shutil.copy(face_clip, tmp_path / ("日本語の長い題名" * 10 + "abcdefghijk.mp4"))  # 255 bytes
    assert len(os.fsencode(long.name)) == 255
    assert (
        transcribe(long, other_clip, "-o", out, "--format", "srt") == (0, []) and (out / f"{long.stem}.srt").is_file()
    )
    status, errors = transcribe(long, other_clip, "-o", out, "--format", "json")
    assert status == 1 and len(errors) == 1 and "File name too long" in errors[0] and (out / "other.json").is_file()
    names = {Outputs(str(out), ("srt",)).journal(f"{'名' * 83}{end}.mp4").name for end in "ab"}
    assert len(names) == 2 and all(len(os.fsencode(name)) <= 255 for name in names)


def test_refuses_two_videos_with_one_output_name(transcribe, tmp_path, capsys, monkeypatch):
    status, errors = transcribe("x/a.mp4", "y/a.mpg", "-o", tmp_path / "out")
    assert status == 2 and "same file: read each with an -o of its own" in errors[0]
    monkeypatch.setattr("vsr.core.one_output.ignores_case", lambda folder: True)
    status, errors = transcribe("x/A.mp4", "y/a.mpg", "-o", tmp_path / "out")
    assert status == 2 and "an -o of its own" in errors[0]


def transcript_of(file, **fields):
    word = TimedWord("bin", 0.1, 0.4, 0.9)
    segment = Segment(0.0, 1.0, 0, 0.9, (word,), (Alternative("bin", -1.0),))
    return Transcript(str(file), 25.0, 1.0, "tiny", (segment,), **fields)


def test_own_fault_keeps_the_transcript_and_a_clip_error_replaces_it(face_clip, tmp_path):
    clip = str(shutil.copy(face_clip, tmp_path / "clip.mp4"))
    outputs = Outputs(str(tmp_path / "out"), ("txt",))
    outputs.prepare()
    from vsr.core.one_output import content_of

    outputs.write(transcript_of(clip, provenance={"video": content_of(clip)}))
    outputs.write(failure(clip, "internal", "died"))
    assert (tmp_path / "out/clip.txt").read_text("utf-8") == "bin\n"
    outputs.write(transcript_of(clip, error=("unreadable", "breaks off"), complete=False))
    assert (tmp_path / "out/clip.txt").read_text("utf-8") == "bin\n"
    state = outputs.state(clip, {}, WrittenTranscripts(outputs.folder))
    assert state == "not finished", "what breaks off is no whole transcript"
    outputs.write(failure(clip, "no_face", "none"))
    assert not (tmp_path / "out/clip.txt").exists()


def test_system_error_while_writing_is_not_writable(face_clip, tmp_path, monkeypatch):
    from vsr.inference.journal import Journal
    from vsr.inference.records import BlockRecord
    from vsr.media.resample import Position

    block = BlockRecord(1, 0.04, Position(0.04, 0), True, 0, 1, (), (), (), (), ())
    outputs = Outputs(str(tmp_path / "out"), ("txt",))
    outputs.prepare()

    def fail(*rest, **more):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("vsr.core.files.os.replace", fail)
        with pytest.raises(VsrError, match="Input/output error") as caught:
            outputs.write(transcript_of(face_clip))
        assert caught.value.reason == "not_writable"
    with monkeypatch.context() as patch:
        patch.setattr("vsr.core.files.os.fsync", fail)
        with pytest.raises(VsrError, match="Input/output error") as caught:
            Journal(tmp_path / "a.journal", {}).add(block)
        assert caught.value.reason == "not_writable"
    Outputs(str(tmp_path / "vanished"), ("txt",)).remove_leftovers("clip.mp4")
