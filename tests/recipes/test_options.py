"""Options of the recipes: each that a recipe declares reaches its variable."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_option_sets_its_variable(recipe):
    options = re.search(r'^options="([^"]*)"', recipe.read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    words = [word for option in options for word in (f"--{option.replace('_', '-')}", f"value-of-{option}")]
    shown = "; ".join(f'echo "${option}"' for option in options)
    script = f'. "{ROOT}/tools/recipe.sh"; options="{" ".join(options)}"; parse_options "$@"; {shown}'
    done = subprocess.run(["bash", "-euc", script, "run.sh", *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"value-of-{option}" for option in options]
