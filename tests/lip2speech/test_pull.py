"""The pull towards text: no effect without it, independent of the batch, and its gradient is correct."""

import pytest
import torch

from lip2speech.inference.folder import load_model
from lip2speech.inference.text import open_text
from lip2speech.models.flow import solve
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.listener import Listener, ListenerConfig
from lip2speech.models.pull import DRAWS, SpokenWord, backpropagate, noise_samples, text_pull
from tests.lip2speech.tiny import speakers, tiny_voice, videos
from vsr.core.errors import VsrError

WORDS = ("bin", "blue", "now")
SAID = [[SpokenWord("bin", 0.0, 0.08), SpokenWord("now", 0.1, 0.24, 0.6)], [SpokenWord("blue", 0.04, 0.3)]]


def listener():
    torch.manual_seed(4)
    return Listener(ListenerConfig(WORDS, dim=8, kernel=3)).eval()


@pytest.mark.parametrize("start", ["coarse", "noise"])
def test_clip_is_pulled_alike_alone_and_beside_a_longer_one(start):
    voice, (video, lengths), vectors, options = tiny_voice(start=start), videos([6, 11]), speakers(2), FlowOptions(3)
    both = voice.speak(video, lengths, vectors, options, seeds=[7, 8], pull=text_pull(listener(), SAID, 22, 1.0))
    single = text_pull(listener(), SAID[:1], 12, 1.0)
    alone = voice.speak(video[:1, :6], lengths[:1], vectors[:1], options, seeds=[7], pull=single)
    without_pull = voice.speak(video[:1, :6], lengths[:1], vectors[:1], options, seeds=[7])
    assert torch.allclose(both.mel[0, :24], alone.mel[0], atol=1e-4)
    assert not torch.allclose(alone.mel, without_pull.mel, atol=1e-3)


def test_no_weight_no_words_and_unknown_words_give_no_pull():
    assert text_pull(listener(), SAID, 22, 0.0) is None
    assert text_pull(listener(), [[], []], 22, 1.0) is None
    assert text_pull(listener(), [[SpokenWord("please", 0.0, 0.2)]], 22, 1.0) is None


def test_padding_is_not_pulled_and_the_length_is_the_weight():
    torch.manual_seed(0)
    end, correction = torch.randn(2, 2, 22, 160)
    mask = torch.arange(22) < torch.tensor([[12], [22]])
    once, twice = (text_pull(listener(), SAID, 22, w)(end, correction, mask) for w in (1.0, 2.0))
    assert not once[0, 12:].any() and once[0, :12].any() and torch.allclose(twice, 2 * once)
    steps = slice(2, 15)  # steps of the second clip's word
    rms = [x[1, steps].square().mean().sqrt() for x in (once, correction)]
    assert rms[0] == pytest.approx(float(rms[1]), rel=1e-4)


def test_half_the_confidence_is_half_the_pull():
    end, correction, mask = torch.randn(1, 10, 160), torch.randn(1, 10, 160), torch.ones(1, 10, dtype=torch.bool)
    certain, half = (
        text_pull(listener(), [[SpokenWord("bin", 0, 0.2, c)]], 10, 1.0)(end, correction, mask) for c in (1.0, 0.5)
    )
    assert torch.allclose(half, certain / 2, atol=1e-6)


def test_gradient_is_that_of_the_log_probability():
    recogniser, end = listener().double(), torch.randn(1, 10, 160)
    pull, mask = (
        text_pull(recogniser.float(), [[SpokenWord("bin", 0.0, 0.1)]], 10, 1.0),
        torch.ones(1, 10, dtype=torch.bool),
    )
    gradient = pull._gradient(end, pull.classes >= 0, mask)[0]
    recogniser.double()

    def log_p(x):
        with torch.no_grad():
            terms = (
                recogniser(x + drawn, mask).log_softmax(-1)[0, :5, recogniser.class_of("bin")]
                for drawn in noise_samples(mask, 160)
            )
            return sum(term.sum() for term in terms) / DRAWS

    for step, band in ((0, 3), (4, 100), (6, 20)):
        change = torch.zeros(1, 10, 160, dtype=torch.float64)
        change[0, step, band] = 1e-4
        numeric = (log_p(end.double() + change) - log_p(end.double() - change)) / 2e-4
        assert gradient[step, band] == pytest.approx(float(numeric), abs=1e-4)


def test_noise_of_a_clip_does_not_depend_on_the_batch():
    both = torch.arange(9) < torch.tensor([[6], [9]])
    for alone, beside in zip(noise_samples(both[:1, :6], 4), noise_samples(both, 4), strict=True):
        assert torch.equal(alone[0], beside[0, :6]) and not beside[0, 6:].any() and beside[1].all()


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_flow_is_pushed_once_by_the_same_amount_for_any_number_of_steps(solver, steps):
    pushed = []

    def push(x, v):
        pushed.append((x, v))
        return torch.full_like(x, 3.0)

    def steady(x, t):
        return torch.ones_like(x)

    start = torch.zeros(1, 5, 160)
    end = solve(steady, start, FlowOptions(steps, solver=solver), push)
    assert torch.allclose(end, torch.full_like(end, 4.0)) and len(pushed) == 1
    assert torch.equal(pushed[0][0], start) and torch.equal(pushed[0][1], torch.ones_like(start))


def test_pull_makes_the_words_more_probable():
    end, correction = torch.randn(1, 10, 160), 0.1 * torch.randn(1, 10, 160)
    recogniser, mask = listener(), torch.ones(1, 10, dtype=torch.bool)
    log_probs = []
    for weight in (0.0, 0.5, 1.0):
        pull = text_pull(recogniser, [[SpokenWord("bin", 0.0, 0.2)]], 10, weight)
        moved = end if pull is None else end + pull(end, correction, mask)
        log_probs.append(recogniser(moved, mask).log_softmax(-1)[..., 1].sum().item())
    assert log_probs == sorted(log_probs) and log_probs[0] < log_probs[-1]


def test_gradient_through_the_flow_agrees_with_finite_differences():
    """Of a function of the predicted end x + v(x)."""
    torch.manual_seed(2)
    inner, x, scale = torch.nn.Linear(160, 160).double(), torch.randn(1, 6, 160).double(), torch.tensor(0.7).double()
    weights = torch.randn(1, 6, 160).double()

    def network(start, scale):
        return scale * torch.tanh(inner(start))

    def value(start):
        with torch.no_grad():
            return (weights * (start + network(start, scale)).square()).sum()

    with torch.inference_mode():
        end = x + network(x, scale)
        gradient = backpropagate(network, x, 2 * weights * end, scale)
    for step, band in ((0, 3), (5, 100)):
        change = torch.zeros_like(x)
        change[0, step, band] = 1e-5
        numeric = (value(x + change) - value(x - change)) / 2e-5
        assert float(gradient[0, step, band]) == pytest.approx(float(numeric), rel=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_pulled_voice_ends_where_its_words_are_more_probable(guidance):
    """Through content model, flow and listener."""
    voice, (video, lengths), vectors = tiny_voice(), videos([11]), speakers(1)
    recogniser, mask, log_probs = listener(), torch.ones(1, 22, dtype=torch.bool), []
    for weight in (0.0, 0.02):
        pull = text_pull(recogniser, [[SpokenWord("bin", 0.0, 0.44)]], 22, weight)
        speech = voice.speak(video, lengths, vectors, FlowOptions(1, guidance), pull=pull)
        with torch.no_grad():
            log_probs.append(recogniser(voice.normalise(speech.mel), mask).log_softmax(-1)[..., 1].sum().item())
    assert log_probs[1] > log_probs[0]


def test_voice_without_a_listener_refuses_text_and_speaks_without_by_default(tiny_voice_folder):
    loaded = load_model(tiny_voice_folder)
    for text in ("read", "bin blue"):
        with pytest.raises(VsrError, match="no listener") as caught:
            open_text(loaded, text, FlowOptions(), "no.mp4")
        assert caught.value.reason == "no_listener"
    assert not open_text(loaded, None, FlowOptions(), "no.mp4").words(None, 0)
