"""Options of the recipes: each stands once, in a table, from which defaults, parsing and --help come."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = sorted(ROOT.glob("egs/*/*/run.sh"))
TABLE = re.compile(r"^declare_options <<'TABLE'\n(.*?)^TABLE$", re.MULTILINE | re.DOTALL)
VALUES = {"N": "3", "X": "0.25", "DIR": "/a/folder", "FILE": "/a/file", "YAML": "/a/b.yaml"}
VALUES |= {"stage": "2", "stop-stage": "5"}


def table_of(recipe):
    """(name, kind, default) of each option of a recipe."""
    lines = TABLE.search(recipe.read_text(encoding="utf-8"))[1].splitlines()
    return [tuple(line.split()[:3]) for line in lines] + [("stage", "N", "0"), ("stop-stage", "N", "7")]


def value_of(name, kind):
    return VALUES.get(name) or VALUES.get(kind) or kind.split("|")[-1]


def bash(script, *words, folder=None):
    return subprocess.run(["bash", "-euc", script, "run.sh", *words], cwd=folder, capture_output=True, text=True)


def parsed(table, then, *words, folder=None):
    script = f'here={ROOT}/egs; . "{ROOT}/tools/recipe.sh"; declare_options <<"TABLE"\n{table}\nTABLE\n'
    return bash(f'{script}parse_options "$@"; {then}', *words, folder=folder)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_option_sets_its_variable(recipe):
    options = table_of(recipe)
    given = {name: value_of(name, kind) for name, kind, _ in options}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    shown = "; ".join(f'echo "${name.replace("-", "_")}"' for name in given)
    done = parsed(TABLE.search(recipe.read_text(encoding="utf-8"))[1], shown, *words)
    assert done.stdout.split() == list(given.values()), done.stderr


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_help_lists_every_option_and_defaults_are_there(recipe):
    printed = subprocess.run(["bash", recipe, "--help"], capture_output=True, text=True, check=True).stdout
    for name, kind, default in table_of(recipe):
        assert re.search(rf"^  --{name} ", printed, re.MULTILINE)
        if kind in ("YAML", "DIR", "FILE") and default != "-":
            assert (recipe.parent / default).exists(), f"--{name}"
        elif "|" in kind:
            assert default in kind.split("|")
    assert TABLE.sub("", recipe.read_text(encoding="utf-8")).count("Options:") == 0, "they would be told twice"


@pytest.mark.parametrize(
    "words, message",
    [
        ("--beam x", "whole number"),
        ("--weight one", "a number"),
        ("--kind green", "one of red, blue"),
        ("--beam", "needs a value"),
        ("--tea 1", "unknown option --tea"),
        ("tea", "unexpected argument tea"),
        ("--stage x", "whole number"),
        ("--stage 8", "numbers from 0 to 7"),
        ("--stage -1", "whole number"),
        ("--stop-stage 1.5", "whole number"),
        ("--stage 5 --stop-stage 2", "--stage is after --stop-stage"),
    ],
)
def test_wrong_usage_is_one_clear_line(words, message):
    done = parsed("beam N 4 width\nweight X 1 of it\nkind red|blue red which", "true", *words.split())
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_paths_are_the_users_and_defaults_the_recipes(tmp_path):
    table = "config YAML grid/vsr/conf/refine.yaml c\nother YAML - o\nlists DIR a l\nfree DIR - f\nmodel MODEL - m"
    shown = 'echo "$config|$other|$lists|$free|$model"'
    words = ["--other", "grid/vsr/conf/general.yaml", "--lists=none", "--model", "org/x"]
    done = parsed(table, shown, *words, folder=tmp_path)
    conf = ROOT / "egs/grid/vsr/conf"
    assert done.stdout.strip() == f"{conf}/refine.yaml|{conf}/general.yaml|||org/x", done.stderr
    (tmp_path / "mine.yaml").touch()
    done = parsed(table, shown, "--config", "mine.yaml", "--free", "here", folder=tmp_path)
    assert done.stdout.strip() == f"{tmp_path}/mine.yaml||{ROOT}/egs/a|{tmp_path}/here|"
