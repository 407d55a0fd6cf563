"""The rig of text to units: its arms, its control and the error of its durations."""

import runpy
from pathlib import Path

import pytest
import torch

from lip2speech.models.text_units import TextUnits, TextUnitsConfig
from vsr.data.manifest import Clip

ROWS = runpy.run_path(str(Path(__file__).parents[2] / "egs/puppet/lip2speech/local/say_rows.py"))


@pytest.fixture
def sayer():
    torch.manual_seed(0)
    sizes = {"units": 9, "dim": 16, "heads": 2, "hidden": 32, "kernel": 5, "layers": 1, "decoder_layers": 1}
    model = TextUnits(TextUnitsConfig(("en",), phones=("a", "b"), scripts=("LATIN",), **sizes)).eval()
    return ROWS["TextToUnits"](model, {"x": torch.zeros(20, dtype=torch.long)})


CLIP = Clip("x", "x.wav", "ab", language="en", phones=(("a", 0.1, 0.2), ("b", 0.2, 0.34)))


def test_true_durations_give_a_clip_its_length_and_mean_ones_another(sayer):
    assert sayer.spans(CLIP) == ([0, 1, 2, 0], [5, 5, 7, 3], 0)
    assert ROWS["means"](sayer, [CLIP]) == (6, 4)
    assert len(sayer.with_true_durations(CLIP)) == 20 and sayer.with_true_durations(CLIP) == sayer.model.say(
        [0, 1, 2, 0], 0, [5, 5, 7, 3]
    )
    assert sayer.with_mean_durations(CLIP, 6, 4) == sayer.model.say([0, 1, 2, 0], 0, [4, 6, 6, 4])


def test_duration_errors_are_in_milliseconds(sayer):
    with torch.no_grad():
        sayer.model.duration.weight.zero_()
        sayer.model.duration.bias.fill_(torch.log1p(torch.tensor(6.5)))
    errors, mean_errors, clip, by_mean = sayer.duration_errors(CLIP, 6)
    assert errors == pytest.approx([30, 10], rel=1e-4) and mean_errors == [20, 20]
    assert clip == pytest.approx(20, rel=1e-4) and by_mean == 0


def test_control_has_the_units_of_the_next_clip_in_the_language():
    clips = [
        Clip(name, "x.wav", "a", language=language)
        for name, language in (("a", "en"), ("b", "es"), ("c", "en"), ("d", "es"))
    ]
    assert ROWS["outputs_of_next"]([[1], [2], [3], [4]], clips) == [[3], [4], [1], [2]]
