"""Published readers by name: fetched from a small local web of formula weights, accepted, converted and kept."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tests.published.formula import weights
from tests.published.test_import_command import train_upper, write_units
from tests.published_server import serving
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.defaults import options_for
from vsr.modelstore import catalogue as table
from vsr.modelstore.entry import BY_HAND, READY
from vsr.modelstore.folder import load_model
from vsr.modelstore.store import cache_folder, folder_of, is_available
from vsr.text.tokenizer import SentencePieceTokenizer

GOLDEN = json.loads((Path(__file__).parents[1] / "published" / "golden" / "vsr4ml_latest.json").read_text())
GIT = "raw.githubusercontent.com/mpc001/auto_avsr/main/spm/unigram/unigram5000"
READER, LANGUAGE = "Amanvir/LRS3_V_WER19.1/resolve/main", "Amanvir/lm_en_subword/resolve/main"


@pytest.fixture
def web(tmp_path, monkeypatch):
    """The hub and the file hosts with small parts of `lrs3`; no licence is accepted and nothing fetched yet."""
    monkeypatch.setenv("VSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving(tmp_path / "web") as web:
        monkeypatch.setenv("HF_ENDPOINT", web.address)
        monkeypatch.setenv("VSR_MIRROR", web.address)
        publish(web)
        # the real pieces are known by their SHA-256: these are others
        known = table.ENTRIES["lrs3"]
        files = tuple(dataclasses.replace(file, sha256="") for file in known.files)
        monkeypatch.setitem(table.ENTRIES, "lrs3", dataclasses.replace(known, files=files))
        yield web


def publish(web):
    """The files of the hub and of the repository of pieces."""
    spm = train_upper()
    web.add(f"{GIT}.model", spm)
    units = sorted(SentencePieceTokenizer(spm, "upper").units)[: 11 - 4] + ["ZZ"]
    write_units(web.folder / f"{GIT}_units.txt", units)
    save(web, f"{READER}/model", GOLDEN["shapes"], [80, 11, GOLDEN["settings"] | {"labels_type": "unigram5000"}])
    save(web, f"{LANGUAGE}/model", GOLDEN["language"]["shapes"], GOLDEN["language"]["settings"])


def save(web, name, shapes, settings):
    web.add(f"{name}.json", json.dumps(settings).encode())
    torch.save(weights(shapes), web.folder / f"{name}.pth")


def line(capsys):
    (message,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("vsr: ")]
    return message


def test_get_makes_a_reader_with_language_model_and_published_search(web, capsys):
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 0
    output = capsys.readouterr()
    assert "non-commercial" in output.err and "blob/master/LICENSE" in output.err
    folder = folder_of(table.ENTRIES["lrs3"])
    assert output.out == f"lrs3: {folder}\n" and is_available(table.ENTRIES["lrs3"])
    assert sorted(path.name for path in folder.parent.iterdir()) == ["known.json", "lrs3"]
    loaded = load_model("lrs3")
    assert loaded.name == "lrs3" and loaded.config["language"] == "en" and "19.1" in loaded.config["published"]["error"]
    options = options_for(loaded)
    assert (options.beam, options.ctc_weight, options.lm_weight) == (40, 0.1, 0.3)
    assert options.lm == str(folder / "lm")
    assert options_for(loaded, {"beam": 3}).beam == 3 and options_for(loaded, {"nbest": 50, "beam": 60}).nbest == 50
    assert options_for(loaded, {"lm": "none"}).lm == "" and options_for(loaded, {"method": "ctc_greedy"}).lm == ""


def test_transcribe_needs_no_network_after_the_first_fetch(web, capsys, monkeypatch, face_clip):
    arguments = ["transcribe", str(face_clip), "--model", "lrs3", "--format", "json", "--beam", "3"]
    assert main(arguments) == 1
    assert line(capsys) == ("vsr: the licence of lrs3 must be accepted first: vsr models get lrs3 --accept-licence")
    assert not web.asked
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 0
    requests = len(web.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    capsys.readouterr()
    assert main(arguments) == 0
    transcript = json.loads(capsys.readouterr().out)
    assert transcript["model"] == "lrs3" and transcript["provenance"]["languages"]["lm"] and len(web.asked) == requests
    assert transcript["provenance"]["search"]["beam"] == 3 and transcript["provenance"]["search"]["lm_weight"] == 0.3


def test_licence_is_asked_on_a_terminal_and_once(web, monkeypatch, capsys):
    from vsr.modelstore import store

    known, prompts = table.ENTRIES["lrs3"], []
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    with pytest.raises(VsrError, match="must be accepted first"):
        store.accept_licence(known, False, lambda prompt: prompts.append(prompt) or "no")
    store.accept_licence(known, False, lambda prompt: prompts.append(prompt) or "yes")
    # the same licence
    store.accept_licence(table.ENTRIES["spanish"], False, lambda prompt: prompts.append(prompt) or "no")
    assert len(prompts) == 2


def test_interrupted_fetch_is_resumed(web, capsys):
    web.break_at = 20_000
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 1
    assert "broke off; run again" in line(capsys) and not is_available(table.ENTRIES["lrs3"])
    web.break_at = None
    assert main(["models", "get", "lrs3"]) == 0
    assert (f"{READER}/model.pth", "bytes=20000-") in web.asked


def test_changed_checksum_is_refused_and_the_old_model_stays(web, capsys):
    main(["models", "get", "lrs3", "--accept-licence"])
    before = (folder_of(table.ENTRIES["lrs3"]) / "model.safetensors").read_bytes()
    web.add(f"{READER}/model.pth", b"something else")
    assert main(["models", "get", "lrs3", "--force"]) == 1
    assert "is not the file it was" in line(capsys)
    assert (folder_of(table.ENTRIES["lrs3"]) / "model.safetensors").read_bytes() == before


def test_pieces_are_known_by_their_checksum_before_the_first_fetch(web, capsys, monkeypatch):
    lrs3 = next(known for known in table.CATALOGUE if known.name == "lrs3")
    monkeypatch.setitem(table.ENTRIES, "lrs3", lrs3)
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 1
    assert "unigram5000.model is not the file it was" in line(capsys) and not is_available(lrs3)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda web: (web.folder / LANGUAGE / "model.pth").unlink(), "answers 404"),
        (lambda web: web.add(f"{LANGUAGE}/model.json", b"{}"), "head None"),
        (lambda web: web.add(f"{READER}/model.json", b"no"), "model.json"),
        (lambda web: web.add(f"{READER}/model.pth", b"no"), "no checkpoint that can be read safely"),
    ],
)
def test_files_that_do_not_fit_leave_no_model(web, capsys, damage, message):
    damage(web)
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 1
    assert message in line(capsys) and not folder_of(table.ENTRIES["lrs3"]).exists()


def test_pickle_is_not_run(web, capsys, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"model": Trap()}, web.folder / READER / "model.pth")
    assert main(["models", "get", "lrs3", "--accept-licence"]) == 1
    assert not (tmp_path / "sprung").exists()


SPANISH = ["<blank>", "<unk>", "'", *"ABCÑOÁ", "<space>", "<eos>"]


@pytest.mark.parametrize("with_lm", [True, False])
def test_reader_of_letters_is_converted_from_files_fetched_by_hand(web, tmp_path, capsys, with_lm):
    assert main(["models", "get", "spanish"]) == 1
    assert "must be fetched by hand from github.com" in line(capsys)
    files = tmp_path / "hand"
    (files / "lm").mkdir(parents=True)
    torch.save(weights(GOLDEN["shapes"]), files / "model.pth")
    (files / "model.json").write_text(json.dumps(GOLDEN["settings"] | {"char_list": SPANISH}))
    if with_lm:
        torch.save(weights(GOLDEN["language"]["shapes"]), files / "lm" / "model.pth")
        (files / "lm" / "model.json").write_text(json.dumps(GOLDEN["language"]["settings"]))
    assert main(["models", "get", "spanish", "--from", str(files), "--accept-licence"]) == 0
    loaded = load_model("spanish")
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("Año")) == "AÑO"
    options = options_for(loaded)
    assert (options.beam, bool(options.lm)) == (30, with_lm) and (files / "model.pth").exists()
    assert options.lm_weight == (0.4 if with_lm else options.lm_weight)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["transcribe", __file__, "--model", "lsr3"], "near: lrs3"),
        (["models", "get", "spansh"], "near: spanish"),
        (["models", "get", "usr2"], "must be fetched by hand from github.com/ahaliassos/usr2"),
        (["models", "get", "usr2-both"], "(usr2_huge.pth); then: vsr models get usr2-both --from FILE"),
        (["models", "get", "mandarin"], "then: vsr models get mandarin --from FOLDER"),
        (["transcribe", __file__, "--model", "raven-sond"], "near: raven-sound"),
        (["models", "get", "cogenav"], "by hand from huggingface.co/detao/CoGenAV (large_cogenav.pt)"),
        (["models", "get", "grid"], "in the package"),
        (["models", "get"], "needs a name"),
        (["models", "get", "spanish", "--from", "nowhere", "--accept-licence"], "nowhere: no such file"),
        (["models", "list", "--force"], "are for vsr models get"),
        (["models", "list", "qqqqqq"], "vsr models lists all"),
    ],
)
def test_bad_input_is_one_line(web, capsys, arguments, message):
    assert main(arguments) == (2 if message in ("needs a name", "are for vsr models get") else 1)
    assert message in line(capsys) and not web.asked


def test_no_licence_is_accepted_for_missing_files(web, capsys, tmp_path):
    assert main(["models", "get", "spanish", "--from", "nowhere", "--accept-licence"]) == 1
    assert line(capsys) == "vsr: nowhere: no such file or folder"
    (tmp_path / "here").mkdir()
    assert main(["models", "get", "spanish", "--from", str(tmp_path / "here")]) == 1
    assert "must be accepted first" in line(capsys)


def test_list_describes_every_model(web, capsys):
    assert main(["models"]) == 0
    page = capsys.readouterr().out
    for known in table.CATALOGUE:
        row = next(text for text in page.splitlines() if text.startswith(known.name + " "))
        assert known.language in row and known.error in row and known.kind in row
        assert known.licence.name in page and known.place in page and known.note in page
    assert main(["models", "list", "grid", "lrs3", "--json"]) == 0
    shipped, lrs3 = json.loads(capsys.readouterr().out)
    assert shipped["here"] and not lrs3["here"]
    assert lrs3["files"][0]["address"] == "hub:Amanvir/LRS3_V_WER19.1/model.pth"


def test_table_is_consistent():
    from vsr.modelstore.importers.published import FAMILIES

    assert len(table.ENTRIES) == len(table.CATALOGUE)
    for known in table.CATALOGUE:
        assert (known.family in FAMILIES) == (known.state in (READY, BY_HAND)), known.name
        assert bool(known.files) == bool(known.family)
        assert all(file.address for file in known.files) == (known.state == READY) or not known.files
        assert known.language and known.error and known.licence.url and known.place


def test_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("VSR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "vsr"
    monkeypatch.setenv("VSR_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


@pytest.mark.parametrize("decode", [{"beam": 0}, {"width": 3}, {"lm": "/etc"}, {"lm": "../x"}, [], {"beam": "many"}])
def test_impossible_search_in_a_config_is_refused(tiny_model, decode):
    loaded = load_model(tiny_model)
    loaded.config["decode"] = decode
    with pytest.raises(VsrError) as caught:
        options_for(loaded)
    assert caught.value.reason == "bad_model"


@pytest.mark.parametrize("files", [{}, {"config.json": '{"model_type": "bert"}', "model.safetensors": ""}, None])
def test_folder_without_a_whisper_is_named_before_anything_is_fetched(files, tmp_path, capsys):
    folder = tmp_path / "whisper"
    for name, text in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if files == {}:
        folder.mkdir()
    assert main(["models", "get", "cogenav", "--whisper", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--whisper {folder}: no folder of a Whisper" in line and "openai/whisper-small" in line
