"""Earlier names of settings and options work, and the new name is printed."""

import argparse
from dataclasses import dataclass, field

import pytest

from vsr.core.renamed_settings import add_earlier_option, with_new_names


@dataclass(frozen=True)
class Settings:
    chance: float = field(default=0.5, metadata={"earlier": "luck"})
    other: int = 1


def test_earlier_settings_get_their_new_name(capsys):
    assert with_new_names(Settings, {"luck": 0.1, "other": 2}, "data.") == {"chance": 0.1, "other": 2}
    assert "setting data.luck is now data.chance" in capsys.readouterr().err
    assert with_new_names(Settings, {"luck": 0.1}, say=False) == {"chance": 0.1}
    assert capsys.readouterr().err == ""


def test_both_names_at_once_are_left_for_the_check():
    assert with_new_names(Settings, {"luck": 0.1, "chance": 0.2}) == {"luck": 0.1, "chance": 0.2}


def test_earlier_options_work_and_warn(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--threshold", type=float, default=0.5, help="below it: none")
    parser.add_argument("--force", action="store_true", help="again")
    add_earlier_option(parser, "--least", "--threshold")
    add_earlier_option(parser, "--again", "--force")
    assert vars(parser.parse_args([])) == {"threshold": 0.5, "force": False}
    assert capsys.readouterr().err == ""
    assert vars(parser.parse_args(["--least", "0.2", "--again"])) == {"threshold": 0.2, "force": True}
    errors = capsys.readouterr().err
    assert "option --least is now --threshold" in errors and "option --again is now --force" in errors
    assert "--least" not in parser.format_help()
    with pytest.raises(SystemExit):
        parser.parse_args(["--least", "half"])
