"""A web page, a pointer or a folder instead of weights: one line says what it is."""

import gzip
import re

import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers.reading import read_checkpoint

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1000\n"
WRONG = [
    (b"<!DOCTYPE html><html>Quota exceeded</html>", "a web page"),
    (b"\xef\xbb\xbf \n<html>", "a web page"),
    (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "a web page"),
    (POINTER, "pointer of Git LFS .* 'git lfs pull'"),
    (b'{"error": "denied"}', "JSON text"),
    (gzip.compress(b"weights"), "a gzip archive: unpack it first"),
    (b"", "an empty file"),
]


def refusal(capsys, *arguments):
    assert main(list(arguments)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("content, what", WRONG, ids=[what.split(":")[0][:30] for _, what in WRONG])
def test_file_that_is_no_checkpoint_is_named_for_what_it_is(content, what, tmp_path, capsys):
    (tmp_path / "model.pth").write_bytes(content)
    line = refusal(capsys, "import", "auto_avsr", str(tmp_path / "model.pth"), "--out", str(tmp_path / "out"))
    assert str(tmp_path / "model.pth") in line and re.search(what, line)
    assert not (tmp_path / "out").exists()


def test_folder_is_no_checkpoint(tmp_path, capsys):
    assert "a folder: name the file in it" in refusal(capsys, "import", "av_hubert", str(tmp_path), "--out", "x")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_model_cloned_without_git_lfs_is_named(name, tiny_model, tmp_path):
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(POINTER if path.name == name else path.read_bytes())
    with pytest.raises(VsrError, match=f"{name} cannot be read: it is a pointer of Git LFS"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"\0\0\0\x20ftypisom" + bytes(64), b"`\0\0\0\0\0\0\0{}" + bytes(64)])
def test_film_and_safetensors_are_no_checkpoint_of_pytorch(tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(VsrError, match="it is none that torch.save wrote"):
        read_checkpoint(tmp_path / "film.mp4")
