"""Files are written whole or not at all; errors carry their reason everywhere."""

import errno
import os
import pickle
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from vsr.cli.options import check_present
from vsr.core import clock
from vsr.core.atomic import system_error
from vsr.core.errors import VsrError
from vsr.core.files import (
    append_line,
    atomic_write,
    check_output,
    check_writable,
    may_not_read,
    read_json,
    read_lines,
    write_json,
    write_lines,
)


def test_failed_write_leaves_old_file_and_no_temporary_file(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"text": "née"})
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        assert temporary.suffix == ".json" and temporary.parent == path.parent
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert read_json(path) == {"text": "née"}
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_or_device_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for write in (check_output, lambda path: write_json(path, {})):
        with pytest.raises(VsrError, match="it is a device or a pipe") as caught:
            write(pipe)
        assert caught.value.reason == "not_writable" and pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_lines_are_written(tmp_path):
    write_lines(tmp_path / "a.txt", (f"line {n}" for n in range(2)))
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "line 0\nline 1\n"


def test_lines_of_any_editor_are_read_and_unicode_separators_kept(tmp_path):
    (tmp_path / "windows.txt").write_bytes("\ufeffone\r\n\r\ntwo\u2028half\x85\r\n".encode())
    assert read_lines(tmp_path / "windows.txt") == [(1, "one"), (3, "two\u2028half\x85")]
    with pytest.raises(VsrError, match="nowhere.txt: No such file") as caught:
        read_lines(tmp_path / "nowhere.txt")
    assert caught.value.reason == "bad_manifest"


def test_name_that_is_not_utf8_survives_json(tmp_path):
    name = b"f\xfclm.mp4".decode("utf-8", "surrogateescape")
    write_json(tmp_path / "a.json", {"file": name, "text": "née"})
    assert read_json(tmp_path / "a.json") == {"file": name, "text": "née"}


def test_unwritable_path_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(VsrError, match="cannot write") as caught:
        write_json(tmp_path / "file" / "a.json", {})
    assert caught.value.reason == "not_writable"


def test_output_is_checked_before_the_work(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "link.mp4").symlink_to("film.mp4")
    for out, reason in (("film.mp4", "bad_config"), ("link.mp4", "bad_config"), ("", "not_writable")):
        with pytest.raises(VsrError) as caught:
            check_output(tmp_path / out, tmp_path / "film.mp4")
        assert caught.value.reason == reason
    with pytest.raises(VsrError, match="cannot write"):
        check_output(tmp_path / "film.mp4" / "new" / "page.html")
    check_output(tmp_path / "new" / "page.html", tmp_path / "film.mp4", tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "link.mp4"]


def test_folder_is_checked_before_the_work(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"film")
    check_writable(tmp_path / "new" / "folder")
    for folder in (tmp_path / "film.mp4", tmp_path / "film.mp4" / "new", "/dev/null/x"):
        with pytest.raises(VsrError, match="cannot write to .*: Not a directory"):
            check_writable(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_file_without_permission_is_told_from_missing_file(tmp_path, monkeypatch):
    """Patched, as root may read everything."""
    (tmp_path / "a.mp4").write_bytes(b"a")
    assert not may_not_read(tmp_path / "a.mp4") and not may_not_read(tmp_path / "nowhere.mp4")

    def denied(path, *given, **more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("vsr.core.files.os.access", lambda path, mode: False)
        assert may_not_read(tmp_path / "a.mp4")
        with pytest.raises(VsrError, match="a.mp4: you may not read this file"):
            check_present([str(tmp_path / "a.mp4")])
        patch.setattr("vsr.core.files.os.stat", denied)
        assert may_not_read(tmp_path / "folder" / "b.mp4")


def test_full_disk_is_no_space_error(tmp_path):
    with pytest.raises(VsrError) as caught, atomic_write(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.reason == "no_space"
    assert not list(tmp_path.iterdir())


@contextmanager
def no_file_above(size):
    """Like a full disk, but needs none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_failed_write_of_safetensors_names_file_and_cause(tmp_path):
    """safetensors reports the system's error as text only, which was a traceback once."""
    refusal = pytest.raises(VsrError, match="cannot write .*a.safetensors: File too large")
    with no_file_above(1000), refusal as caught, atomic_write(tmp_path / "a.safetensors") as temporary:
        save_file({"a": np.zeros(3000, np.float32)}, temporary)
    assert caught.value.reason == "not_writable" and not list(tmp_path.iterdir())


def test_failed_write_of_numpy_names_file_and_cause(tmp_path):
    """numpy raises "691200 requested and 307072 written", an OSError without a number or file name."""
    refusal = pytest.raises(VsrError, match="cannot write .*a.npy: File too large")
    with no_file_above(100_000), refusal, atomic_write(tmp_path / "a.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.zeros(100_000))
    assert not list(tmp_path.iterdir())


def test_failed_write_of_pytorch_names_file_and_cause(tmp_path):
    """PyTorch raises "unexpected pos 704 vs 598" and names no file."""
    refusal = pytest.raises(VsrError, match="cannot write .*last.pt: File too large")
    with no_file_above(100_000), refusal, atomic_write(tmp_path / "last.pt") as temporary:
        torch.save({"a": torch.zeros(100_000)}, temporary)
    assert not list(tmp_path.iterdir())


def test_other_errors_of_a_library_pass_through(tmp_path):
    with pytest.raises(RuntimeError, match="of its own"), atomic_write(tmp_path / "a.pt") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("of its own")
    assert not list(tmp_path.iterdir())


def test_line_that_cannot_be_appended_names_its_file(tmp_path):
    path = tmp_path / "log" / "steps.tsv"
    append_line(path, "one")
    append_line(path, "two\ttwo", safe=True)
    assert path.read_text("utf-8") == "one\ntwo\ttwo\n"
    with no_file_above(5), pytest.raises(VsrError, match="cannot write .*steps.tsv: File too large"):
        append_line(path, "three")


def test_other_errors_of_safetensors_pass_through(tmp_path):
    with pytest.raises(SafetensorError), atomic_write(tmp_path / "a.safetensors") as temporary:
        temporary.write_bytes(b"no such file")
        load_file(temporary)
    full = system_error(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert full is not None and full.errno == errno.ENOSPC


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(VsrError("no_face", "clip.mp4: no face")))
    assert (error.reason, str(error)) == ("no_face", "clip.mp4: no face")


def test_clock_ratios_are_exact():
    assert (clock.SAMPLES_PER_FRAME, clock.MELS_PER_FRAME, clock.UNITS_PER_FRAME) == (640, 4, 2)
    with pytest.raises(ValueError, match="not a multiple"):
        clock.exact(16_000, 24_001)


@pytest.mark.parametrize("name", ["touch", "stat", "unlink"])
def test_interrupt_at_any_moment_leaves_no_temporary_file(tmp_path, monkeypatch, name):
    """Right after the file is made, before its mode is known, and while it is removed."""
    original, interrupts = getattr(Path, name), []

    def interrupted(path, *arguments, **options):
        result = original(path, *arguments, **options) if name != "unlink" or interrupts else None
        if not interrupts:
            interrupts.append(path)
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Path, name, interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_text("{}")
        raise OSError(errno.EIO, "the disk is gone")
    monkeypatch.undo()
    assert interrupts and not list(tmp_path.iterdir())
