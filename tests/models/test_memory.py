"""A memory of sound: addresses sum to 1, a closed gate is the encoder, frozen values stay, slots have no order."""

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
    found = memory(codebook if kind == "codebook" else "")(torch.randn(2, 5, 8))
    assert found.address.shape == (2, 2, 5, 7) and found.read.shape == (2, 5, 8)
    assert torch.allclose(found.address.sum(-1), torch.ones(2, 2, 5))


def test_slots_have_no_order(codebook):
    """Other slots first: the same is read."""
    x, order = torch.randn(2, 5, 8), torch.randperm(7)
    for own in (memory(codebook), memory()):
        before = own(x)
        with torch.no_grad():
            own.values.copy_(own.values[order].clone())
            if not own.codebook:
                own.keys.copy_(own.keys[:, order].clone())
        after = own(x)
        assert torch.allclose(before.read, after.read, atol=1e-5)
        assert torch.allclose(before.address[..., order], after.address, atol=1e-5)


def test_values_of_a_codebook_are_never_trained_and_lips_train_no_values(codebook):
    for given in (codebook, ""):
        own = memory(given)
        own(torch.randn(2, 5, 8)).read.sum().backward()
        assert "values" in own.state_dict() and own.values.grad is None
        trained = {name for name, value in own.named_parameters() if value.grad is not None}
        assert {"query.weight", "out.weight"} <= trained and ("values" in dict(own.named_parameters())) == (not given)


SIZES = {"frontend_width": 16, "frontend_heads": 2, "frontend_layers": 1, "dim": 16, "heads": 2, "decoder_layers": 0}
CONFORMER = {"layers": 2, "heads": 2, "hidden": 32, "kernel": 3, "dropout": 0.0}


def plain():
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(9, **SIZES, layers=2, hidden=32, kernel=3, dropout=0.0))


def remembering(**more):
    torch.manual_seed(1)
    given = {"encoder": {"kind": "conformer", **CONFORMER}, "slots": 7, "width": 6, "heads": 2, **more}
    return LipReader(LipReaderConfig(9, **SIZES, layers=2, hidden=32, encoder="memory", encoder_settings=given))


def test_a_reader_that_gets_a_memory_reads_as_before():
    """Its weights are those of the encoder inside, the gate is closed, and padding stays zero when it opens."""
    base, model = plain().eval(), remembering().eval()
    assert "new in encoder" in copy_weights(base, model)
    video, lengths = torch.randn(2, 5, 1, 88, 88), torch.tensor(LENGTHS)
    with torch.no_grad():
        assert torch.equal(base.encode(video, lengths), model.encode(video, lengths))
        model.encoder.gate.fill_(0.7)
        states, alone = model.encode(video, lengths), model.encode(video[1:, :3], lengths[1:])
        assert not torch.allclose(states, base.encode(video, lengths))
    assert not states[1, 3:].any() and torch.allclose(states[1, :3], alone[0], atol=1e-5)
    assert isinstance(model.encoder, MemoryEncoder) and len(model.encoder.layers) == 2


def test_a_memory_is_filled_from_its_file(codebook, tmp_path):
    model = remembering(codebook=codebook)
    assert "7 centroids of 6" in fill_memories(model)
    assert np.array_equal(model.encoder.memory.values.numpy(), read_codebook(codebook))
    with pytest.raises(VsrError, match="7 x 5.*has 7 x 6"):
        fill_memories(remembering(codebook=codebook, width=5))
    with pytest.raises(VsrError, match="no codebook"):
        fill_memories(remembering(codebook=str(tmp_path / "none")))
    assert fill_memories(remembering()) == ""


def taught(**targets):
    return Batch({}, torch.tensor(LENGTHS), targets, ["a", "b"])


def test_a_right_address_has_no_loss_and_padding_does_not_count():
    units = torch.tensor([[[0], [1], [2], [3], [4]], [[5], [6], [0], [IGNORE], [IGNORE]]])
    address = torch.nn.functional.one_hot(units[..., 0].clamp(min=0), 7).float()[:, None].expand(2, 2, 5, 7).clone()
    head = MemoryAddress()
    found = head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), taught(units=units))
    assert found["loss"].abs() < 1e-5 and found["accuracy"] == 1
    address[1, :, 3:] = 1 / 7
    assert head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), taught(units=units))["loss"].abs() < 1e-5
    address[:] = 1 / 7
    uniform = head.loss(Recall(torch.zeros(2, 5, 8), address, torch.zeros(7, 6)), taught(units=units))["loss"]
    assert uniform == pytest.approx(np.log(7), rel=1e-5)


def test_sound_that_is_a_value_gets_itself_back():
    """Orthogonal values, sound that is one of them and a sharp address: only how the lips address is to be learnt."""
    head, values = MemoryRecall(6, 100.0, 1.0, 0.5), torch.eye(6)
    with torch.no_grad():
        head.query.weight.copy_(torch.eye(6))
        head.query.bias.zero_()
    sound = values[torch.tensor([[0, 1, 2, 3, 4], [5, 0, 1, 2, 3]])][:, :, None]
    known = torch.tensor([[1] * 5, [1, 1, 1, IGNORE, IGNORE]])
    exact = torch.nn.functional.one_hot(sound[:, :, 0].argmax(-1), 6).float()[:, None]
    found = head.loss(Recall(torch.zeros(2, 5, 8), exact, values), taught(states=sound, known=known))
    assert all(own.abs() < 1e-5 for own in found.values())
    far = head.loss(Recall(torch.zeros(2, 5, 8), exact.roll(1, -1), values), taught(states=sound, known=known))
    assert far["match"] > 1 and far["reconstruct"] < 1e-5
    same = torch.ones(6, 6)
    assert head.loss(Recall(torch.zeros(2, 5, 8), exact, same), taught(states=sound, known=known))["orthogonal"] > 0.5


def test_lips_do_not_teach_the_sound_where_it_looks():
    head, values = MemoryRecall(6, 16.0, 1.0, 0.0), torch.randn(6, 6, requires_grad=True)
    address = torch.rand(2, 1, 5, 6, requires_grad=True).softmax(-1)
    sound, known = torch.randn(2, 5, 1, 6), torch.ones(2, 5, dtype=torch.long)
    found = head.loss(Recall(torch.zeros(2, 5, 8), address, values), taught(states=sound, known=known))
    found["match"].backward(retain_graph=True)
    assert values.grad is None and head.query.weight.grad is None
    found["reconstruct"].backward()
    assert values.grad.any() and head.query.weight.grad.any()


def test_centroids_are_nearest_to_their_own(tmp_path):
    """Clips around four points: each point is found, and states are of the cluster they were drawn from."""
    points, rng = 10 * np.eye(4, 6, dtype=np.float32), np.random.default_rng(0)
    drawn = rng.integers(4, size=(3, 40))
    states = [points[own][:, None] + 0.1 * rng.standard_normal((40, 1, 6)) for own in drawn]
    found = fit_codebook(states, 4)
    assert np.abs(found[nearest(points, found)] - points).max() < 0.2
    assert all(
        len(set(nearest(own, found)[some == k, 0])) == 1
        for own, some in zip(states, drawn, strict=True)
        for k in range(4)
    )
    brute = np.linalg.norm(states[0][:, :, None] - found, axis=-1).argmin(-1)
    assert np.array_equal(nearest(states[0], found), brute)
    with pytest.raises(VsrError, match="120 states"):
        fit_codebook(states, 121)
