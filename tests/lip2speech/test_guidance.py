"""Guidance along a chain of conditions: the formula, no superfluous evaluation, and a plain number as before."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.conditions.registry import CONDITIONS
from lip2speech.models.flow import chained
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.guidance import Chain, chain_of
from lip2speech.models.listener import Listener, ListenerConfig
from lip2speech.models.pull import SpokenWord, text_pull
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers, tiny_voice, videos
from vsr.core.errors import VsrError

KNOWN = ("content", "text", "pace")
NONE, ALL = frozenset(), frozenset(KNOWN)


def field(names):
    """A velocity that is linear in the conditions."""
    return torch.tensor([1.0 + 2 * ("content" in names) + 5 * ("text" in names) - 3 * ("pace" in names)])


@pytest.mark.parametrize("scales", [(6.0, 3.0), (1.0, 1.0), (2.0, 2.0), (1.0, 4.0), (0.0, 1.0), (0.5, 0.0)])
def test_chain_equals_its_formula(scales):
    chain = chain_of("text={},content={}".format(*scales), ("content", "text"))
    guided_velocity = chained([field(names) for names in chain.sets], chain.scales)
    nothing, text, both = field(NONE), field({"text"}), field({"text", "content"})
    assert torch.allclose(guided_velocity, nothing + scales[0] * (text - nothing) + scales[1] * (both - text))


def test_published_scales_equal_their_formula():
    chain = chain_of("text=6,content=3", ("content", "text"))
    v_0, v_text, v = (field(names) for names in chain.sets)
    assert torch.allclose(chained([v_0, v_text, v], chain.scales), v + 2 * (v - v_text) + 5 * (v_text - v_0))


@pytest.mark.parametrize(
    ("guidance", "sets"),
    [
        (1.0, [ALL]), (2.0, [NONE, ALL]), ("text=1,content=1", [ALL]), ("text=2,content=2", [NONE, ALL]),
        ("text=1,content=3", [{"text"}, ALL]), ("text=6,content=3", [NONE, {"text"}, ALL]),
        ("content=2,text=2,pace=3", [NONE, {"content", "text"}, ALL]), ("pace=0", [NONE, ALL]),
    ],
)  # fmt: skip
def test_sets_without_weight_are_not_evaluated(guidance, sets):
    chain = chain_of(guidance, KNOWN)
    assert list(chain.sets) == [frozenset(names) for names in sets] and len(chain.scales) == len(chain) - 1


def test_single_number_is_the_plain_formula_to_the_bit():
    assert chain_of(1.7, KNOWN) == Chain((NONE, ALL), (1.7,))


@pytest.mark.parametrize("guidance", ["text=", "text=x", "=3", "text=1,text=2", "text=1,,", "text=nan", "content=-1"])
def test_refuses_what_is_no_chain(guidance):
    with pytest.raises(VsrError) as caught:
        FlowOptions(guidance=guidance)
    assert caught.value.reason == "bad_options"


def test_condition_that_the_voice_lacks_is_named(tiny_voice_folder, tmp_path, capsys):
    video, out = write_video(tmp_path / "face.mp4", talking_face(25)), tmp_path / "voice.wav"
    command = ["speak", str(video), "-o", str(out), "--model", str(tiny_voice_folder), "--guidance", "text=6,content=3"]
    assert main(command) == 2 and not out.exists()
    assert "this voice has no condition text; it has content" in capsys.readouterr().err


@CONDITIONS.register("steady pace of a test")
@dataclass(frozen=True)
class SteadyPace:
    drop: float = 0.1
    width = 1
    per_frame = False

    def load(self, clip, steps):
        return np.ones(1)


def test_voice_is_guided_by_each_condition_separately():
    """Clips do not depend on the batch; a condition has the weight of its scale, and none at 0."""
    voice = tiny_voice(conditions={"pace": {"kind": "steady pace of a test"}})
    (video, lengths), vectors = videos([6, 11]), speakers(2)

    def spoken(guidance, pace, rows=2):
        conditions = {"pace": torch.full((rows, 1), pace)}
        short = video[:1, :6] if rows == 1 else video
        return voice.speak(short, lengths[:rows], vectors[:rows], FlowOptions(2, guidance), conditions=conditions).mel

    both, alone = spoken("content=2,pace=3", 1.0), spoken("content=2,pace=3", 1.0, rows=1)
    assert torch.allclose(both[0, :24], alone[0], atol=1e-4)
    assert torch.equal(spoken("content=1,pace=1", 1.0), spoken(1.0, 1.0))
    assert torch.allclose(spoken("content=2,pace=2", 1.0), spoken(2.0, 1.0), atol=1e-5)
    assert torch.allclose(spoken("content=2,pace=0", 1.0), spoken("content=2,pace=0", 5.0), atol=1e-5)
    assert not torch.allclose(spoken("content=2,pace=3", 1.0), spoken("content=2,pace=3", 5.0), atol=1e-3)


def test_pulled_voice_with_conditions_does_not_depend_on_the_batch():
    voice = tiny_voice(conditions={"pace": {"kind": "steady pace of a test"}})
    (video, lengths), vectors = videos([6, 11]), speakers(2)
    listener = Listener(ListenerConfig(("bin",), dim=8, kernel=3)).eval()
    words = [[SpokenWord("bin", 0.0, 0.2)], [SpokenWord("bin", 0.1, 0.4)]]

    def spoken(rows, frames, pace):
        pull, conditions = text_pull(listener, words[:rows], 2 * frames, 1.0), {"pace": torch.full((rows, 1), pace)}
        options = FlowOptions(2, "content=2,pace=3")
        return voice.speak(
            video[:rows, :frames], lengths[:rows], vectors[:rows], options, conditions=conditions, pull=pull
        ).mel

    assert torch.allclose(spoken(2, 11, 1.0)[0, :24], spoken(1, 6, 1.0)[0], atol=1e-4)
    assert not torch.allclose(spoken(1, 6, 1.0), spoken(1, 6, 5.0), atol=1e-3)
