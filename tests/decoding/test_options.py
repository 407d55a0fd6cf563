"""Search options out of range are refused before the search begins."""

import math

import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions

NUMBERS = ["ctc_weight", "length_bonus", "max_length_ratio", "lm_weight", "ngram_weight"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300])
@pytest.mark.parametrize("name", NUMBERS)
def test_number_must_be_finite_and_in_its_range(name, value):
    with pytest.raises(VsrError, match=f"^{name} is ") as caught:
        DecodeOptions(**{name: value})
    assert caught.value.reason == "bad_options"


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5, 0, 1001])
def test_beam_must_be_a_whole_number(value):
    with pytest.raises(VsrError, match="beam"):
        DecodeOptions(beam=value)


@pytest.mark.parametrize("name", ["--length-bonus", "--ctc-weight", "--lm-weight", "--ngram-weight"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_command_refuses_wrong_numbers_in_one_line(name, value, capsys):
    arguments = ["transcribe", "clip.mp4", "--lm", "x", "--ngram", "y", f"{name}={value}"]
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vsr: {name[2:].replace('-', '_')} is {value}: it must be a finite number not below ")
