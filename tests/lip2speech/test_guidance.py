"""Guidance along a chain: the formula, no evaluation too many, and a plain number as before."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.conditions.registry import CONDITIONS
from lip2speech.models.flow import chained, guided
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
    """A velocity that is linear in what is shown."""
    return torch.tensor([1.0 + 2 * ("content" in names) + 5 * ("text" in names) - 3 * ("pace" in names)])


@pytest.mark.parametrize("scales", [(6.0, 3.0), (1.0, 1.0), (2.0, 2.0), (1.0, 4.0), (0.0, 1.0), (0.5, 0.0)])
def test_a_chain_is_its_formula_whatever_is_left_out(scales):
    chain = chain_of("text={},content={}".format(*scales), ("content", "text"))
    found = chained([field(own) for own in chain.sets], chain.scales)
    nothing, text, both = field(NONE), field({"text"}), field({"text", "content"})
    assert torch.allclose(found, nothing + scales[0] * (text - nothing) + scales[1] * (both - text))


def test_the_published_scales_are_those_of_its_formula():
    chain = chain_of("text=6,content=3", ("content", "text"))
    v_0, v_text, v = (field(own) for own in chain.sets)
    assert torch.allclose(chained([v_0, v_text, v], chain.scales), v + 2 * (v - v_text) + 5 * (v_text - v_0))


@pytest.mark.parametrize(
    ("given", "sets"),
    [
        (1.0, [ALL]), (2.0, [NONE, ALL]), ("text=1,content=1", [ALL]), ("text=2,content=2", [NONE, ALL]),
        ("text=1,content=3", [{"text"}, ALL]), ("text=6,content=3", [NONE, {"text"}, ALL]),
        ("content=2,text=2,pace=3", [NONE, {"content", "text"}, ALL]), ("pace=0", [NONE, ALL]),
    ],
)  # fmt: skip
def test_no_set_is_evaluated_that_counts_for_nothing(given, sets):
    chain = chain_of(given, KNOWN)
    assert list(chain.sets) == [frozenset(own) for own in sets] and len(chain.scales) == len(chain) - 1


def test_one_number_is_the_formula_of_before_to_the_bit():
    torch.manual_seed(0)
    shown, hidden = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    assert torch.equal(chained([hidden, shown], [1.7]), guided(shown, hidden, 1.7))
    assert chain_of(1.7, KNOWN) == Chain((NONE, ALL), (1.7,))


@pytest.mark.parametrize("given", ["text=", "text=x", "=3", "text=1,text=2", "text=1,,", "text=nan", "content=-1"])
def test_what_is_no_chain_is_refused(given):
    with pytest.raises(VsrError) as caught:
        FlowOptions(guidance=given)
    assert caught.value.reason == "bad_options"


def test_a_condition_that_the_voice_lacks_is_named(tiny_voice_folder, tmp_path, capsys):
    film, out = write_video(tmp_path / "face.mp4", talking_face(25)), tmp_path / "voice.wav"
    given = ["speak", str(film), "-o", str(out), "--model", str(tiny_voice_folder), "--guidance", "text=6,content=3"]
    assert main(given) == 2 and not out.exists()
    assert "this voice has no condition text; it has content" in capsys.readouterr().err


@CONDITIONS.register("steady pace of a test")
@dataclass(frozen=True)
class SteadyPace:
    drop: float = 0.1
    width = 1
    per_frame = False

    def load(self, clip, steps):
        return np.ones(1)


def test_a_voice_is_guided_by_each_condition_apart():
    """A clip alone is what it is beside a longer one; a condition counts by its own scale, and not where it is 0."""
    voice = tiny_voice(conditions={"pace": {"kind": "steady pace of a test"}})
    (video, lengths), who = videos([6, 11]), speakers(2)

    def spoken(guidance, pace, rows=2):
        shown = {"pace": torch.full((rows, 1), pace)}
        short = video[:1, :6] if rows == 1 else video
        return voice.speak(short, lengths[:rows], who[:rows], FlowOptions(2, guidance), conditions=shown).mel

    both, alone = spoken("content=2,pace=3", 1.0), spoken("content=2,pace=3", 1.0, rows=1)
    assert torch.allclose(both[0, :24], alone[0], atol=1e-4)
    assert torch.equal(spoken("content=1,pace=1", 1.0), spoken(1.0, 1.0))
    assert torch.allclose(spoken("content=2,pace=2", 1.0), spoken(2.0, 1.0), atol=1e-5)
    assert torch.allclose(spoken("content=2,pace=0", 1.0), spoken("content=2,pace=0", 5.0), atol=1e-5)
    assert not torch.allclose(spoken("content=2,pace=3", 1.0), spoken("content=2,pace=3", 5.0), atol=1e-3)


def test_a_voice_with_conditions_is_pulled_the_same_alone_and_in_a_batch():
    voice = tiny_voice(conditions={"pace": {"kind": "steady pace of a test"}})
    (video, lengths), who = videos([6, 11]), speakers(2)
    heard = Listener(ListenerConfig(("bin",), dim=8, kernel=3)).eval()
    said = [[SpokenWord("bin", 0.0, 0.2)], [SpokenWord("bin", 0.1, 0.4)]]

    def spoken(rows, frames, pace):
        pull, shown = text_pull(heard, said[:rows], 2 * frames, 1.0), {"pace": torch.full((rows, 1), pace)}
        options = FlowOptions(2, "content=2,pace=3")
        return voice.speak(video[:rows, :frames], lengths[:rows], who[:rows], options, conditions=shown, pull=pull).mel

    assert torch.allclose(spoken(2, 11, 1.0)[0, :24], spoken(1, 6, 1.0)[0], atol=1e-4)
    assert not torch.allclose(spoken(1, 6, 1.0), spoken(1, 6, 5.0), atol=1e-3)
