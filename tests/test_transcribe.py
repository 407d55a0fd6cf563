"""Transcription: words have times of the original video, long clips are read in bounded memory, and the
command prints, writes and fails as documented.
"""

import argparse
import json
import re

import numpy as np
import pytest
import torch

import vsr
from vsr.cli import main
from vsr.cli.commands import transcribe as command
from vsr.core.errors import VsrError
from vsr.core.windows import WINDOW
from vsr.inference.reader import load_model


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return load_model(tiny_model)


def mouth_clip(num_frames, fps=25.0, face=0):
    """A moving pattern in place of a mouth, shown from second 3 of its video at its own frame rate."""
    from vsr.face.mouth_crop import MouthClip
    from vsr.media.reader import VideoInfo

    rng = np.random.default_rng(num_frames)
    crop = rng.integers(0, 256, (num_frames, 96, 96), dtype=np.uint8)
    times = 3.0 + np.arange(num_frames) / 25
    info = VideoInfo("pattern.mp4", fps, num_frames, 3.0 + num_frames / 25, 96, 96)
    return MouthClip(crop=crop, times=times, info=info, face=face, found=1.0, gaps=[])


def options(**settings):
    from vsr.decoding.options import DecodeOptions

    return DecodeOptions(**{"method": "ctc_greedy", **settings})


def run_command(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in arguments]))


@pytest.mark.parametrize("method", ["ctc_greedy", "ctc_beam", "joint"])
def test_word_times_are_ordered_and_within_the_clip(loaded, method):
    from vsr.inference.recognition import read_clip

    (segment,) = read_clip(loaded, mouth_clip(50), options(method=method, beam=3, nbest=3))
    edges = [time for word in segment.words for time in (word.start, word.end)]
    assert edges == sorted(edges) and all(3.0 <= time <= 5.0 for time in edges)
    assert all(0 <= word.confidence <= 1 for word in segment.words)
    assert segment.nbest[0].text == segment.text
    assert len(segment.nbest) <= 3


def test_minute_is_read_in_windows_of_bounded_size(loaded, monkeypatch):
    from vsr.inference.recognition import read_clip

    shapes, encode = [], loaded.model.encode

    def record_shape(video, *rest):
        shapes.append(video.shape[:2])
        return encode(video, *rest)

    monkeypatch.setattr(loaded.model, "encode", record_shape)
    segments = read_clip(loaded, mouth_clip(60 * 25), options())
    assert len(segments) == 6
    assert all(frames <= WINDOW and windows <= 4 for windows, frames in shapes)
    starts = [word.start for segment in segments for word in segment.words]
    assert starts == sorted(starts)


def test_transcript_agrees_with_its_json(loaded, face_clip):
    transcript = loaded.transcribe(face_clip, options())
    record = transcript.to_json()
    assert record["file"] == str(face_clip) and record["model"] == "tiny" and record["error"] is None
    assert record["fps"] == 25 and record["duration"] == pytest.approx(1.0, abs=0.05)
    assert record["text"] == " ".join(segment["text"] for segment in record["segments"])
    assert [segment["face"] for segment in record["segments"]] == [transcript.segments[0].face]


def test_load_model_can_be_imported_from_the_package():
    assert vsr.load_model is load_model
    with pytest.raises(AttributeError, match="nothing_else"):
        vsr.nothing_else  # noqa: B018


def test_refuses_unknown_choice_of_faces(loaded, face_clip):
    with pytest.raises(VsrError, match="largest"):
        loaded.transcribe(face_clip, faces="left")


def test_two_faces_are_read_separately(loaded, make_video, make_face, tmp_path):
    images = make_face(25)
    both = np.concatenate([images, images[::-1]], axis=2)
    clip = make_video(tmp_path / "two.mp4", both)
    largest = loaded.transcribe(clip, options())
    both_faces = loaded.transcribe(clip, options(), faces="all")
    assert len(largest.faces) == 1 and len(both_faces.faces) == 2


def test_text_is_printed(tiny_model, face_clip, loaded, capsys):
    assert run_command(face_clip, "--model", tiny_model, "--method", "ctc_greedy") == 0
    output = capsys.readouterr()
    assert output.out == loaded.transcribe(face_clip, options()).text + "\n"
    assert output.err == ""


def test_json_has_one_line_per_file_good_or_bad(tiny_model, face_clip, landscape_clip, tmp_path, capsys):
    videos = [tmp_path / "missing.mp4", landscape_clip, face_clip]
    assert run_command(*videos, "--model", tiny_model, "--format", "json", "--beam", 2) == 1
    output = capsys.readouterr()
    records = [json.loads(line) for line in output.out.splitlines()]
    assert [record["file"] for record in records] == [str(video) for video in videos]
    assert [(record["error"] or {}).get("reason") for record in records] == ["unreadable", "no_face", None]
    assert records[0]["text"] == "" and records[0]["segments"] == [] and records[0]["fps"] is None
    errors = output.err.splitlines()
    assert len(errors) == 2 and all(line.startswith("vsr: ") for line in errors)


def test_two_processes_give_the_same_files_as_one(tiny_model, face_clip, landscape_clip, tmp_path, capsys):
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        arguments = ("--model", tiny_model, "--format", "srt,json,txt", "--beam", 2, "-o", out)
        assert run_command(landscape_clip, face_clip, *arguments, "--jobs", jobs) == 1
    names = {"face.srt", "face.json", "face.txt", "landscape.json"}
    assert {path.name for path in (tmp_path / "1").iterdir()} == names
    for name in names:
        assert (tmp_path / "1" / name).read_text("utf-8") == (tmp_path / "2" / name).read_text("utf-8")
    assert capsys.readouterr().out == ""


def test_missing_model_stops_all_processes_with_one_message(face_clip, landscape_clip, tmp_path):
    with pytest.raises(VsrError, match="no such model folder"):
        run_command(face_clip, landscape_clip, "--model", tmp_path / "nowhere", "--jobs", 2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.mp4", "--format", "srt,json"], "-o"),
        (["a.mp4", "b.mp4", "--format", "vtt"], "-o"),
        (["x/a.mp4", "y/a.mpg", "-o", "out"], "same file"),
        (["a.mp4", "-o", "a.srt"], "--format srt"),
        (["a.mp4", "--beam", "2", "--nbest", "3"], "nbest"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["transcribe", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--format", "doc"], ["--beam", "0"], ["--jobs", "two"], ["--nbest", "-1"]])
def test_wrong_value_is_2(arguments, capsys):
    try:
        status = main(["transcribe", "a.mp4", *arguments])
    except SystemExit as stopped:  # argparse's own answer
        status = stopped.code
    assert status == 2 and arguments[1] in capsys.readouterr().err


def test_state_of_the_random_generator_is_unchanged(loaded):
    from vsr.inference.recognition import read_clip

    before = torch.get_rng_state()
    read_clip(loaded, mouth_clip(30), options())
    assert torch.equal(before, torch.get_rng_state())


@pytest.fixture(scope="module")
def speaker_and_listener(tmp_path_factory, make_face, make_video):
    """Three seconds: a large face that speaks and, beside it, a smaller one whose lips are still."""
    speaking, resting = make_face(75, 224), make_face(1, 192)
    images = np.full((75, 240, 460, 3), 90, np.uint8)
    images[:, 8:232, 8:232] = speaking
    images[:, 24:216, 250:442] = resting[:, :, ::-1]
    return make_video(tmp_path_factory.mktemp("two") / "two.mp4", images, options={"crf": "12"})


def test_cropped_clips_read_like_their_video(loaded, speaker_and_listener):
    from vsr.face.mouth_crop import crop_tracks
    from vsr.inference.recognition import read_clip

    transcript = loaded.transcribe(speaker_and_listener, options(), faces="all")
    clips = {clip.face: read_clip(loaded, clip, options()) for clip in crop_tracks(speaker_and_listener)}
    assert len(clips) == 2 and sorted(map(len, clips.values())) == [0, 1]
    (segment,) = transcript.segments
    assert [word.word for word in clips[segment.face][0].words] == [word.word for word in segment.words]


def test_speaking_face_is_read_and_still_face_listed_as_skipped(loaded, speaker_and_listener):
    transcript = loaded.transcribe(speaker_and_listener, options(), faces="all")
    assert {segment.face for segment in transcript.segments} == {0}
    assert [(stretch.face, stretch.reason) for stretch in transcript.skipped] == [(1, "rest")]
    assert transcript.skipped[0].end - transcript.skipped[0].start > 2.0
    assert [track.face for track in transcript.tracks] == [0, 1] and all(
        track.cropped == 1 for track in transcript.tracks
    )
    assert transcript.complete and transcript.shots == (0.0,)


@pytest.mark.parametrize("faces", ["largest", 1, 2])
def test_still_face_is_listed_as_resting_whether_chosen_or_not(loaded, speaker_and_listener, faces):
    transcript = loaded.transcribe(speaker_and_listener, options(), faces=faces)
    assert [(stretch.face, stretch.reason) for stretch in transcript.skipped] == [(1, "rest")]


@pytest.mark.parametrize("faces", [0, "left", 1.5])
def test_refuses_wrong_number_of_faces(loaded, speaker_and_listener, faces):
    with pytest.raises(VsrError, match="largest"):
        loaded.transcribe(speaker_and_listener, faces=faces)


def test_progress_is_reported(loaded, speaker_and_listener):
    from vsr.core.progress import Watch

    reports = []
    loaded.transcribe(speaker_and_listener, options(), watch=Watch(progress=lambda *report: reports.append(report)))
    assert [done for _, done, _ in reports] == pytest.approx([0.0, 1.0, 2.0])
    assert all(file == speaker_and_listener and total == pytest.approx(3.0) for file, _, total in reports)


def test_transcript_records_its_provenance(loaded, face_clip, tmp_path):
    import hashlib
    import shutil

    provenance = loaded.transcribe(face_clip, options(beam=3)).to_json()["provenance"]
    assert provenance["video"] == {
        "bytes": face_clip.stat().st_size, "sha256": hashlib.sha256(face_clip.read_bytes()).hexdigest(),
    }  # fmt: skip
    weights = (loaded.folder / "model.safetensors").read_bytes()
    assert provenance["model"] == {"name": loaded.name, "sha256": hashlib.sha256(weights).hexdigest()}
    assert (provenance["vsr"], provenance["faces"], provenance["search"]["beam"]) == (vsr.__version__, 1, 3)
    copy = shutil.copy(face_clip, tmp_path / "other_name.mp4")
    assert loaded.transcribe(copy, options(beam=3)).to_json()["provenance"] == provenance
    assert loaded.transcribe(face_clip, options(), faces="all").to_json()["provenance"]["faces"] == "all"


def test_journal_of_other_weights_is_not_resumed(tiny_model, speaker_and_listener, tmp_path, monkeypatch):
    """Two models may have the same name and settings, but other weights."""
    import shutil

    from vsr.inference.transcriber import transcribe

    other = shutil.copytree(tiny_model, tmp_path / tiny_model.name)
    with (other / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\0\0")
    monkeypatch.setattr("vsr.face.mouth_source.LONGEST", 60)
    journal = tmp_path / "two.journal"
    transcribe(load_model(tiny_model), speaker_and_listener, options(), journal=journal)
    with pytest.raises(VsrError, match="of another video, model or options"):
        transcribe(load_model(other), speaker_and_listener, options(), journal=journal, resume=True)


@pytest.mark.parametrize("option", ["--lexicon", "--hotwords"])
def test_missing_list_of_words_is_named(option, tiny_model, face_clip, capsys):
    assert main(["transcribe", str(face_clip), "--model", str(tiny_model), option, "absent.txt"]) == 1
    err = capsys.readouterr().err
    assert "absent.txt" in err and re.search("no such file", err, re.IGNORECASE) and len(err.splitlines()) == 1


def test_no_model_is_loaded_if_no_file_exists(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("vsr.modelstore.folder.load_model", lambda *arguments: pytest.fail("a model was loaded"))
    assert run_command(tmp_path / "no.mp4", tmp_path / "none.mp4", "--format", "json") == 1
    output = capsys.readouterr()
    records = [json.loads(line) for line in output.out.splitlines()]
    assert [record["error"]["reason"] for record in records] == ["unreadable"] * 2 and not records[0]["complete"]
    assert output.err.count("no such file") == 2
