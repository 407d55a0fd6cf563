"""Language models and Whisper by their names on the hub: what is fetched, what never is, and what is refused."""

import json
from pathlib import Path

import pytest
from huggingface_hub import errors

from tests import local_hub
from tests.tiny_llm import save_tiny_llm
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.llm import load_text_model
from vsr.media.whisper import located_whisper
from vsr.models.text_backbone import load_backbone, located_backbone, weight_files


@pytest.fixture
def hub(monkeypatch, tmp_path):
    return local_hub.install(monkeypatch, tmp_path / "hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_llm(tmp_path_factory.mktemp("llm"))


def refusal(call, *arguments):
    with pytest.raises(VsrError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value.reason, str(caught.value)


def test_model_of_the_hub_equals_that_of_its_folder(hub, folder):
    (hub.add("org/tiny", folder) / "pytorch_model.bin").write_bytes(b"a pickle")
    (hub.folder / "org/tiny/main/onnx.py").write_text("raise SystemExit", "utf-8")
    texts = [["blue"], ["blew", "at"]]
    assert load_text_model("org/tiny").texts(texts) == load_text_model(folder).texts(texts)
    assert load_backbone("org/tiny")[2] == "mit"
    assert not {"pytorch_model.bin", "onnx.py"} & set(hub.fetched) and "model.safetensors" in hub.fetched
    assert [path.name for path in weight_files("org/tiny")] == ["model.safetensors"]


def test_combine_takes_a_model_of_the_hub(hub, folder, tmp_path):
    hub.add("org/tiny", folder)
    for name, text in (("a", "at blue"), ("b", "at blew")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "x", "text": text}) + "\n", "utf-8")
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    for name, out in (("org/tiny", "hub.jsonl"), (folder, "here.jsonl")):
        assert main(["combine", *files, "--method", "llm", "--llm", name, "--out", str(tmp_path / out)]) == 0
    assert (tmp_path / "hub.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()


def test_local_folder_comes_before_the_hub(hub, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("org").mkdir()
    Path("org/tiny").symlink_to(folder)
    assert located_backbone("org/tiny") == Path("org/tiny") and not hub.fetched


def test_only_the_named_gguf_file_is_fetched(hub, tmp_path):
    (tmp_path / "made").mkdir()
    for name in ("a.Q4.gguf", "a.Q8.gguf", "README.md"):
        (tmp_path / "made" / name).write_bytes(b"license: mit\n")
    hub.add("org/small", tmp_path / "made")
    assert located_backbone("org/small/a.Q4.gguf").name == "a.Q4.gguf"
    assert set(hub.fetched) == {"a.Q4.gguf", "README.md"}
    assert refusal(located_backbone, "org/small/b.gguf") == ("bad_model", "org/small: the hub has no b.gguf there")


def test_pickled_weights_are_refused_and_not_fetched(hub, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/config.json").write_text("{}", "utf-8")
    (tmp_path / "made/pytorch_model.bin").write_bytes(b"a pickle")
    hub.add("org/old", tmp_path / "made")
    assert refusal(load_backbone, "org/old") == ("bad_model", "org/old: the hub has no model*.safetensors there")
    assert "pytorch_model.bin" not in hub.fetched


def test_unknown_name_and_missing_network_are_one_line(hub):
    reason, message = refusal(load_backbone, "org/none")
    assert reason == "hub_missing" and message.startswith("org/none: no such folder here, and no such model on the hub")
    hub.fails = errors.OfflineModeIsEnabled("offline")
    assert refusal(located_backbone, "org/none")[0] == "hub_offline"


def test_whisper_of_the_hub_is_fetched_and_other_models_refused(hub, tmp_path):
    names = ("config.json", "tokenizer.json", "vocabulary.txt", "model.bin", "optimizer.pt")
    (tmp_path / "made").mkdir()
    for name in names:
        (tmp_path / "made" / name).write_bytes(b"{}")
    hub.add("org/whisper", tmp_path / "made")
    assert (located_whisper("org/whisper") / "model.bin").is_file() and "optimizer.pt" not in hub.fetched
    (tmp_path / "made/vocabulary.txt").unlink()
    hub.add("org/bert", tmp_path / "made")
    hub.fetched.clear()
    assert refusal(located_whisper, "org/bert") == ("bad_model", "org/bert: the hub has no vocabulary.* there")
    assert "model.bin" not in hub.fetched
