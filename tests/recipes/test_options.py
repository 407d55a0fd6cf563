"""Options of the recipes: each that a recipe declares reaches its variable."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = {"stage": "2", "stop_stage": "5"}
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_option_sets_its_variable(recipe):
    options = re.search(r'^options="([^"]*)"', recipe.read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    given = {option: STAGES.get(option, f"value-of-{option}") for option in options}
    words = [word for option in options for word in (f"--{option.replace('_', '-')}", given[option])]
    shown = "; ".join(f'echo "${option}"' for option in options)
    script = f'. "{ROOT}/tools/recipe.sh"; options="{" ".join(options)}"; parse_options "$@"; {shown}'
    done = subprocess.run(["bash", "-euc", script, "run.sh", *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(given.values())


WRONG = ("--stage x", "--stage 8", "--stage -1", "--stop-stage 1.5", "--stage 5 --stop-stage 2")


@pytest.mark.parametrize("words", WRONG)
def test_stages_that_are_none_are_wrong_usage(words, tmp_path):
    script = f'. "{ROOT}/tools/recipe.sh"; stage=0 stop_stage=7 options="stage stop_stage"; parse_options "$@"'
    done = subprocess.run(["bash", "-euc", script, "run.sh", *words.split()], capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "stage" in done.stderr
