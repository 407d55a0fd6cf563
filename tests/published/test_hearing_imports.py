"""Imported readers of sound and of both, by the commands: what is made, what each reads, what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tests.inference.test_listening import speech
from tests.published.formula import weights
from tests.published.test_import_command import train_upper, write_units
from tests.published.test_raven import UNITS
from tests.published_server import serving
from vsr.cli import main
from vsr.media.mux.mux import mux
from vsr.modelstore import catalogue as table
from vsr.text.tokenizer import SentencePieceTokenizer

GOLDEN = Path(__file__).parent / "golden"


def shapes(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())["shapes"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_video, make_face):
    """A face: silent, and with two sounds."""
    folder = tmp_path_factory.mktemp("heard")
    silent = make_video(folder / "silent.mp4", make_face(25))
    for name, seed in (("a.mkv", 0), ("other.mkv", 1)):
        mux(silent, speech(1.0, seed), folder / name)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of models made by the command: of auto_avsr, of each modality of USR, and of AV-HuBERT."""
    folder = tmp_path_factory.mktemp("imports")
    spm = train_upper()
    (folder / "tiny.model").write_bytes(spm)
    units = sorted(SentencePieceTokenizer(spm, "upper").units)[: 11 - 4] + ["ZZ"]
    write_units(folder / "tiny_units.txt", units)
    write_units(folder / "usr_units.txt", UNITS[1:])
    folders_by_name = {}
    for modality in ("sound", "both"):
        folders_by_name[f"auto_avsr_{modality}"] = run_import(
            folder, f"auto_avsr_{modality}", "auto_avsr", "--tokenizer", "tiny.model"
        )
    for modality in ("video", "sound", "both"):
        folders_by_name[f"usr_{modality}"] = run_import(
            folder, "usr", "usr", "--units", "usr_units.txt", "--modality", modality
        )
    return folders_by_name | {"av_hubert_both": av_hubert(folder)}


def run_import(folder, name, family, option, file, *options):
    path, out = folder / f"{name}.pth", folder / f"{name}{'_'.join(('', *options[-1:]))}"
    torch.save(weights(shapes(name)), path)
    assert main(["import", family, str(path), option, str(folder / file), "-o", str(out), *options]) == 0
    return out


def av_hubert(folder):
    """As published by MuAViC: tuned on sound and lips, with its dictionary and pieces in files beside it."""
    golden = json.loads((GOLDEN / "av_hubert.json").read_text())
    publish_av_hubert(folder / "av", golden)
    args = ["import", "av_hubert", str(folder / "av" / "checkpoint_best.pt"), "-o", str(folder / "av_hubert")]
    files = ["--tokenizer", str(folder / "av" / "tokenizer.model"), "--units", str(folder / "av" / "dict.es.txt")]
    assert main([*args, *files]) == 0
    return folder / "av_hubert"


def publish_av_hubert(folder, golden):
    folder.mkdir(parents=True, exist_ok=True)
    task = {"modalities": ["audio", "video"], "normalize": True}
    content = {"cfg": {"model": golden["settings"], "task": task}, "model": weights(golden["shapes"])}
    torch.save(content, folder / "checkpoint_best.pt")
    spm = train_upper()
    (folder / "tokenizer.model").write_bytes(spm)
    pieces = sorted(SentencePieceTokenizer(spm, "upper").units)[: len(golden["symbols"]) - 4]
    (folder / "dict.es.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")


def read(capsys, clip, model, *options):
    """(status, transcript or None, lines on stderr)."""
    status = main(["transcribe", str(clip), "--model", str(model), "--format", "json", "--beam", "3", *options])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, err.splitlines()


WAYS = [
    ("auto_avsr_sound", "sound"), ("auto_avsr_both", "both"), ("usr_video", "video"), ("usr_sound", "sound"),
    ("usr_both", "both"), ("av_hubert_both", "video"), ("av_hubert_both", "sound"), ("av_hubert_both", "both"),
]  # fmt: skip


@pytest.mark.parametrize("name, modality", WAYS)
def test_each_reads_a_clip_by_its_modality(folders, clips, capsys, name, modality):
    scores = []
    for clip in ("a.mkv", "other.mkv"):
        status, transcript, err = read(capsys, clips / clip, folders[name], "--modality", modality)
        assert status == 0, err
        assert transcript["provenance"].get("modality", "video") == modality
        scores.append([segment["nbest"][0]["score"] for segment in transcript["segments"]])
    assert scores[0] and (scores[0] != scores[1]) == (modality != "video")


@pytest.mark.parametrize(
    "name, clip, modality, message",
    [
        ("usr_both", "a.mkv", "video", "lips and sound together, and neither alone"),
        ("auto_avsr_both", "a.mkv", "sound", "lips and sound together, and neither alone"),
        ("auto_avsr_both", "silent.mp4", "both", "has no sound, and"),
        ("usr_sound", "a.mkv", "both", "does not see"),
        ("usr_video", "a.mkv", "sound", "does not hear"),
    ],
)
def test_modality_that_a_model_does_not_read_is_one_line(folders, clips, capsys, name, clip, modality, message):
    status, transcript, err = read(capsys, clips / clip, folders[name], "--modality", modality)
    assert status == (1 if "no sound" in message else 2)
    assert not (transcript or {}).get("segments") and len(err) == 1 and message in err[0]


def test_model_of_any_stream_reads_lips_of_a_silent_clip(folders, clips, capsys):
    status, transcript, _ = read(capsys, clips / "silent.mp4", folders["av_hubert_both"])
    assert status == 0 and transcript["segments"]


@pytest.mark.parametrize(
    "family, modality, message",
    [
        ("raven", "sound", "--modality is of av_hubert and usr"),
        ("av_hubert", "sound", "can be video or both; a folder of both reads sound alone, too"),
    ],
)
def test_impossible_modality_is_refused_before_anything_is_read(capsys, tmp_path, family, modality, message):
    out = tmp_path / "out"
    assert main(["import", family, "nowhere.pth", "-o", str(out), "--modality", modality]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not out.exists()


def test_reader_of_lips_is_not_replaced_by_one_of_both_from_the_same_file(folders, capsys):
    folder = folders["usr_video"].parent
    args = ["import", "usr", str(folder / "usr.pth"), "--units", str(folder / "usr_units.txt")]
    assert main([*args, "-o", str(folders["usr_video"]), "--modality", "both"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds another model" in line
    assert main([*args, "-o", str(folders["usr_video"]), "--modality", "video"]) == 0


@pytest.fixture
def web(tmp_path, monkeypatch):
    """The file hosts with small formula weights; the real units are known by their SHA-256: these are others."""
    monkeypatch.setenv("VSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("usr", "usr-sound", "usr-both"):
        known = table.ENTRIES[name]
        files = tuple(dataclasses.replace(file, sha256="") for file in known.files)
        monkeypatch.setitem(table.ENTRIES, name, dataclasses.replace(known, files=files))
    with serving(tmp_path / "web") as web:
        monkeypatch.setenv("VSR_MIRROR", web.address)
        yield web


def test_one_file_fetched_by_hand_becomes_three_readers(web, tmp_path, capsys, clips):
    units = web.folder / "raw.githubusercontent.com/ahaliassos/raven/main/labels/unigram1000_units.txt"
    units.parent.mkdir(parents=True)
    write_units(units, UNITS[1:])
    torch.save(weights(shapes("usr")), tmp_path / "downloaded.pth")
    for name, modality in (("usr", "video"), ("usr-sound", "sound"), ("usr-both", "both")):
        options = ["--from", str(tmp_path / "downloaded.pth"), "--accept-licence"]
        assert main(["models", "get", name, *options]) == 0
        capsys.readouterr()
        status, transcript, _ = read(capsys, clips / "a.mkv", name)
        assert (
            status == 0
            and transcript["provenance"].get("modality", "video") == modality
            and transcript["model"] == name
        )


def test_muavic_is_fetched_and_reads_lips_sound_and_both(web, capsys, clips):
    golden = json.loads((GOLDEN / "av_hubert.json").read_text())
    publish_av_hubert(web.folder / "dl.fbaipublicfiles.com/muavic/models/es_avsr", golden)
    assert main(["models", "get", "muavic-es", "--accept-licence"]) == 0
    capsys.readouterr()
    for modality in ("video", "sound", "both"):
        status, transcript, _ = read(capsys, clips / "a.mkv", "muavic-es", "--modality", modality)
        assert status == 0 and transcript["provenance"]["modality"] == modality
