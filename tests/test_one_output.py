"""Outputs named after their inputs: a/x.mp4 and b/x.mp4, x.mp4 and x.avi, X and x never replace one another's.

Files of a list's clips follow the list."""

import shutil

import numpy as np
import pytest

from lip2speech.inference.output_fingerprints import outdated_clips
from vsr.cli import main
from vsr.core.artifacts import Ledger, identify
from vsr.core.errors import VsrError
from vsr.core.files import ignores_case
from vsr.core.one_output import check_ids, outputs_of
from vsr.data.corrupting import Order, corrupt_corpus
from vsr.data.corruption import Corruption
from vsr.data.cropping import crop_corpus
from vsr.data.exchange.convert import Settings, convert
from vsr.data.manifest import Clip, write_manifest
from vsr.data.recordings import recordings
from vsr.data.video_corruption import Amount, VideoCorruption
from vsr.data.waves import write_waves

BLUR = Order(Corruption(video=VideoCorruption(blur=Amount(p=1e-12, values=(1.0,)))))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".made.jsonl"}


@pytest.fixture
def videos(tmp_path, face_clip, make_video, make_face):
    """Two videos of one name."""
    for name in "ab":
        (tmp_path / name).mkdir()
    shutil.copy(face_clip, tmp_path / "a/x.mp4")
    make_video(tmp_path / "b/x.mp4", make_face(30)[::-1])
    return [tmp_path / "a/x.mp4", tmp_path / "b/x.mp4"]


def encode(*arguments, model):
    return main(["encode", *map(str, arguments), "--model", str(model)])


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_states_of_another_video_are_kept(videos, tiny_model, tmp_path, capsys, kind):
    (first, second), out = videos, tmp_path / "states"
    options = ("-o", out, "--format", kind)
    assert encode(first, *options, model=tiny_model) == encode(first, *options, model=tiny_model) == 0
    before = contents(out)
    capsys.readouterr()
    assert encode(second, *options, model=tiny_model) == 1 and contents(out) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds the states of another video than" in line and "--force" in line
    assert encode(second, *options, "--force", model=tiny_model) == 0 and contents(out) != before
    shutil.copy(second, first)  # a copy is the same video
    assert encode(first, *options, model=tiny_model) == 0
    first.write_bytes(first.read_bytes() + b"\0")  # and what changes in its place is made again
    assert encode(first, *options, model=tiny_model) == 0


def test_states_are_refused_before_a_model_is_loaded(videos, tiny_model, tmp_path, monkeypatch):
    (first, second), out = videos, tmp_path / "states"
    shutil.copy(first, third := tmp_path / "third.mp4")
    assert encode(first, "-o", out, model=tiny_model) == 0
    assert encode(second, third, "-o", out, model=tiny_model) == 1 and (out / "third.safetensors").is_file()
    monkeypatch.setattr("vsr.modelstore.folder.load_model", lambda *rest: pytest.fail("a model is loaded"))
    assert encode(second, "-o", out, model=tiny_model) == 1


def test_states_of_older_versions_tell_their_video_by_its_name(videos, tiny_model, tmp_path):
    from safetensors.numpy import save_file

    for about, status in (({"file": str(videos[0])}, 0), ({"file": str(videos[1])}, 1), (None, 1)):
        save_file({"window": np.zeros(3)}, tmp_path / "x.safetensors", about)
        assert encode(videos[0], "-o", tmp_path, model=tiny_model) == status


def crops(videos, out):
    for video in videos:
        write_manifest(video.with_suffix(".jsonl"), [Clip("x", str(video), "bin")])
        yield lambda video=video: crop_corpus(video.with_suffix(".jsonl"), out)


def waves(videos, out):
    from vsr.media.mux.mux import mux

    for number, video in enumerate(videos):
        sound = video.with_name("s.mkv")
        mux(video, np.full(16_000, 0.1 + 0.1 * number, np.float32), sound)
        write_manifest(video.with_suffix(".jsonl"), [Clip("x", str(sound), "bin", num_frames=25, crop="x.npy")])
        yield lambda video=video: write_waves(video.with_suffix(".jsonl"), out, 1)


def corrupted(videos, out):
    for video in videos:
        yield lambda video=video: corrupt_corpus(recordings([video]), out, BLUR, 1)


def converted(videos, out):
    for video in videos:
        folder = video.parent / "crops"
        crop_corpus(next(iter_manifest(video)), folder)
        yield lambda folder=folder: convert(
            "manifest", "av_hubert", folder / "manifest.jsonl", out, Settings(subset="test")
        )


def iter_manifest(video):
    write_manifest(video.with_suffix(".jsonl"), [Clip("x", str(video), "bin")])
    yield video.with_suffix(".jsonl")


@pytest.mark.parametrize("verb", [crops, waves])
def test_file_of_a_clip_follows_the_video_that_its_list_names(videos, tmp_path, verb, capsys):
    out = tmp_path / "out"
    first, second = verb(videos, out)
    first()
    before = contents(out)
    capsys.readouterr()
    second()
    assert contents(out) != before and "1 made again (1 other video" in capsys.readouterr().err
    first()
    assert contents(out) == before


@pytest.mark.parametrize("verb", [corrupted, converted])
def test_file_of_another_clip_of_that_id_is_kept(videos, tmp_path, verb):
    out = tmp_path / "out"
    first, second = verb(videos, out)
    first()
    before = {path: path.read_bytes() for path in out.rglob("*.*") if path.is_file()}
    with pytest.raises(VsrError, match="another --out") as caught:
        second()
    assert caught.value.reason == "exists" and before == {path: path.read_bytes() for path in before}
    first()


def test_converted_crops_replace_nobody_elses(videos, tmp_path):
    (convert_first, _), mine = converted(videos, tmp_path / "out"), tmp_path / "out/video/test/x.mp4"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(VsrError, match="nothing says that vsr convert wrote it"):
        convert_first()
    assert mine.read_bytes() == b"mine"


def test_voice_of_other_features_is_made_again(tmp_path):
    clip, out = Clip("x", "x.mp4", "bin"), tmp_path / "out"
    out.mkdir()
    for name in ("x.wav", "x.safetensors"):
        (out / name).write_bytes(b"voice")
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    made = {"features": identify(tmp_path / "a"), "way of voicing": 1}
    for name in ("x.wav", "x.safetensors"):
        Ledger(out).add(name, made)
    assert outdated_clips(out, [clip], {"x": made})[0] == []
    assert outdated_clips(out, [clip], {"x": made | {"features": identify(tmp_path / "b")}})[0] == [clip]


@pytest.mark.parametrize(
    "pair, message",
    [
        (("x/a.mp4", "y/a.mp4"), "same file: read each with an -o"), (("a.mp4", "a.avi"), "same file"),
        (("a.mp4", "a.mp4"), "a.mp4 is given twice"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["transcribe", "encode"])
def test_two_videos_of_one_output_are_refused(verb, pair, message, tmp_path, capsys):
    assert main([verb, *pair, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("pair", [("A", "a"), ("caf\u00e9", "cafe\u0301"), ("Straße", "STRASSE")])
@pytest.mark.parametrize("blind", [True, False])
def test_names_that_are_one_on_some_disks_are_told_there(pair, blind, tmp_path, monkeypatch):
    assert ignores_case(tmp_path) is (tmp_path / "X").exists()
    monkeypatch.setattr("vsr.core.one_output.ignores_case", lambda folder: blind)
    if not blind:
        assert len(outputs_of(pair, str, tmp_path)) == 2
        check_ids(pair, tmp_path)
        return
    with pytest.raises(VsrError, match="same file"):
        outputs_of(pair, str, tmp_path)
    with pytest.raises(VsrError, match="are one file on this disk"):
        check_ids(pair, tmp_path)


def test_a_folder_is_asked_about_case_only_where_that_matters(tmp_path, monkeypatch):
    monkeypatch.setattr("vsr.core.one_output.ignores_case", lambda folder: pytest.fail("asked"))
    assert outputs_of(["a", "b"], lambda name: f"{name}.txt", tmp_path) == {
        "a": tmp_path / "a.txt", "b": tmp_path / "b.txt"}  # fmt: skip
