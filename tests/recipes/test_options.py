"""Options of the recipes are declared once, in a table; defaults, parsing and --help come from it."""

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


def bash(script, *arguments, folder=None):
    return subprocess.run(["bash", "-euc", script, "run.sh", *arguments], cwd=folder, capture_output=True, text=True)


def parsed(table, continuation, *arguments, folder=None):
    script = f'here={ROOT}/egs; . "{ROOT}/tools/recipe.sh"; declare_options <<"TABLE"\n{table}\nTABLE\n'
    return bash(f'{script}parse_options "$@"; {continuation}', *arguments, folder=folder)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_option_sets_its_variable(recipe):
    options = table_of(recipe)
    values = {name: value_of(name, kind) for name, kind, _ in options}
    arguments = [word for name, value in values.items() for word in (f"--{name}", value)]
    echo_all = "; ".join(f'echo "${name.replace("-", "_")}"' for name in values)
    result = parsed(TABLE.search(recipe.read_text(encoding="utf-8"))[1], echo_all, *arguments)
    assert result.stdout.split() == list(values.values()), result.stderr


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_help_lists_every_option_and_defaults_exist(recipe):
    output = subprocess.run(["bash", recipe, "--help"], capture_output=True, text=True, check=True).stdout
    for name, kind, default in table_of(recipe):
        assert re.search(rf"^  --{name} ", output, re.MULTILINE)
        if kind in ("YAML", "DIR", "FILE") and default != "-":
            assert (recipe.parent / default).exists(), f"--{name}"
        elif "|" in kind:
            assert default in kind.split("|")
    assert TABLE.sub("", recipe.read_text(encoding="utf-8")).count("Options:") == 0, "they would be told twice"


@pytest.mark.parametrize(
    "arguments, message",
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
def test_wrong_usage_is_one_line(arguments, message):
    result = parsed("beam N 4 width\nweight X 1 of it\nkind red|blue red which", "true", *arguments.split())
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_paths_are_the_users_and_defaults_the_recipes(tmp_path):
    table = "config YAML grid/vsr/conf/refine.yaml c\nother YAML - o\nlists DIR a l\nfree DIR - f\nmodel MODEL - m"
    echo_all = 'echo "$config|$other|$lists|$free|$model"'
    arguments = ["--other", "grid/vsr/conf/general.yaml", "--lists=none", "--model", "org/x"]
    result = parsed(table, echo_all, *arguments, folder=tmp_path)
    conf = ROOT / "egs/grid/vsr/conf"
    assert result.stdout.strip() == f"{conf}/refine.yaml|{conf}/general.yaml|||org/x", result.stderr
    (tmp_path / "mine.yaml").touch()
    result = parsed(table, echo_all, "--config", "mine.yaml", "--free", "here", folder=tmp_path)
    assert result.stdout.strip() == f"{tmp_path}/mine.yaml||{ROOT}/egs/a|{tmp_path}/here|"
