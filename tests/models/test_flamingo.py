"""Whisper with gated lips: identical to Whisper at first, its search, what is stored, and training."""

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("transformers")

import transformers

from tests.tiny_llm import WHISPER, save_tiny_whisper
from tests.training.test_audio_visual import LIPS as READER
from tests.training.test_audio_visual import corpus as corpus  # noqa: PLC0414  a fixture
from tests.training.test_audio_visual import decode, texts, train
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.flamingo_settings import FlamingoSettings, LipsAndWhisperSettings
from vsr.models.streams import Streams

LIPS, DIM = 8, 8 + 2 * 16
LENGTHS = torch.tensor([9, 5])
TEXTS = [[40, 41, 42], [43]]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return save_tiny_whisper(tmp_path_factory.mktemp("whisper"))


def make_head(backbone, opened=0.0, **settings):
    torch.manual_seed(1)
    head = FlamingoSettings(backbone, prefix=("\n", ">"), **settings).build(DIM, 5)
    head.borrow()
    for gate in head.gates:
        torch.nn.init.constant_(gate.attended, opened)
        torch.nn.init.constant_(gate.fed, opened)
    return head.eval()


def states_of():
    states = torch.randn(2, 9, DIM, generator=torch.Generator().manual_seed(0))
    states[1, 5:] = 0
    return states


def batch_of():
    longest = max(map(len, TEXTS))
    tokens = torch.tensor([text + [IGNORE] * (longest - len(text)) for text in TEXTS])
    return Batch({}, LENGTHS, {"tokens": tokens}, ["a", "b"])


@torch.no_grad()
def test_closed_gates_give_exactly_whisper(backbone):
    head, states = make_head(backbone), states_of()
    whisper = transformers.WhisperForConditionalGeneration.from_pretrained(backbone).eval()
    begin = head.begin()
    for row, (length, text) in enumerate(zip(LENGTHS.tolist(), TEXTS, strict=True)):
        encoded = states[row, :length, LIPS:].reshape(1, 2 * length, 16)
        token_ids = torch.tensor([[*begin, *text]])
        expected = whisper(encoder_outputs=(encoded,), decoder_input_ids=token_ids, use_cache=False).logits[0, 1:]
        assert torch.equal(head.logits(states[row], length, text), expected)
    opened = make_head(backbone, 0.5)
    assert not torch.allclose(opened.logits(states[0], 9, TEXTS[0]), head.logits(states[0], 9, TEXTS[0]))
    other = states.clone()
    other[0, :, :LIPS] += 1
    assert torch.equal(head.logits(other[0], 9, TEXTS[0]), head.logits(states[0], 9, TEXTS[0]))
    assert not torch.allclose(opened.logits(other[0], 9, TEXTS[0]), opened.logits(states[0], 9, TEXTS[0]))


@torch.no_grad()
def test_front_end_hears_like_whisper_and_adds_lips(backbone):
    settings = LipsAndWhisperSettings(backbone, dim=LIPS, video={"kind": "video_transformer", "width": 8, "heads": 2},
                                      encoder={"kind": "conformer", "layers": 1, "heads": 2, "hidden": 8})  # fmt: skip
    torch.manual_seed(2)
    front = settings.build(DIM)
    front.borrow()
    front.eval()
    rng = torch.Generator().manual_seed(0)
    video, sound = torch.randn(2, 9, 1, 88, 88, generator=rng), torch.randn(2, 9, 640, generator=rng) * 0.1
    mask = torch.arange(9)[None] < LENGTHS[:, None]
    both = front(Streams({"video": video, "sound": sound}), mask)
    whisper = transformers.WhisperForConditionalGeneration.from_pretrained(backbone).eval()
    extract = transformers.WhisperFeatureExtractor(feature_size=80)
    for row, length in enumerate(LENGTHS.tolist()):
        features = extract(sound[row, :length].flatten().numpy(), sampling_rate=16_000, return_tensors="pt")
        of_sound = whisper.model.encoder(features.input_features).last_hidden_state[0, : 2 * length]
        assert torch.equal(both[row, :length, LIPS:].reshape(-1, 16), of_sound)
    assert not both[1, 5:].any() and both.shape == (2, 9, DIM)
    of_lips, of_sound = front(video, mask), front(Streams({"sound": sound}), mask)
    assert torch.equal(of_lips[..., :LIPS], both[..., :LIPS]) and not of_lips[..., LIPS:].any()
    assert torch.equal(of_sound[..., LIPS:], both[..., LIPS:]) and not of_sound[..., :LIPS].any()


def test_loss_is_that_of_each_clip_and_trains_only_the_gates(backbone):
    head, states = make_head(backbone, 0.3).train(), states_of()
    loss = head.loss(states, batch_of())["loss"]
    total = 0.0
    for row, (length, text) in enumerate(zip(LENGTHS.tolist(), TEXTS, strict=True)):
        logs = head.logits(states[row, :length], length, text).log_softmax(-1)
        total -= float(logs[range(len(text) + 1), [*text, head.tokenizer.eos_id]].sum().detach())
    assert float(loss.detach()) == pytest.approx(total / 6, rel=1e-5)
    loss.backward()
    learnt = {
        name for name, parameter in head.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    assert learnt and all(name.startswith("gates.") for name in learnt)
    closed = make_head(backbone).train()
    closed.loss(states, batch_of())["loss"].backward()
    assert all(gate.attended.grad.abs() > 0 for gate in closed.gates), "closed gates open"


@torch.no_grad()
def test_scores_of_the_search_are_log_probabilities(backbone):
    head = make_head(backbone, 0.3, beams=3)
    ranked = head.search(states_of(), LENGTHS, 3)
    for row, length in enumerate(LENGTHS.tolist()):
        assert len(ranked[row]) == 3
        for hypothesis in ranked[row]:
            logs = head.logits(states_of()[row], length, hypothesis.tokens).log_softmax(-1)
            each = logs[range(len(hypothesis.tokens) + 1), [*hypothesis.tokens, head.tokenizer.eos_id]]
            ended = len(hypothesis.tokens) < 12 + length
            assert hypothesis.score == pytest.approx(float(each.sum() if ended else each[:-1].sum()), abs=1e-3)


def test_head_learns_to_write_each_clips_text(backbone):
    head = make_head(backbone).train()
    optimiser = torch.optim.Adam([parameter for parameter in head.parameters() if parameter.requires_grad], 0.03)
    for _ in range(150):
        optimiser.zero_grad()
        head.loss(states_of(), batch_of())["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        ranked = head.eval().search(states_of(), LENGTHS)
    assert [list(hypotheses[0].tokens) for hypotheses in ranked] == TEXTS


def test_refuses_impossible_settings(backbone):
    with pytest.raises(ValueError, match="needs a backbone"):
        FlamingoSettings()
    with pytest.raises(ValueError, match="dim is 41: it must be 40"):
        LipsAndWhisperSettings(sizes=WHISPER, dim=8, encoder={"kind": "none"}).build(41)
    with pytest.raises(VsrError, match="no Whisper"):
        FlamingoSettings(sizes=WHISPER | {"model_type": "llama"}).build(40, 5)
    head = FlamingoSettings(backbone).build(40, 5)
    with pytest.raises(VsrError, match="no token of"):
        head.begin()


@pytest.mark.slow
def test_model_is_trained_stored_without_whisper_and_decodes(corpus, backbone, capsys):
    front = f"{{kind: lips_and_whisper, backbone: {backbone}, dim: 8, encoder: {{kind: none}}, video: {READER}}}"
    text = f'{{kind: flamingo, backbone: {backbone}, prefix: ["\\n", ">"], beams: 2}}'
    (corpus / "flamingo.yaml").write_text(
        "data: {train: [train.jsonl], dev: [dev.jsonl], tokenizer: tokens, frames_per_batch: 60}\n"
        f"model: {{frontend: {front}, encoder: none, dim: 40, heads: 2, ctc_weight: 0.0, decoder_layers: 0,"
        f" alignment_weight: 0.0, further_heads: {{text: {text}}}}}\n"
        "trainer: {max_epochs: 1, precision: 32-true, threads: 1, accelerator: cpu}\n",
        "utf-8",
    )
    assert train("flamingo") == 0
    assert "dev_wer_sound" in capsys.readouterr().out
    stored = load_file(corpus / "flamingo/model/model.safetensors")
    assert not any(".whisper." in name for name in stored)
    assert any(name.startswith("further_heads.text.gates.0.") for name in stored)
    assert decode("flamingo", "out.jsonl") == 0 and len(texts("out.jsonl")) == 3
    assert train("flamingo", "--resume") == 0
