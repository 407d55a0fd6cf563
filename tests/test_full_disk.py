"""A verb on a full disk says so in one line, and leaves neither files nor the folders it made."""

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
def full_disk(tmp_path_factory):
    """The folder of a disk on which nothing but folders can be made."""
    folder = tmp_path_factory.mktemp("full") / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    (folder / "ballast").write_bytes(b"x" * 2**16)
    yield folder
    subprocess.run(["umount", folder], check=False)


@pytest.fixture(scope="module")
def inputs(face_clip, tiny_model, tmp_path_factory):
    """A folder with manifests, and what CLIP, MODEL and OTHER stand for."""
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
def test_verb_on_full_disk_leaves_nothing(verb, full_disk, inputs, monkeypatch, capsys):
    folder, names = inputs
    monkeypatch.chdir(folder)
    names = names | {"OUT": str(full_disk / "new" / "out")}
    arguments = [names.get(word, word.replace("OUT/", f"{names['OUT']}/")) for word in VERBS[verb].split()]
    assert main([*verb.split(), *arguments]) == 1
    errors = capsys.readouterr().err
    assert "no space left" in errors.splitlines()[-1] and "Traceback" not in errors
    assert [path.name for path in full_disk.iterdir()] == ["ballast"]


def test_folders_made_for_nothing_are_removed(tmp_path):
    (tmp_path / "own").mkdir()
    for name in ("new", "own"):
        for fail in (_fail_in_made_folder, _fail_together):
            with pytest.raises(VsrError, match="refused"):
                fail(tmp_path / name / "a" / "b")
    assert [path.name for path in tmp_path.rglob("*")] == ["own"]
    with pytest.raises(VsrError, match="refused"), made_folder(tmp_path / "kept"):
        append_line(tmp_path / "kept" / "log", json.dumps({}))
        raise VsrError("bad_config", "refused")
    assert (tmp_path / "kept" / "log").is_file(), "a folder in which something is stays"


def test_too_long_name_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(VsrError, match="File name too long") as caught:
        write_text(tmp_path / "new" / ("n" * 260), "a")
    assert caught.value.reason == "not_writable" and not list(tmp_path.iterdir())


def _fail_in_made_folder(folder):
    with made_folder(folder):
        raise VsrError("bad_config", "refused")


def _fail_together(folder):
    with together():
        write_text(folder / "a.txt", "a")
        raise VsrError("bad_config", "refused")
