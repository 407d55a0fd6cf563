"""Recipes: the puppet one for real, and the rules that hold for all."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vsr.training.config import load_config

TOP = Path(__file__).parents[2]
RECIPES = sorted((TOP / "egs").glob("*/*/run.sh"))
CONFIGS = sorted((TOP / "egs").glob("*/*/conf/*.yaml"))


def test_there_are_recipes_and_configurations():
    assert len(RECIPES) >= 2 and len(CONFIGS) >= 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_configuration_is_valid(path):
    config = load_config(path)
    assert config.model_config(41).vocab_size == 41
    assert config.data.tests, "a recipe names its tests, so that training can refuse them"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_rules_of_a_recipe(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert not re.search(r"CUDA_VISIBLE_DEVICES|/home/|/export/", text)
    helped = subprocess.run(["bash", path, "--help"], capture_output=True, text=True, check=True).stdout
    assert "stage 1" in helped and "--stage" in helped
    wrong = subprocess.run(["bash", path, "--no-such-option", "1"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "unknown option" in wrong.stderr


def test_no_links_in_the_tree():
    tracked = subprocess.run(["git", "-C", TOP, "ls-files", "-s"], capture_output=True, text=True, check=True)
    assert not [line for line in tracked.stdout.splitlines() if line.startswith("120000")]


@pytest.mark.slow
def test_puppet_recipe_from_nothing_to_results(tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    tool = tmp_path / "bin" / "vsr"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m vsr.cli "$@"\n', encoding="utf-8")
    tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{tool.parent}:{os.environ['PATH']}", "PYTHONPATH": str(TOP)}
    options = ["--work", tmp_path / "work", "--train", "8", "--dev", "2", "--test", "2", "--minutes", "0.1"]
    done = subprocess.run(
        ["bash", TOP / "egs/puppet/vsr/run.sh", *options], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    assert re.search(r"\| test \| 2 \| 0 \| 12 \|", page)
    again = subprocess.run(
        ["bash", TOP / "egs/puppet/vsr/run.sh", *options], env=environment, capture_output=True, text=True
    )
    assert again.returncode == 0 and again.stdout.count("done before") == 7, again.stdout + again.stderr
