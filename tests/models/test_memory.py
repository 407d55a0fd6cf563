"""A memory of sound: addresses sum to 1, a closed gate changes nothing, frozen values stay, slots have no order."""

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.codebook import fit_codebook, nearest, read_codebook, write_codebook
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.memory import KeyValueMemory, MemoryEncoder, Recall, fill_memories
from vsr.models.memory_heads import MemoryAddress, MemoryRecall
from vsr.training.initialisation import copy_weights

LENGTHS = (5, 3)


@pytest.fixture
def codebook(tmp_path):
    path = tmp_path / "codebook.safetensors"
    write_codebook(path, np.random.default_rng(0).standard_normal((7, 6)).astype(np.float32), {})
    return str(path)


def memory(codebook=""):
    torch.manual_seed(0)
    return KeyValueMemory(8, 7, 2, 6, 4, 16.0, codebook)


@pytest.mark.parametrize("kind", ["codebook", "learned"])
def test_addresses_sum_to_1(kind, codebook):
    recall = memory(codebook if kind == "codebook" else "")(torch.randn(2, 5, 8))
    assert recall.address.shape == (2, 2, 5, 7) and recall.read.shape == (2, 5, 8)
    assert torch.allclose(recall.address.sum(-1), torch.ones(2, 2, 5))


def test_slots_have_no_order(codebook):
    """Permuted slots give the same read."""
    x, order = torch.randn(2, 5, 8), torch.randperm(7)
    for memory_of in (memory(codebook), memory()):
        before = memory_of(x)
        with torch.no_grad():
            memory_of.values.copy_(memory_of.values[order].clone())
            if not memory_of.codebook:
                memory_of.keys.copy_(memory_of.keys[:, order].clone())
        after = memory_of(x)
        assert torch.allclose(before.read, after.read, atol=1e-5)
        assert torch.allclose(before.address[..., order], after.address, atol=1e-5)


def test_values_of_a_codebook_are_never_trained(codebook):
    for path in (codebook, ""):
        memory_of = memory(path)
        memory_of(torch.randn(2, 5, 8)).read.sum().backward()
        assert "values" in memory_of.state_dict() and memory_of.values.grad is None
        trained = {name for name, value in memory_of.named_parameters() if value.grad is not None}
        assert {"query.weight", "out.weight"} <= trained and ("values" in dict(memory_of.named_parameters())) == (
            not path
        )


SIZES = {"frontend_width": 16, "frontend_heads": 2, "frontend_layers": 1, "dim": 16, "heads": 2, "decoder_layers": 0}
CONFORMER = {"layers": 2, "heads": 2, "hidden": 32, "kernel": 3, "dropout": 0.0}


def without_memory():
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(9, **SIZES, layers=2, hidden=32, kernel=3, dropout=0.0))


def with_memory(**settings):
    torch.manual_seed(1)
    encoder_settings = {"encoder": {"kind": "conformer", **CONFORMER}, "slots": 7, "width": 6, "heads": 2, **settings}
    return LipReader(
        LipReaderConfig(9, **SIZES, layers=2, hidden=32, encoder="memory", encoder_settings=encoder_settings)
    )


def test_memory_added_to_a_model_changes_nothing_at_first():
    """The weights are those of the encoder inside, the gate is closed, and padding stays zero when it opens."""
    base, model = without_memory().eval(), with_memory().eval()
    assert "new in encoder" in copy_weights(base, model)
    video, lengths = torch.randn(2, 5, 1, 88, 88), torch.tensor(LENGTHS)
    with torch.no_grad():
        assert torch.equal(base.encode(video, lengths), model.encode(video, lengths))
        model.encoder.gate.fill_(0.7)
        states, alone = model.encode(video, lengths), model.encode(video[1:, :3], lengths[1:])
        assert not torch.allclose(states, base.encode(video, lengths))
    assert not states[1, 3:].any() and torch.allclose(states[1, :3], alone[0], atol=1e-5)
    assert isinstance(model.encoder, MemoryEncoder) and len(model.encoder.layers) == 2


def test_memory_is_filled_from_its_codebook(codebook, tmp_path):
    model = with_memory(codebook=codebook)
    assert "7 centroids of 6" in fill_memories(model)
    assert np.array_equal(model.encoder.memory.values.numpy(), read_codebook(codebook))
    with pytest.raises(VsrError, match="7 x 5.*has 7 x 6"):
        fill_memories(with_memory(codebook=codebook, width=5))
    with pytest.raises(VsrError, match="no codebook"):
        fill_memories(with_memory(codebook=str(tmp_path / "none")))
    assert fill_memories(with_memory()) == ""


def batch_of(**targets):
    return Batch({}, torch.tensor(LENGTHS), targets, ["a", "b"])


def test_right_address_has_no_loss_and_padding_does_not_count():
    units = torch.tensor([[[0], [1], [2], [3], [4]], [[5], [6], [0], [IGNORE], [IGNORE]]])
    address = torch.nn.functional.one_hot(units[..., 0].clamp(min=0), 7).float()[:, None].expand(2, 2, 5, 7).clone()
    head = MemoryAddress()
    losses = head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), batch_of(units=units))
    assert losses["loss"].abs() < 1e-5 and losses["accuracy"] == 1
    address[1, :, 3:] = 1 / 7
    assert (
        head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), batch_of(units=units))["loss"].abs() < 1e-5
    )
    address[:] = 1 / 7
    uniform = head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), batch_of(units=units))["loss"]
    assert uniform == pytest.approx(np.log(7), rel=1e-5)


def test_sound_equal_to_a_value_is_recalled():
    """Orthogonal values, sound that is one of them and a sharp address: only the address of the lips has a loss."""
    head, values = MemoryRecall(6, 100.0, 1.0, 0.5), torch.eye(6)
    with torch.no_grad():
        head.query.weight.copy_(torch.eye(6))
        head.query.bias.zero_()
    sound = values[torch.tensor([[0, 1, 2, 3, 4], [5, 0, 1, 2, 3]])][:, :, None]
    known = torch.tensor([[1] * 5, [1, 1, 1, IGNORE, IGNORE]])
    exact = torch.nn.functional.one_hot(sound[:, :, 0].argmax(-1), 6).float()[:, None]
    losses = head.loss(Recall(torch.zeros(2, 5, 8), exact, values), batch_of(states=sound, known=known))
    assert all(loss.abs() < 1e-5 for loss in losses.values())
    wrong_address = head.loss(
        Recall(torch.zeros(2, 5, 8), exact.roll(1, -1), values), batch_of(states=sound, known=known)
    )
    assert wrong_address["match"] > 1 and wrong_address["reconstruct"] < 1e-5
    equal_values = torch.ones(6, 6)
    assert (
        head.loss(Recall(torch.zeros(2, 5, 8), exact, equal_values), batch_of(states=sound, known=known))["orthogonal"]
        > 0.5
    )


def test_match_trains_the_lips_only_and_reconstruction_the_memory():
    head, values = MemoryRecall(6, 16.0, 1.0, 0.0), torch.randn(6, 6, requires_grad=True)
    address = torch.rand(2, 1, 5, 6, requires_grad=True).softmax(-1)
    sound, known = torch.randn(2, 5, 1, 6), torch.ones(2, 5, dtype=torch.long)
    losses = head.loss(Recall(torch.zeros(2, 5, 8), address, values), batch_of(states=sound, known=known))
    losses["match"].backward(retain_graph=True)
    assert values.grad is None and head.query.weight.grad is None
    losses["reconstruct"].backward()
    assert values.grad.any() and head.query.weight.grad.any()


def test_centroids_are_found_and_nearest_to_their_states(tmp_path):
    """States around four points: each point is found, and states are nearest to the point they were drawn from."""
    points, rng = 10 * np.eye(4, 6, dtype=np.float32), np.random.default_rng(0)
    drawn = rng.integers(4, size=(3, 40))
    states = [points[clusters][:, None] + 0.1 * rng.standard_normal((40, 1, 6)) for clusters in drawn]
    centroids = fit_codebook(states, 4)
    assert np.abs(centroids[nearest(points, centroids)] - points).max() < 0.2
    assert all(
        len(set(nearest(own_states, centroids)[clusters_of_clip == k, 0])) == 1
        for own_states, clusters_of_clip in zip(states, drawn, strict=True)
        for k in range(4)
    )
    brute = np.linalg.norm(states[0][:, :, None] - centroids, axis=-1).argmin(-1)
    assert np.array_equal(nearest(states[0], centroids), brute)
    with pytest.raises(VsrError, match="120 states"):
        fit_codebook(states, 121)
