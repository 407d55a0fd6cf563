"""Recipes: the puppet recipe is run, and rules hold for all."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from lip2speech.models.voice_config import VoiceConfig
from lip2speech.training.acoustic import VoiceTrainConfig
from lip2speech.training.face_voice import FaceTrainConfig
from lip2speech.training.listener import ListenerTrainConfig
from lip2speech.training.text_units import TextTrainConfig
from lip2speech.training.tokens import TokenTrainConfig
from lip2speech.training.translator import TranslatorTrainConfig
from lip2speech.vocoders.config import VocoderTrainConfig
from tests.recipes.programs import programs
from vsr.core.files import read_json
from vsr.training.config import load_config
from vsr.training.language import LanguageTrainConfig
from vsr.training.log import read_steps
from vsr.training.restoring_config import RestorerTrainConfig

TOP = Path(__file__).parents[2]
RECIPES = sorted((TOP / "egs").glob("*/*/run.sh"))
CONFIGS = sorted((TOP / "egs").glob("*/*/conf/*.yaml"))


def test_recipes_and_configurations_are_found():
    assert len(RECIPES) >= 4 and len(CONFIGS) >= 7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_configuration_is_valid(path):
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "llm" in settings:
        config = load_config(path, kind=RestorerTrainConfig)
        assert config.llm.sizes, "a dry run needs them"
    elif path.stem == "lm":
        config = load_config(path, kind=LanguageTrainConfig)
        assert config.model_config(41).vocab_size == 41
    elif path.parts[-3] == "vsr":
        config = load_config(path)
        size = config.model.get("classes", 38) + 3
        assert config.model_config(size).vocab_size == size
    elif path.name.startswith("listener"):
        config = load_config(path, kind=ListenerTrainConfig)
        assert config.data.features
    elif path.name.startswith("translator"):
        config = load_config(path, kind=TranslatorTrainConfig)
        assert config.model_config(50).units == 50
    elif path.stem == "say":
        config = load_config(path, kind=TextTrainConfig)
        assert config.model_config(50, ["a"]).phones == ("a",)
    elif path.name.startswith("face"):
        config = load_config(path, kind=FaceTrainConfig)
        assert config.data.features
    elif path.name.startswith("vocoder"):
        config = load_config(path, kind=VocoderTrainConfig)
        assert config.model_config().dim > 0
    elif "generator" in settings["model"]:
        config = load_config(path, kind=TokenTrainConfig)
        assert config.model_config(VoiceConfig()).condition > 0
    else:
        config = load_config(path, kind=VoiceTrainConfig)
        assert config.model_config({"vocab_size": 41}, 50).reader == {"vocab_size": 41}
    assert config.data.tests, "a recipe names its tests, so that training can refuse them"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_recipe_keeps_the_rules(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert not re.search(r"CUDA_VISIBLE_DEVICES|/home/|/export/", text)
    help_text = subprocess.run(["bash", path, "--help"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"stages? [01]", help_text) and "--stage" in help_text
    wrong = subprocess.run(["bash", path, "--no-such-option", "1"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "unknown option" in wrong.stderr and len(wrong.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_recipe_has_its_parts_and_names_no_other(path):
    folder, corpus = path.parent, path.parts[-3]
    assert all((folder / name).is_file() for name in ("path.sh", "cmd.sh", "README.md", "local/data.sh"))
    trains = "run_stage" in path.read_text(encoding="utf-8")
    assert any((folder / "conf").glob("*.yaml")) or not trains, "a test list alone needs no configuration"
    for script in (path, *(folder / "local").glob("*.sh"), *(folder / "conf").glob("*.yaml")):
        code = "\n".join(line.partition("#")[0] for line in script.read_text(encoding="utf-8").splitlines())
        others = re.findall(r"egs/\w+/\w+", code)
        assert set(others) <= {f"egs/{corpus}/{folder.name}"}, f"{script} names another recipe"
        assert not re.search(r"\bcd\b|\.\./(vsr|lip2speech)/", code), script


def test_no_symbolic_links_in_the_tree():
    tracked = subprocess.run(["git", "-C", TOP, "ls-files", "-s"], capture_output=True, text=True, check=True)
    assert not [line for line in tracked.stdout.splitlines() if line.startswith("120000")]


def begin_recipe(name, folder, *options):
    """Start egs/`name`/run.sh with the commands of this environment, in a process group of its own."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    programs().put(folder / "bin")
    # A recipe puts $VENV/bin first in PATH: here it has the two commands.
    command = ["bash", TOP / "egs" / name / "run.sh", "--work", folder / "work", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen(command, env=os.environ | {"VENV": str(folder), "PYTHONPATH": str(TOP)}, **pipes)


def run_recipe(name, folder, *options):
    """Run egs/`name`/run.sh to its end."""
    process = begin_recipe(name, folder, *options)
    output = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, *output)


CLIPS = ("--train", "4", "--dev", "1", "--test", "2", "--nj", "1")
TOY = (*CLIPS, "--minutes", "0.02")


@pytest.fixture(scope="module")
def puppet(tmp_path_factory):
    """A folder in which the recipe has run to its end."""
    folder = tmp_path_factory.mktemp("puppet")
    result = run_recipe("puppet/vsr", folder, *TOY)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.mark.slow
def test_puppet_recipe_from_nothing_to_results(puppet):
    work = puppet / "work"
    page = (work / "RESULTS.md").read_text(encoding="utf-8")
    assert re.search(r"\| puppet \| beam4 \| test \| 2 \| 0 \| 12 \|", page) and "egs/puppet/vsr/run.sh --work" in page
    names = {path.name for path in (work / "exp/puppet/decode_test_beam4").iterdir()}
    assert {"hyp.jsonl", "score.json", "score.tsv", "wer"} <= names
    assert (work / "exp/puppet/decode_test_beam4/wer").read_text().startswith("%WER ")
    logs = {path.stem for path in (work / "exp/puppet/log").glob("*.log")}
    assert {"prepare", "crop_train", "tokens", "train", "decode_test_beam4", "score_test_beam4"} <= logs
    columns, steps = read_steps(work / "exp/puppet/log/steps.tsv")
    assert columns[:5] == ["step", "epoch", "lr", "grad_norm", "frames_per_s"]
    assert [int(row[0]) for row in steps] == list(range(1, len(steps) + 1))
    assert len(steps) == read_json(work / "exp/puppet/model/config.json")["training"]["steps"]
    second = run_recipe("puppet/vsr", puppet, *TOY)
    assert second.returncode == 0 and second.stdout.count("done before") == 7, second.stdout + second.stderr


@pytest.mark.slow
def test_other_search_is_a_row_of_its_own_and_the_first_stays(puppet):
    assert run_recipe("puppet/vsr", puppet, *TOY, "--beam", "2", "--stage", "6").returncode == 0
    page = (puppet / "work" / "RESULTS.md").read_text(encoding="utf-8")
    assert page.index("| puppet | beam4 | test |") < page.index("| puppet | beam2 | test |")
    assert page.count("| puppet | beam4 | test |") == page.count("| puppet | beam2 | test |") == 1
    assert "--beam 2 --stage 6`" in page and "Search: method joint, beam 4" in page
    result = run_recipe("puppet/vsr", puppet, *TOY)
    assert result.stdout.count("done before") == 7, "what was decoded otherwise lies beside it"


@pytest.mark.slow
def test_run_killed_in_training_resumes(puppet, tmp_path):
    shutil.copytree(puppet / "work" / "data", tmp_path / "work" / "data")
    steps = tmp_path / "work/exp/killed/log/steps.tsv"
    options = (*CLIPS, "--name", "killed", "--config", str(config_of_epochs(tmp_path, 6)), "--minutes", "0")
    process = begin_recipe("puppet/vsr", tmp_path, *options)
    while process.poll() is None and not (steps.is_file() and steps.read_text().count("\n") > 3):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode and "stage 4" in output and "stage 5" not in output and output.count("done before") == 3
    result = run_recipe("puppet/vsr", tmp_path, *options)
    assert result.returncode == 0 and result.stdout.count("done before") == 3, result.stdout + result.stderr
    numbers = [int(row[0]) for row in read_steps(steps)[1]]
    assert numbers == list(range(1, len(numbers) + 1)), "a step stands once, also where it was done again"
    assert read_json(tmp_path / "work/exp/killed/model/config.json")["training"]["epochs"] == 6


def config_of_epochs(folder, epochs):
    """The toy's configuration for so many epochs, whatever the clock says."""
    text = (TOP / "egs/puppet/vsr/conf/tiny.yaml").read_text(encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(text.replace("max_minutes: 1.0", f"max_epochs: {epochs}"), encoding="utf-8")
    return path


@pytest.mark.slow
def test_puppet_speech_recipe_from_nothing_to_results(puppet, tmp_path):
    shutil.copytree(puppet / "work" / "data", tmp_path / "work" / "data")
    result = run_recipe("puppet/lip2speech", tmp_path, *TOY, "--tune-minutes", "0.01")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("done before") == 2, "the crops of the same clips are kept"
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    for row in ("natural", "copy", "copy32", "system"):
        assert re.search(rf"\| {row} \| 2 \| 0 \| 0 \|", page), page
    assert re.search(r"\| flow \| steps4_g1_t0.05_cross \| test \| 2 \| 0 \|", page), page
    assert len(list((tmp_path / "work/exp/flow").glob("decode_test_*/plots/*.png"))) == 2
