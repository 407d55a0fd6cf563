"""Every option refuses in one line what is no number, or a number outside its range."""

import math
from dataclasses import dataclass

import pytest

import lip2speech.cli
import vsr.cli
from vsr.core.errors import VsrError
from vsr.core.numbers import ANY, COUNT, POSITIVE, SEED, SHARE, Range, check_numbers

NONE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("allowed", [ANY, COUNT, POSITIVE, SEED, SHARE, Range(least=-1, below=1)])
@pytest.mark.parametrize("value", [*NONE, True, None, "1", [1]])
def test_no_range_contains_a_non_number(allowed, value):
    assert value not in allowed


def test_range_contains_its_edges_and_describes_them():
    assert 0 in SHARE and 1 in SHARE and 1.001 not in SHARE
    assert str(SHARE) == "a finite number not below 0 and not above 1"
    assert 0 not in POSITIVE and 1e-300 in POSITIVE and str(POSITIVE) == "a finite number above 0"
    assert 2**63 - 1 in SEED and 2**64 not in SEED and -1 not in SEED
    assert 10**400 in ANY and 10**400 not in SHARE and str(Range(least=0, below=1)).endswith("not below 0 and below 1")


@pytest.mark.parametrize(
    "arguments",
    [
        "vsr prepare puppet --seed -1", "vsr prepare puppet --seed 18446744073709551616",
        "vsr prepare puppet --train -1", "vsr prepare lrs3 --max-seconds nan", "vsr prepare lrs2 --max-seconds inf",
        "lip2speech units --seed -1", "lip2speech units --seed 4294967296", "lip2speech sync --features f --seed -1",
    ],
)  # fmt: skip
def test_commands_refuse_numbers_out_of_range_in_one_line(arguments, tmp_path, capsys):
    program, *arguments = arguments.split()
    main = {"vsr": vsr.cli.main, "lip2speech": lip2speech.cli.main}[program]
    manifest = [] if arguments[0] == "prepare" else ["--manifest", "m.jsonl"]
    assert main([*arguments, *manifest, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    option = next(word for word in arguments[::-1] if word.startswith("--"))
    assert line.startswith(f"{program}: {option} is ") and not (tmp_path / "out").exists()


@dataclass(frozen=True)
class Options:
    name: str = "a"
    share: float = 0.5
    free: float = 0.0
    on: bool = True


@pytest.mark.parametrize("value", NONE)
@pytest.mark.parametrize("field", ["share", "free"])
def test_fields_without_a_range_must_be_finite(field, value):
    with pytest.raises(VsrError, match=rf"^x\.{field} is {value}: it must be ") as caught:
        check_numbers(Options(**{field: value}), "x.", "bad_options", share=SHARE)
    assert caught.value.reason == "bad_options"
    check_numbers(Options(), share=SHARE)
