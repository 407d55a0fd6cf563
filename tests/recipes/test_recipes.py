"""Recipes: the puppet one for real, and the rules that hold for all."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lip2speech.training.acoustic import VoiceTrainConfig
from lip2speech.vocoders.config import VocoderTrainConfig
from vsr.training.config import load_config
from vsr.training.language import LanguageTrainConfig

TOP = Path(__file__).parents[2]
RECIPES = sorted((TOP / "egs").glob("*/*/run.sh"))
CONFIGS = sorted((TOP / "egs").glob("*/*/conf/*.yaml"))


def test_there_are_recipes_and_configurations():
    assert len(RECIPES) >= 4 and len(CONFIGS) >= 7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_configuration_is_valid(path):
    if path.name.startswith("lm"):
        config = load_config(path, kind=LanguageTrainConfig)
        assert config.model_config(41).vocab_size == 41
    elif path.parts[-3] == "vsr":
        config = load_config(path)
        size = config.model.get("classes", 38) + 3
        assert config.model_config(size).vocab_size == size
    elif path.name.startswith("vocoder"):
        config = load_config(path, kind=VocoderTrainConfig)
        assert config.model_config().dim > 0
    else:
        config = load_config(path, kind=VoiceTrainConfig)
        assert config.model_config({"vocab_size": 41}, 50).reader == {"vocab_size": 41}
    assert config.data.tests, "a recipe names its tests, so that training can refuse them"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_rules_of_a_recipe(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert not re.search(r"CUDA_VISIBLE_DEVICES|/home/|/export/", text)
    helped = subprocess.run(["bash", path, "--help"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"stages? [01]", helped) and "--stage" in helped
    wrong = subprocess.run(["bash", path, "--no-such-option", "1"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "unknown option" in wrong.stderr


def test_no_links_in_the_tree():
    tracked = subprocess.run(["git", "-C", TOP, "ls-files", "-s"], capture_output=True, text=True, check=True)
    assert not [line for line in tracked.stdout.splitlines() if line.startswith("120000")]


def run_recipe(name, folder, *options):
    """Run egs/`name`/run.sh with the commands of this environment."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for command in ("vsr", "lip2speech"):
        tool = tools / command
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m {command}.cli "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    # A recipe puts $VENV/bin in front: here it holds the two commands above.
    environment = os.environ | {"VENV": str(folder), "PYTHONPATH": str(TOP)}
    words = ["bash", TOP / "egs" / name / "run.sh", "--work", folder / "work", *options]
    return subprocess.run(words, env=environment, capture_output=True, text=True)


TOY = ("--train", "8", "--dev", "2", "--test", "2", "--minutes", "0.1")


@pytest.mark.slow
def test_puppet_recipe_from_nothing_to_results(tmp_path):
    done = run_recipe("puppet/vsr", tmp_path, *TOY)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    assert re.search(r"\| test \| 2 \| 0 \| 12 \|", page)
    again = run_recipe("puppet/vsr", tmp_path, *TOY)
    assert again.returncode == 0 and again.stdout.count("done before") == 7, again.stdout + again.stderr


@pytest.mark.slow
def test_puppet_finds_its_voice_from_nothing_to_results(tmp_path):
    done = run_recipe("puppet/lip2speech", tmp_path, *TOY, "--tune-minutes", "0.05", "--nj", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    for row in ("natural", "copy", "copy32", "system"):
        assert re.search(rf"\| {row} \| 2 \| 0 \| 0 \|", page), page
    assert len(list((tmp_path / "work/exp/flow/result/pictures").glob("*.png"))) == 2
