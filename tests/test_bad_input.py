"""Odd and broken videos, made on the fly: each is read, or refused with one of the published reasons."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vsr.cli import main
from vsr.cli.commands import transcribe as command
from vsr.core.errors import CLIP_REASONS
from vsr.core.files import read_json

ROOT = Path(__file__).parents[1]


@pytest.fixture
def transcribe(tiny_model, capsys):
    """Transcribe one file with the command; returns its JSON record and the lines on stderr."""

    def run(video):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        arguments = [str(video), "--model", str(tiny_model), "--method", "ctc_greedy", "--format", "json"]
        status = command.run(parser.parse_args(arguments))
        output = capsys.readouterr()
        (line,) = output.out.splitlines()
        record = json.loads(line)
        assert status == (0 if record["error"] is None else 1)
        return record, output.err.splitlines()

    return run


def missing(folder, make):
    return folder / "missing.mp4"


def is_folder(folder, make):
    return folder


def is_pipe(folder, make):
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def empty(folder, make):
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text_file(folder, make):
    (folder / "text.mp4").write_text("this is no video\n" * 100, encoding="utf-8")
    return folder / "text.mp4"


def truncated(folder, make):
    """An mp4 keeps its index at the end: half of one cannot be read at all."""
    whole = make.video(folder / "whole.mp4", make.face(25))
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return folder / "cut.mp4"


def sound_only(folder, make):
    return make.sound(folder / "sound.mp4")


def one_frame(folder, make):
    return make.video(folder / "one.mp4", make.face(1))


def no_face(folder, make):
    rows = np.linspace(0, 255, 128).astype(np.uint8)
    return make.video(folder / "sky.mp4", np.broadcast_to(rows[None, :, None, None], (15, 128, 128, 3)))


def noise(folder, make):
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    return folder / "noise.mp4"


@pytest.fixture
def make(make_video, make_face, make_sound):
    from types import SimpleNamespace

    return SimpleNamespace(video=make_video, face=make_face, sound=make_sound)


@pytest.mark.parametrize(
    "case, reasons",
    [
        (missing, {"unreadable"}),
        (is_folder, {"unreadable"}),
        (is_pipe, {"unreadable"}),
        (empty, {"unreadable"}),
        (text_file, {"unreadable"}),
        (noise, {"unreadable", "no_video"}),
        (truncated, {"unreadable"}),
        (sound_only, {"no_video"}),
        (one_frame, {"too_short"}),
        (no_face, {"no_face"}),
    ],
)
def test_unusable_file_gives_published_reason_in_one_line(case, reasons, transcribe, make, tmp_path):
    video = case(tmp_path, make)
    record, errors = transcribe(video)
    assert record["error"]["reason"] in reasons & set(CLIP_REASONS)
    assert record["text"] == "" and record["segments"] == []
    (line,) = errors
    assert line.startswith("vsr: ") and str(video) in line and "Traceback" not in line


def test_file_name_that_is_not_utf8_is_read(tiny_model, make, tmp_path, capsys):
    video = make.video(tmp_path / "plain.mp4", make.face(25))
    path = video.rename(os.fsdecode(os.fsencode(tmp_path) + b"/f\xfclm.mp4"))
    arguments = ["transcribe", str(path), "--model", str(tiny_model), "--method", "ctc_greedy", "--format", "json"]
    assert main(arguments) == 0 and main([*arguments, "-o", str(tmp_path / "out")]) == 0
    (written,) = (tmp_path / "out").iterdir()
    assert json.loads(capsys.readouterr().out)["file"] == read_json(written)["file"] == str(path)


@pytest.mark.parametrize("fps", [5, 60])
def test_any_frame_rate_is_reported_and_keeps_duration(fps, transcribe, make, tmp_path):
    record, _ = transcribe(make.video(tmp_path / "rate.mp4", make.face(2 * fps), fps=fps))
    assert record["error"] is None
    assert record["fps"] == pytest.approx(fps, rel=0.02)
    assert record["duration"] == pytest.approx(2.0, abs=0.1)
    assert record["segments"][-1]["end"] <= 2.0 + 0.1


def test_variable_frame_rate_keeps_duration(transcribe, make, tmp_path):
    times = np.cumsum(np.r_[0, np.where(np.arange(29) % 2, 0.02, 0.08)])
    record, _ = transcribe(make.video(tmp_path / "variable.mp4", make.face(30), fps=30, times=times))
    assert record["error"] is None
    assert record["duration"] == pytest.approx(times[-1], abs=0.15)


def test_rotation_tag_is_applied(transcribe, make, tmp_path):
    av = pytest.importorskip("av")
    sideways = make.video(tmp_path / "lying.mp4", np.rot90(make.face(25), axes=(1, 2)))
    tagged = tmp_path / "turned.mp4"
    tagged.write_bytes(_with_rotation(sideways.read_bytes()))
    with av.open(str(tagged)) as container:
        assert abs(next(container.decode(video=0)).rotation) == 90
    record, _ = transcribe(tagged)
    assert record["error"] is None


def _with_rotation(mp4):
    """Put a quarter turn into the display matrix of the track header (ISO 14496-12, 8.3.2)."""
    start = mp4.index(b"tkhd") + 4 + 4 + 5 * 4 + 4 * 4  # flags, five times and ids, layer and volume
    unit = (1 << 16).to_bytes(4, "big")
    minus, one, zero = (-(1 << 16)).to_bytes(4, "big", signed=True), unit, bytes(4)
    matrix = zero + one + zero + minus + zero + zero + zero + zero + (1 << 30).to_bytes(4, "big")
    return mp4[:start] + matrix + mp4[start + 36 :]


@pytest.mark.parametrize(
    "name, codec, pixel_format",
    [
        ("gray.mp4", "libx264", "gray"),
        ("ten.mp4", "libx264", "yuv420p10le"),
        ("hevc10.mp4", "libx265", "yuv420p10le"),
        ("old.mpg", "mpeg1video", "yuv420p"),
        ("motion.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_other_codecs_and_pixel_formats_are_read(name, codec, pixel_format, transcribe, make, tmp_path):
    try:
        video = make.video(tmp_path / name, make.face(25), codec=codec, pixel_format=pixel_format)
    except Exception as error:  # the encoder, not the reader, is what may be missing here
        pytest.skip(f"this PyAV cannot write {codec} {pixel_format}: {error}")
    record, _ = transcribe(video)
    assert record["error"] is None


def test_4k_video_is_read(transcribe, make, tmp_path):
    face = make.face(1, 540)[0].repeat(4, axis=0).repeat(4, axis=1)
    image = np.pad(face, ((0, 0), (840, 840), (0, 0)), mode="edge")
    images = np.broadcast_to(image, (13, *image.shape))
    record, _ = transcribe(make.video(tmp_path / "4k.mp4", images, options={"preset": "ultrafast"}))
    assert record["error"] is None


def run_vsr(*arguments, **settings):
    command = [sys.executable, "-m", "vsr.cli", "transcribe", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)


def test_unwritable_output_folder_is_found_before_the_model_is_loaded(face_clip, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "model").mkdir()
    process = run_vsr(face_clip, "--model", tmp_path / "model", "-o", tmp_path / "file" / "out")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and out == ""
    assert len(err.splitlines()) == 1 and "cannot write" in err


DROPPED = "-dac_override,-dac_read_search"  # root's right to pass over permissions


def test_missing_permission_is_one_line_before_work(face_clip, tiny_model, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    (tmp_path / "secret.mp4").write_bytes(Path(face_clip).read_bytes())
    (tmp_path / "secret.mp4").chmod(0)
    user = [] if os.getuid() else ["setpriv", f"--inh-caps={DROPPED}", f"--bounding-set={DROPPED}"]
    if user and (
        not shutil.which("setpriv")
        or subprocess.run([*user, "test", "!", "-w", tmp_path / "closed"], capture_output=True, check=False).returncode
    ):
        pytest.skip("root's rights cannot be laid down here")
    vsr = [*user, sys.executable, "-m", "vsr.cli", "transcribe", "--model", tiny_model, "--method", "ctc_greedy"]
    for arguments, message in (
        ([face_clip, "-o", tmp_path / "closed"], f"vsr: cannot write to {tmp_path / 'closed'}: Permission denied"),
        ([tmp_path / "secret.mp4"], f"vsr: {tmp_path / 'secret.mp4'}: you may not read this file"),
    ):
        result = subprocess.run([*vsr, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout, result.stderr.splitlines()) == (1, "", [message])


def test_full_disk_is_reported_and_leaves_no_half_file(face_clip, tiny_model, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        (disk / "ballast").write_bytes(b"x" * 4096)
        process = run_vsr(face_clip, "--model", tiny_model, "--method", "ctc_greedy", "-o", disk)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert [line for line in err.splitlines() if "no space left" in line] and "Traceback" not in err
        assert [path.name for path in disk.iterdir()] == ["ballast"]
    finally:
        subprocess.run(["umount", disk], check=False)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_ends_with_130_one_line_and_no_half_file(face_clip, tiny_model, tmp_path):
    clips = []
    for index in range(400):  # more than any machine reads before the signal comes
        clips.append(tmp_path / f"{index}.mp4")
        clips[-1].symlink_to(face_clip)
    out = tmp_path / "out"
    process = run_vsr(*clips, "--model", tiny_model, "--format", "json", "--jobs", 2, "-o", out)
    deadline = time.monotonic() + 240
    while not (out.is_dir() and list(out.glob("*.json"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    finished = list(out.iterdir())
    assert 0 < len(finished) < len(clips)
    assert all(json.loads(path.read_text("utf-8"))["error"] is None for path in finished)
