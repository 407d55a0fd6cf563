"""What vsr transcribe finds in its folder: its own results are known again, nobody else's are replaced."""

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
def read(tiny_model, tmp_path, capsys):
    """`vsr transcribe`: (status, lines on stderr)."""

    def run(*words, model=tiny_model):
        words = [str(word) for word in (*words, "--model", model, "--jobs", 1)]
        if "--method" not in words and "--beam" not in words:
            words += ["--method", "ctc_greedy"]
        status = main(["transcribe", *words])
        return status, capsys.readouterr().err.splitlines()

    return run


@pytest.fixture
def other_clip(make_video, make_face, tmp_path):
    return make_video(tmp_path / "other.mp4", make_face(30)[::-1])


def stamp(*paths):
    return [path.stat().st_mtime_ns for path in paths]


FORMATS = ("srt", "txt,srt", "json", "json,srt")


@pytest.mark.parametrize("formats", FORMATS)
def test_what_is_ours_is_written_again_and_kept_on_resume(read, face_clip, tmp_path, formats):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    words, files = (clip, "-o", out, "--format", formats), [out / f"clip.{name}" for name in formats.split(",")]
    assert read(*words) == (0, []) and read(*words) == (0, [])
    before = stamp(*files)
    assert read(*words, "--resume") == (0, ["transcripts: 1 kept"]) and stamp(*files) == before
    clip.unlink()
    assert read(*words, "--resume") == (0, ["transcripts: 1 kept"]), "a video that is gone has its transcript"


@pytest.mark.parametrize("formats", FORMATS)
def test_resume_reads_again_what_was_made_of_something_else(read, face_clip, other_clip, tiny_model, tmp_path, formats):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    words, file = (clip, "-o", out, "--format", formats, "--resume"), out / f"clip.{formats.split(',')[-1]}"
    read(*words)

    def again(why, *more, **settings):
        before = stamp(file)
        status, printed = read(*words, *more, **settings)
        assert (status, printed) == (0, [f"transcripts: 1 made again (1 other {why})"]) and stamp(file) != before

    again("search", "--beam", 2)
    again("faces and search", "--faces", "all")
    data = bytearray(clip.read_bytes())
    data[-1] ^= 1  # as long as before
    clip.write_bytes(data)
    again("faces and video")
    model = shutil.copytree(tiny_model, tmp_path / "model")
    with (model / "model.safetensors").open("r+b") as file_of_weights:
        file_of_weights.seek(-2, 2)
        file_of_weights.write(b"\0\0")
    again("model", model=model)
    write_json(model / "config.json", read_json(model / "config.json") | {"confidence": None})
    again("settings", model=model)


@pytest.mark.parametrize("formats", FORMATS)
def test_another_video_of_the_same_name_is_refused(read, face_clip, other_clip, tmp_path, formats):
    for folder, clip in (("a", face_clip), ("b", other_clip)):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "00001.mp4")
    out, first, second = tmp_path / "out", tmp_path / "a/00001.mp4", tmp_path / "b/00001.mp4"
    files = [out / f"00001.{name}" for name in formats.split(",")]
    read(first, "-o", out, "--format", formats)
    before = stamp(*files)
    for more in ([], ["--resume"]):
        status, printed = read(second, "-o", out, "--format", formats, *more)
        assert status == 1 and len(printed) == 1 and "the transcript of another video" in printed[0]
        second_gone = second.rename(tmp_path / "gone")
        assert read(second, "-o", out, "--format", formats, *more)[0] == 1, "no word of the other is lost"
        second_gone.rename(second)
        assert stamp(*files) == before
    assert read(second, "-o", out, "--format", formats, "--force") == (0, []) and stamp(*files) != before
    shutil.copy(face_clip, second)  # a copy is the same video
    shutil.copy(face_clip, first)
    assert read(first, "-o", out, "--format", formats, "--force")[0] == 0
    assert read(second, "-o", out, "--format", formats, "--resume") == (0, ["transcripts: 1 kept"])


def test_the_same_relative_name_in_another_folder_is_another_video(read, face_clip, other_clip, tmp_path, monkeypatch):
    for folder, clip in (("a", face_clip), ("b", other_clip)):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "c.mp4")
    monkeypatch.chdir(tmp_path / "a")
    assert read("c.mp4", "-o", "../out", "--format", "json")[0] == 0
    monkeypatch.chdir(tmp_path / "b")
    assert read("c.mp4", "-o", "../out", "--format", "json")[0] == 1


@pytest.mark.parametrize("more", [[], ["--resume"]])
@pytest.mark.parametrize("name", ["clip.txt", "clip.srt", "clip.json"])
def test_somebody_elses_file_stays(read, face_clip, other_clip, tmp_path, name, more):
    clip, other = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "other.mp4"
    (tmp_path / name).write_text('{"Text": "BIN BLUE"}\n', encoding="utf-8")
    words = (clip, other, "-o", tmp_path, "--format", "txt,srt,json")
    status, printed = read(*words, *more)
    assert status == 1 and len(printed) == 1 and f"{name} is there, and vsr did not write it" in printed[0]
    assert "--force" in printed[0] and (tmp_path / name).read_text("utf-8") == '{"Text": "BIN BLUE"}\n'
    assert (tmp_path / "other.json").is_file(), "the others are read"
    assert read(clip, *words[2:], "--force")[0] == 0 and "BIN" not in (tmp_path / name).read_text("utf-8")


def test_what_somebody_corrected_stays(read, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    for formats in ("srt", "srt,json"):
        words = (clip, "-o", out, "--format", formats)
        assert read(*words, "--force")[0] == 0
        (out / "clip.srt").write_text("corrected by hand", encoding="utf-8")
        for more in ([], ["--resume"]):
            assert read(*words, *more)[0] == 1
        assert (out / "clip.srt").read_text("utf-8") == "corrected by hand"


def test_formats_of_several_runs_are_all_ours_and_kept_only_if_of_the_same(read, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    for formats, beam in (("srt,json", 2), ("json", 3), ("txt", 2), ("vtt,json", 3)):
        assert read(clip, "-o", out, "--format", formats, "--beam", beam) == (0, [])
    status, printed = read(clip, "-o", out, "--format", "srt,vtt,json", "--beam", 3, "--resume")
    assert status == 0 and len(printed) == 1 and "1 made again (1 other" in printed[0]
    assert read(clip, "-o", out, "--format", "srt,json", "--beam", 3, "--resume") == (0, ["transcripts: 1 kept"])
    assert read(clip, "-o", out, "--format", "txt,srt,vtt,json") == (0, [])
    clip.write_bytes(clip.read_bytes()[:2000])
    assert read(clip, "-o", out, "--format", "json")[0] == 1
    assert [path.name for path in out.iterdir() if path.suffix != ".jsonl"] == ["clip.json"], "nothing stale beside it"


def test_results_of_older_versions_are_known_by_their_json(read, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    read(clip, "-o", out, "--format", "txt,json")
    record = read_json(out / "clip.json")
    for key in ("written", "settings"):
        del record["provenance"][key]
    (out / "clip.json").write_text(json.dumps(record), encoding="utf-8")
    status, printed = read(clip, "-o", out, "--format", "txt,json", "--resume")
    assert (status, printed) == (0, ["transcripts: 1 made again (1 other settings)"])


def test_a_file_that_cannot_be_read_any_more_leaves_no_stale_text(read, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    words = (clip, "-o", out, "--format", "txt,srt,json")
    read(*words)
    clip.write_bytes(clip.read_bytes()[:2000])
    assert read(*words)[0] == 1
    assert read_json(out / "clip.json")["error"]["reason"] == "unreadable"
    assert sorted(path.name for path in out.iterdir()) == ["clip.json"]
    assert read(*words)[0] == 1, "a failure is ours, too"
    (out / "clip.txt").write_text("somebody's", encoding="utf-8")
    assert read(*words, "--force")[0] == 1 and (out / "clip.txt").read_text("utf-8") == "somebody's"


def test_a_video_that_is_gone_takes_no_transcript_along(read, face_clip, tmp_path):
    clip, out = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "out"
    words = (clip, "-o", out, "--format", "txt,json")
    read(*words)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    clip.unlink()
    status, printed = read(*words)
    assert status == 1 and len(printed) == 1 and {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_outputs_among_the_inputs_are_not_replaced(read, face_clip, tmp_path):
    clip, odd = shutil.copy(face_clip, tmp_path / "clip.mp4"), tmp_path / "odd.json"
    os.link(clip, odd)
    data = odd.read_bytes()
    status, printed = read(odd, "-o", tmp_path, "--format", "json", "--force")
    assert status == 1 and "is what is read" in printed[0] and odd.read_bytes() == data
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "clip.json").symlink_to(clip)
    status, printed = read(clip, "-o", tmp_path / "links", "--format", "json", "--force")
    assert status == 1 and "is what is read" in printed[0] and clip.read_bytes() == data


def test_a_long_name_costs_its_own_file_only(read, face_clip, other_clip, tmp_path):
    out = tmp_path / "out"
    long = shutil.copy(face_clip, tmp_path / ("日本語の長い題名" * 10 + "abcdefghijk.mp4"))  # 255 bytes
    assert len(os.fsencode(long.name)) == 255
    assert read(long, other_clip, "-o", out, "--format", "srt") == (0, []) and (out / f"{long.stem}.srt").is_file()
    status, printed = read(long, other_clip, "-o", out, "--format", "json")
    assert status == 1 and len(printed) == 1 and "File name too long" in printed[0] and (out / "other.json").is_file()
    names = {Outputs(str(out), ("srt",)).journal(f"{'名' * 83}{end}.mp4").name for end in "ab"}
    assert len(names) == 2 and all(len(os.fsencode(name)) <= 255 for name in names)


def test_two_files_of_one_name_are_told_to_take_two_folders(read, tmp_path, capsys, monkeypatch):
    status, printed = read("x/a.mp4", "y/a.mpg", "-o", tmp_path / "out")
    assert status == 2 and "same file: read each with an -o of its own" in printed[0]
    monkeypatch.setattr("vsr.cli.transcribe_plan.ignores_case", lambda folder: True)
    status, printed = read("x/A.mp4", "y/a.mpg", "-o", tmp_path / "out")
    assert status == 2 and "an -o of its own" in printed[0]


def spoken(file, **facts):
    word = TimedWord("bin", 0.1, 0.4, 0.9)
    segment = Segment(0.0, 1.0, 0, 0.9, (word,), (Alternative("bin", -1.0),))
    return Transcript(str(file), 25.0, 1.0, "tiny", (segment,), **facts)


def test_what_was_read_before_an_error_is_kept_and_a_fault_of_ours_spoils_nothing(face_clip, tmp_path):
    clip = str(shutil.copy(face_clip, tmp_path / "clip.mp4"))
    outputs = Outputs(str(tmp_path / "out"), ("txt",))
    outputs.prepare()
    from vsr.decoding.provenance import video_of

    outputs.write(spoken(clip, provenance={"video": video_of(clip)}))
    outputs.write(failure(clip, "internal", "died"))
    assert (tmp_path / "out/clip.txt").read_text("utf-8") == "bin\n"
    outputs.write(spoken(clip, error=("unreadable", "breaks off"), complete=False))
    assert (tmp_path / "out/clip.txt").read_text("utf-8") == "bin\n"
    state = outputs.state(clip, {}, WrittenTranscripts(outputs.folder))
    assert state == "not finished", "what breaks off is no whole transcript"
    outputs.write(failure(clip, "no_face", "none"))
    assert not (tmp_path / "out/clip.txt").exists()


def test_system_errors_are_told_as_what_they_are(face_clip, tmp_path, monkeypatch):
    from vsr.inference.journal import Journal
    from vsr.inference.records import BlockRecord
    from vsr.media.resample import Position

    block = BlockRecord(1, 0.04, Position(0.04, 0), True, 0, 1, (), (), (), (), ())
    outputs = Outputs(str(tmp_path / "out"), ("txt",))
    outputs.prepare()

    def broken(*rest, **more):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("vsr.core.files.os.replace", broken)
        with pytest.raises(VsrError, match="Input/output error") as caught:
            outputs.write(spoken(face_clip))
        assert caught.value.reason == "not_writable"
    with monkeypatch.context() as patch:
        patch.setattr("vsr.core.files.os.fsync", broken)
        with pytest.raises(VsrError, match="Input/output error") as caught:
            Journal(tmp_path / "a.journal", {}).add(block)
        assert caught.value.reason == "not_writable"
    Outputs(str(tmp_path / "vanished"), ("txt",)).remove_leftovers("clip.mp4")
