"""Models on the hub: found by name, refused in one line, pushed with a page; and what happens without a network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import errors

from lip2speech.cli import LIP2SPEECH
from tests import local_hub
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.inference.bulk import Settings, transcribe_files
from vsr.modelstore.folder import SHIPPED, find_model, load_model
from vsr.modelstore.repository import model_files

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    return local_hub.install(monkeypatch, tmp_path / "hub")


def refusal(name):
    with pytest.raises(VsrError) as caught:
        find_model(name)
    assert len(str(caught.value).splitlines()) == 1 and str(name) in str(caught.value)
    return caught.value.reason, str(caught.value)


def test_model_on_the_hub_loads_like_a_folder(hub, tiny_model):
    (hub.add("org/name", tiny_model) / "pytorch_model.bin").write_bytes(b"a pickle")
    loaded = load_model("org/name")
    assert loaded.name == "tiny" and loaded.folder == hub.folder / "cache/org/name/main"
    assert set(hub.fetched) == {"config.json", "model.safetensors", "tokenizer.json"}


def test_revision_is_another_model(hub, tiny_model):
    hub.add("org/name", tiny_model)
    write_json(hub.add("org/name", tiny_model, "v2") / "tokenizer.json", {"kind": "char", "characters": "a b"})
    assert load_model("org/name").name == "tiny"
    with pytest.raises(VsrError, match="the tokenizer has 6 entries"):
        load_model("org/name@v2")
    reason, message = refusal("org/name@v3")
    assert reason == "hub_missing" and message.endswith("the model on the hub has no revision 'v3'")


def test_foreign_model_is_refused_before_its_weights_are_fetched(hub, tmp_path):
    (tmp_path / "bert").mkdir()
    write_json(tmp_path / "bert" / "config.json", {"model_type": "bert"})
    (tmp_path / "bert" / "model.safetensors").write_bytes(b"gigabytes")
    hub.add("org/bert", tmp_path / "bert")
    assert refusal("org/bert") == ("bad_model", 'org/bert: config.json has no "model" object')
    assert hub.fetched == ["config.json"]
    hub.add("org/empty", tmp_path / "bert", "other")
    (hub.folder / "org/empty/main").mkdir()
    assert "not a model folder" in refusal("org/empty")[1]


@pytest.mark.parametrize("name", ["grid", str(SHIPPED), SHIPPED])
def test_shipped_model_is_found_by_name(name):
    assert find_model(name) == SHIPPED


def test_default_model_has_a_name():
    assert find_model() == find_model("grid-tracks") == SHIPPED / "grid-tracks"


def test_folder_comes_before_the_hub_and_paths_are_never_looked_up_there(hub, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub.add("org/name", tiny_model)
    (tmp_path / "org" / "name").mkdir(parents=True)
    for name in ("org/name", "./org/nobody", "/org/name", "a/b/c", "../org/name"):
        assert find_model(name) == Path(name)
    with pytest.raises(VsrError, match="nobody: no such model folder"):
        find_model("nobody")
    assert hub.fetched == []


OFFLINE = errors.OfflineModeIsEnabled("offline mode is enabled")


def not_reached(cause=None):
    error = errors.LocalEntryNotFoundError("An error happened\nand we cannot find it in the cache")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error, reason, hint",
    [
        (local_hub.answer(errors.GatedRepoError, 403), "hub_denied", "terms"),
        (local_hub.answer(errors.RepositoryNotFoundError, 401), "hub_missing", "if it is private: hf auth login"),
        (local_hub.answer(errors.HfHubHTTPError, 403), "hub_denied", "the hub refuses (403)"),
        (local_hub.answer(errors.HfHubHTTPError, 503), "hub_offline", "the hub answers 503: try again later"),
        (not_reached(), "hub_offline", "check the network"),
        (not_reached(OFFLINE), "hub_offline", "HF_HUB_OFFLINE is set"),
        (OFFLINE, "hub_offline", "HF_HUB_OFFLINE is set"),
        (errors.HTTPError("no route"), "hub_offline", "check the network"),
        (errors.LocalTokenNotFoundError("token"), "hub_denied", "hf auth login"),
        (errors.HFValidationError("name"), "hub_missing", "the hub does not allow such a name"),
    ],
)
def test_error_of_the_hub_becomes_one_helpful_line(error, reason, hint, hub, tiny_model, tmp_path, capsys):
    hub.fails = error
    actual_reason, message = refusal("org/name")
    assert actual_reason == reason and hint in message and message.startswith("org/name: no such folder here, and ")
    assert main(["push", str(tiny_model), "org/name", "--licence", "mit"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vsr: org/name: ") and hint in line and "no such folder" not in line


def test_pushed_model_has_a_page_and_loads_again(hub, tiny_model, tmp_path, capsys):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / "MODEL_CARD.md").write_text("# The tiny one\n\nReads nonsense.\n", encoding="utf-8")
    (folder / "last.pt").write_bytes(b"a pickle")
    (folder / ".saving.x").mkdir()
    (folder / ".saving.x" / "config.json").touch()
    result = ROOT / "egs/grid/vsr/result.json"
    assert main(["push", str(folder), "org/tiny", "--licence", "cc-by-4.0", "--results", str(result)]) == 0
    assert capsys.readouterr().out == "https://huggingface.co/org/tiny\n"
    files = {path.name for path in (hub.folder / "org/tiny/main").iterdir()}
    assert files == {"README.md", *model_files(folder)} == {"README.md", "MODEL_CARD.md", *model_files(tiny_model)}
    assert load_model("org/tiny").config == load_model(tiny_model).config
    head, text = page_of(hub, "org/tiny")
    assert head["license"] == "cc-by-4.0" and head["library_name"] == "vsr" and head["metrics"] == ["cer", "wer"]
    lists = {entry["dataset"]["name"]: entry["metrics"][0] for entry in head["model-index"][0]["results"]}
    assert lists["test_s1"] == {"type": "wer", "value": 0.04}
    assert text.startswith("# The tiny one") and 'vsr.load_model("org/tiny")' in text and "| test_s1 | 100 |" in text


def page_of(hub, repository):
    """The YAML head and the Markdown of a model's page."""
    _, head, text = (hub.folder / repository / "main/README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), text.strip()


def test_page_without_card_and_figures_describes_the_model(hub, tiny_model):
    assert main(["push", str(tiny_model), "org/tiny", "--licence", "mit"]) == 0
    head, text = page_of(hub, "org/tiny")
    assert "model-index" not in head and "- frontend: video_transformer" in text and "None were given." in text


def test_licence_of_an_imported_model_is_on_its_page(hub, tiny_model, tmp_path):
    from vsr.modelstore.folder import save_model

    loaded = load_model(tiny_model)
    save_model(tmp_path / "imported", loaded.model, loaded.tokenizer, {"licence": "For research only."})
    assert main(["push", str(tmp_path / "imported"), "org/theirs"]) == 0
    head, text = page_of(hub, "org/theirs")
    assert head["license"] == "other" and "For research only." in text


def test_impossible_push_is_refused_before_anything_is_sent(hub, tiny_model, tmp_path, capsys):
    broken = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    lines = (
        [str(tiny_model), "org/x"],
        [str(broken), "org/x", "--licence", "mit"],
        [str(tiny_model), "org/x", "--licence", "mit", "--results", str(tmp_path / "other.json")],
        [str(tmp_path), "org/x", "--licence", "mit"],
    )
    assert [main(["push", *line]) for line in lines] == [2, 1, 1, 1]
    licence, weights, result, folder = capsys.readouterr().err.splitlines()
    assert "--licence" in licence and "model.safetensors" in weights
    assert "'scores'" in result and "config.json" in folder
    assert not (hub.folder / "org").exists()


def test_dry_run_shows_the_page_and_sends_nothing(hub, tiny_model, capsys):
    assert main(["push", str(tiny_model), "org/tiny", "--licence", "mit", "--dry-run"]) == 0
    assert "license: mit" in (page := capsys.readouterr().out) and page.endswith("tokenizer.json\n")
    assert not hub.folder.exists()


def test_pushed_voice_loads_again(hub, tmp_path):
    from lip2speech import load_model as load_voice
    from lip2speech.inference.folder import SHIPPED as VOICE

    result = ROOT / "egs/grid/lip2speech/result.json"
    assert LIP2SPEECH.main(["push", str(VOICE), "org/voice", "--licence", "apache-2.0", "--results", str(result)]) == 0
    assert load_voice("org/voice").config == load_voice().config
    assert "acoustic/units.safetensors" in hub.fetched
    head, text = page_of(hub, "org/voice")
    (system,) = [entry for entry in head["model-index"][0]["results"] if entry["dataset"]["name"] == "system"]
    stoi = json.loads(result.read_text("utf-8"))["rows"]["system"]["figures"]["stoi"]["mean"]
    assert {"type": "stoi", "value": round(stoi, 4)} in system["metrics"]
    assert 'lip2speech.load_model("org/voice")' in text and "| system | 100 |" in text
    with pytest.raises(VsrError, match="org/tiny/acoustic: no such model folder"):
        hub.add("org/tiny", SHIPPED)
        load_voice("org/tiny")


@pytest.mark.parametrize("options", [["--model", "org/tiny"], [], ["--model", "grid"]])
def test_calibration_changes_only_models_of_the_user(options, hub, tiny_model, tmp_path, capsys):
    hub.add("org/tiny", tiny_model)
    (tmp_path / "dev.jsonl").touch()
    arguments = ["--manifest", str(tmp_path / "dev.jsonl"), "--out", str(tmp_path / "out.jsonl"), "--calibrate"]
    assert main(["decode", *options, *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "calibration stores the confidence in the model" in line and "give it with --model" in line
    assert not (tmp_path / "out.jsonl").exists() and not (hub.folder / "cache").exists()


def test_processes_share_one_download(hub, tiny_model, face_clip):
    hub.add("org/name", tiny_model)
    settings = Settings("org/name", (("method", "ctc_greedy"),))
    transcripts = list(transcribe_files([str(face_clip)] * 2, settings, jobs=2))
    assert [transcript.error for transcript in transcripts] == [None, None]
    assert hub.fetched.count("model.safetensors") == 1


LOOK = """
from vsr.core.errors import VsrError
from vsr.modelstore.folder import find_model
try:
    print(find_model("org/name"))
except VsrError as error:
    print(error.reason, error, sep=": ")
"""


def find_with_real_library(folder, **settings):
    """What a process with the real library, whose cache is in ``folder``, finds under org/name."""
    environment = os.environ | {"HF_HOME": str(folder), "PYTHONPATH": str(ROOT)} | settings
    result = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.strip()


def test_real_library_without_network_is_one_line(tmp_path):
    start = "hub_offline: org/name: no such folder here, and "
    assert find_with_real_library(tmp_path, HF_HUB_OFFLINE="1").startswith(start + "HF_HUB_OFFLINE is set")
    message = find_with_real_library(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert message.startswith(start + "the hub cannot be reached")


def test_real_library_finds_a_cached_model_without_network(tiny_model, tmp_path):
    cached = tmp_path / "hub" / "models--org--name"
    shutil.copytree(tiny_model, cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    assert find_with_real_library(tmp_path, HF_HUB_OFFLINE="1") == str(cached / "snapshots" / ("0" * 40))
