"""A verb that cannot write for want of space says so in a line, and leaves neither files nor the folders it made."""

import json
import subprocess

import numpy as np
import pytest

from tests.conftest import write_sound
from vsr.cli import main
from vsr.core.atomic import made_folder, together
from vsr.core.errors import VsrError
from vsr.core.files import append_line, write_text
from vsr.data.manifest import Clip, write_manifest

VERBS = {
    "transcribe": "CLIP -o OUT --model MODEL --method ctc_greedy", "encode": "CLIP -o OUT --model MODEL",
    "align": "CLIP --text ab -o OUT/a.srt --model MODEL", "inspect": "CLIP -o OUT/p.html --model MODEL",
    "crop": "--manifest videos.jsonl --out OUT --jobs 1", "tokens": "--manifest crops.jsonl --kind char --out OUT",
    "decode": "--manifest crops.jsonl --out OUT/h.jsonl --model MODEL --device cpu",
    "posteriors": "--manifest crops.jsonl --out OUT --model MODEL --device cpu",
    "average": "--models MODEL OTHER --out OUT", "phrases enrol": "ab CLIP --folder OUT --model MODEL",
    "convert": "--from manifest --input videos.jsonl --to kaldi --out OUT",
    "waves": "--manifest heard.jsonl --out OUT --jobs 1",
    "corrupt": "crops.jsonl --crops --occlude 0.5 --out OUT --jobs 1",
}  # fmt: skip


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """The folder of a disk on which nothing but folders can be made."""
    folder = tmp_path_factory.mktemp("full") / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    (folder / "ballast").write_bytes(b"x" * 2**16)
    yield folder
    subprocess.run(["umount", folder], check=False)


@pytest.fixture(scope="module")
def work(face_clip, tiny_model, tmp_path_factory):
    """A folder with lists, and what stands for CLIP, MODEL and OTHER."""
    folder = tmp_path_factory.mktemp("work")
    np.save(folder / "a.npy", np.random.default_rng(0).integers(0, 255, (30, 96, 96), np.uint8))
    sound = write_sound(folder / "s.wav", 2.0)
    write_manifest(folder / "videos.jsonl", [Clip("v", str(face_clip), "a b")])
    write_manifest(folder / "crops.jsonl", [Clip("a", "none", "a b", "s", 30, str(folder / "a.npy"))])
    write_manifest(folder / "heard.jsonl", [Clip("a", str(sound), "a b", "s", 30, str(folder / "a.npy"))])
    other = folder / "other"
    other.mkdir()
    for path in tiny_model.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    return folder, {"CLIP": str(face_clip), "MODEL": str(tiny_model), "OTHER": str(other)}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb(verb, disk, work, monkeypatch, capsys):
    folder, names = work
    monkeypatch.chdir(folder)
    names = names | {"OUT": str(disk / "new" / "out")}
    words = [names.get(word, word.replace("OUT/", f"{names['OUT']}/")) for word in VERBS[verb].split()]
    assert main([*verb.split(), *words]) == 1
    told = capsys.readouterr().err
    assert "no space left" in told.splitlines()[-1] and "Traceback" not in told
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_folders_go_that_were_made_for_nothing(tmp_path):
    (tmp_path / "own").mkdir()
    for inner in ("new", "own"):
        for work in (_made, _together):
            with pytest.raises(VsrError, match="refused"):
                work(tmp_path / inner / "a" / "b")
    assert [path.name for path in tmp_path.rglob("*")] == ["own"]
    with pytest.raises(VsrError, match="refused"), made_folder(tmp_path / "kept"):
        append_line(tmp_path / "kept" / "log", json.dumps({}))
        raise VsrError("bad_config", "refused")
    assert (tmp_path / "kept" / "log").is_file(), "a folder in which something is stays"


def test_a_name_that_is_too_long_costs_its_file_alone(tmp_path):
    with pytest.raises(VsrError, match="File name too long") as caught:
        write_text(tmp_path / "new" / ("n" * 260), "a")
    assert caught.value.reason == "not_writable" and not list(tmp_path.iterdir())


def _made(folder):
    with made_folder(folder):
        raise VsrError("bad_config", "refused")


def _together(folder):
    with together():
        write_text(folder / "a.txt", "a")
        raise VsrError("bad_config", "refused")
