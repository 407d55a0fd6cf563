"""Completed stages, on a stub recipe: a changed option repeats the stages that use it and all later ones."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = f"""
set -euo pipefail
here=$PWD
. "{ROOT}/tools/recipe.sh"
last_stage=9
declare_options <<'TABLE'
    beam    N       40  width
    size    N       5   of tokens
    config  YAML    -   what is trained
    corpus  DIR     -   what is read
    gpus    N       0   here
    tag     NAME    -   of the decoding
    lm      yes|no  no  stages 8 and 9
    nj      N       1   processes
TABLE
parse_options "$@"
exp=$PWD/work run=$PWD/work/run_$size
did() {{ echo "$1" >>did; [ ! -f "fail_$1" ] || exit 3; }}
prepare() {{ did prepare; ls ${{corpus:+"$corpus"}} >/dev/null; }}
crop() {{ local list; for list in train dev; do did crop; done; }}
train() {{ did train; [ -z "$config" ] || cat "$config" >/dev/null; mkdir -p "$run"; : $((gpus > 0 ? gpus : 1)); }}
decode() {{ did decode; search; }}
search() {{ echo "$beam" >hypotheses; }}
score() {{ did score; echo "$*, beam $(cat hypotheses)" >RESULTS.md; }}
run_stage 1 "manifests" prepare
run_stage 2 "crops" crop
run_stage 3 "tokens" did "tokens$size"
run_stage 4 "train" train
run_stage 5 "average" did average
run_stage 6 "decode" decode
run_stage 7 "score" score "$@"
[ "$lm" = no ] || after=3 run_stage 8 "language model" did language
[ "$lm" = no ] || run_stage 9 "decode with it" did "again$beam"
finish "the end"
"""
ALL = ["prepare", "crop", "crop", "tokens5", "train", "average", "decode", "score"]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "run.sh").write_text(STUB, encoding="utf-8")

    def run(*options, status=0):
        (tmp_path / "did").write_text("", encoding="utf-8")
        result = subprocess.run(["bash", "run.sh", *options], cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == status, result.stdout + result.stderr
        run.log = result.stdout + result.stderr
        return (tmp_path / "did").read_text(encoding="utf-8").split()

    run.folder = tmp_path
    return run


def test_changed_option_repeats_its_stage_and_all_later_ones(recipe):
    assert recipe("--beam", "40") == ALL
    assert recipe("--beam", "40") == [] and recipe.log.count("done before") == 7
    assert recipe("--beam", "5") == ["decode", "score"]
    assert (recipe.folder / "RESULTS.md").read_text("utf-8") == "--beam 5, beam 5\n"
    assert recipe("--beam", "5", "--nj", "3") == ["score"], "the command line alone is another"
    assert recipe("--gpus", "2") == ["train", "average", "decode", "score"], "an option within arithmetic"
    assert recipe("--size", "6", "--gpus", "2") == ["tokens6", "train", "average", "decode", "score"]


def test_repeated_stage_repeats_the_later_ones(recipe):
    recipe()
    assert recipe("--stage", "4", "--stop-stage", "4") == ["train"]
    assert recipe() == ["average", "decode", "score"]
    assert recipe("--stage", "4") == ["train", "average", "decode", "score"]
    assert recipe("--stage", "2", "--stop-stage", "2") == ["crop", "crop"]
    assert recipe("--stage", "6", status=2) == [] and "stage 3 (tokens) was last done with other options" in recipe.log
    assert recipe("--stage", "3") == ALL[3:]


def test_page_never_shows_a_command_over_other_hypotheses(recipe):
    recipe("--beam", "40")
    assert recipe("--beam", "5", "--stage", "7", status=2) == [] and "begin with --stage 6" in recipe.log
    assert (recipe.folder / "RESULTS.md").read_text("utf-8") == "--beam 40, beam 40\n"
    (recipe.folder / "fail_decode").touch()
    assert recipe("--beam", "5", status=3) == ["decode"]
    assert recipe("--stage", "7", status=2) == [] and "has not been done to its end" in recipe.log
    (recipe.folder / "fail_decode").unlink()
    assert recipe("--beam", "40") == ["decode", "score"], "what was begun with 5 may have left anything"


def test_content_of_files_and_folders_counts_and_not_their_names(recipe):
    config, corpus = recipe.folder / "a.yaml", recipe.folder / "corpus"
    corpus.mkdir()
    config.write_text("lr: 1", encoding="utf-8")
    options = ["--config", "a.yaml", "--corpus", "corpus"]
    assert recipe(*options) == ALL and recipe(*options) == []
    config.write_text("lr: 2", encoding="utf-8")
    assert recipe(*options) == ALL[4:]
    (corpus / "new.mp4").touch()
    assert recipe(*options) == ALL


def test_changed_recipe_repeats_its_stage(recipe):
    recipe()
    text = (recipe.folder / "run.sh").read_text("utf-8")
    (recipe.folder / "run.sh").write_text(text.replace('echo "$beam" >', 'echo  "$beam" 2>&1 >'), encoding="utf-8")
    assert recipe() == ["decode", "score"]


def test_marks_of_earlier_versions_do_not_count(recipe):
    marks = recipe.folder / "work" / ".done"
    marks.mkdir(parents=True)
    for name in ("1-4294967295", "1", "6"):
        (marks / name).touch()
    assert recipe() == ALL


def test_recipe_may_continue_from_data_made_by_hand(recipe):
    assert recipe("--stage", "4") == ALL[4:] and "stage 3: tokens (nothing says whether it was done" in recipe.log


def test_results_under_other_tags_are_kept(recipe):
    assert recipe("--tag", "a") == ALL
    assert recipe("--tag", "b", "--beam", "5") == ["decode", "score"]
    assert recipe("--tag", "a") == recipe("--tag", "b", "--beam", "5") == []
    assert recipe("--stage", "7", "--tag", "c", status=2) == [] and "has not been done to its end" in recipe.log
    assert recipe("--tag", "a", "--stage", "4") == ALL[4:]
    assert recipe("--tag", "b", "--beam", "5") == ["decode", "score"], "the model is another"


def test_language_model_depends_only_on_the_data(recipe):
    assert recipe("--lm", "yes") == [*ALL, "language", "again40"]
    assert recipe("--lm", "yes", "--beam", "5") == ["decode", "score", "again5"]
    assert recipe("--lm", "yes", "--size", "6") == ["tokens6", *ALL[4:], "language", "again40"]


def test_stage_left_out_by_options_is_one_line(recipe):
    recipe()
    assert recipe("--stage", "8", status=2) == []
    assert recipe.log == "run.sh: there is no stage 8 with these options; see --help\n"


WITH_STAGES = [path for path in sorted(ROOT.glob("egs/*/*/run.sh")) if "\nrun_stage " in path.read_text("utf-8")]


@pytest.mark.parametrize("path", WITH_STAGES, ids=lambda path: path.parent.as_posix()[-14:])
def test_every_option_of_a_recipe_affects_its_stage(path):
    """By what `text_of` and `variables_in` find in the recipe itself."""
    text = path.read_text(encoding="utf-8")
    head, stages = text.split("parse_options", 1)
    functions = stages[stages.index("page=") : stages.index("\nrun_stage ")]
    stage = {line.split()[1]: line.split()[-1] for line in text.splitlines() if line.startswith("run_stage")}
    # Sourced like in run.sh, without options; the recipe's local/data.sh needs none.
    script = head.replace('$(dirname "$0")', str(path.parent)) + 'exp=x tag=y configs="" hours=30 settings=""\n'
    script += f'made_crops=""; . "{path.parent}/local/data.sh"\n{functions}\n'

    def variables_of(command):
        script_line = f'{script}variables_in "$(text_of {command})"'
        result = subprocess.run(["bash", "-c", script_line], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return set(result.stdout.split())

    names = {line.split()[0].replace("-", "_") for line in text.split("'TABLE'\n")[1].split("\nTABLE")[0].splitlines()}
    variables = variables_of(stage["6"])
    assert {"beam", "ctc_weight", "steps", "guidance", "temperature", "protocol", "tag"} & names <= variables
    assert not {"config", "vocoder_config", "minutes", "average"} & variables
    assert {"config", "first", "settings", "reader"} & names <= variables_of(stage["4"]), "what they hold is hashed"
    assert {"average", "vocoder_config", "tune_config", "tune_minutes"} & names <= variables_of(stage["5"])
