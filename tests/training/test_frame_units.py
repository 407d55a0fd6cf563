"""Speech units as targets of every frame, and heads on lower layers."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch.nn import functional as F

from tests.models.test_heads import batch_of, reader
from tests.training.test_head_sets import NONE, changed_model, trained
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import CropDataset
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip, read_manifest
from vsr.data.transforms import Augmentation
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.models.layers import record_layers
from vsr.models.target_heads import FrameUnitHead, FrameUnitSettings
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.tokenizer import CharTokenizer

AUDIO = {"audio": {"kind": "frame_units", "size": 5, "per_frame": 2, "weight": 10.0}}


def with_units(config, folder, per_frame=2, groups=1, size=5):
    """Write random units of all clips of a run; returns their folder."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for path in (*config.data.train, *config.data.dev):
        for clip in read_manifest(path):
            shape = (clip.num_frames * per_frame, groups)[: 1 + (groups > 1)]
            save_file({"units": rng.integers(0, size, shape).astype(np.int16)}, folder / f"{clip.id}.safetensors")
    return str(folder)


@pytest.mark.parametrize("per_frame, groups, size", [(1, 1, 7), (2, 1, 200), (4, 2, 320)])
def test_head_has_a_row_for_each_unit(per_frame, groups, size):
    head = FrameUnitSettings(size=size, per_frame=per_frame, groups=groups).build(16, 41)
    assert head.weight.shape == (per_frame * groups * size, 16)
    assert head(torch.zeros(2, 9, 16)).shape == (2, 9, per_frame, groups, size)


def test_loss_is_the_mean_over_known_units():
    head, rng = FrameUnitHead(16, 2, 2, 5), torch.Generator().manual_seed(0)
    states, units = torch.randn(2, 14, 16, generator=rng), torch.randint(0, 5, (2, 14, 2, 2), generator=rng)
    units[1, 9:], units[0, 3, 1, 0] = IGNORE, IGNORE
    figures = head.loss(states, batch_of(units=units))
    logits = head(states)
    losses = [
        F.cross_entropy(logits[b, t, n, g], units[b, t, n, g])
        for b in range(2) for t in range(14) for n in range(2) for g in range(2) if units[b, t, n, g] != IGNORE
    ]  # fmt: skip
    assert len(losses) == (14 + 9) * 4 - 1
    assert figures["loss"].item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    other = states.clone()
    other[1, 9:] = 1e3
    assert head.loss(other, batch_of(units=units))["loss"].item() == pytest.approx(figures["loss"].item())
    num_wrong, count = head.measured(states, batch_of(units=units))
    assert count == len(losses) and figures["accuracy"].item() == pytest.approx(1 - num_wrong / count)


def test_units_follow_the_frames(config, tmp_path):
    folder = with_units(config, tmp_path / "units")
    heads = {"audio": FrameUnitSettings(folder=folder, size=5)}
    clips = read_manifest(config.data.train[0])
    augmentations = (Augmentation(speed=speed, trim=False) for speed in (0.0, 0.4))
    plain, played = (CropDataset(clips, CharTokenizer("ab "), augmentation, 3, heads) for augmentation in augmentations)
    units = [data.item(0, 1).targets["audio.units"] for data in (plain, played)]
    assert units[0].shape == (clips[0].num_frames, 2, 1)
    assert len(units[1]) == len(played.item(0, 1).inputs["video"])
    assert {tuple(u.flatten().tolist()) for u in units[1]} <= {tuple(u.flatten().tolist()) for u in units[0]}


@pytest.mark.parametrize(
    "values, message",
    [
        (np.zeros(9, np.int16), "not 2 x 1 for each of 5 frames"),
        (np.zeros((10, 2), np.int16), "not 2 x 1"),
        (np.full(10, 5, np.int16), "no units below 5"),
        (np.zeros(10, np.float32), "no units below 5"),
        (None, "is not there"),
    ],
)
def test_refuses_units_that_do_not_fit(tmp_path, values, message):
    if values is not None:
        save_file({"units": values}, tmp_path / "a.safetensors")
    with pytest.raises(VsrError, match=message) as error:
        read_frame_units(tmp_path, Clip("a", "a.mp4", "x"), "units", 5, 2, 1, 5)
    assert "\n" not in str(error.value)


def test_refuses_file_without_the_named_units(tmp_path):
    save_file({"units": np.zeros(10, np.int16)}, tmp_path / "a.safetensors")
    with pytest.raises(VsrError, match="'tokens'"):
        read_frame_units(tmp_path, Clip("a", "a.mp4", "x"), "tokens", 5, 2, 1, 5)


def test_units_beside_ctc_are_trained_and_not_decoded(config, tmp_path):
    heads = {"audio": AUDIO["audio"] | {"folder": with_units(config, tmp_path / "units")}}
    settings = NONE | {"ctc_weight": 0.1, "further_heads": heads}
    figures, loaded = trained(changed_model(changed(config, "trainer", max_epochs=1), settings), tmp_path / "run")
    assert {"audio", "accuracy", "ctc", "dev_wer"} <= figures.keys()
    assert float(figures["loss"]) == pytest.approx(10 * float(figures["audio"]) + 0.1 * float(figures["ctc"]), abs=0.02)
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert records and all("heads" not in record for record in records)
    with pytest.raises(VsrError, match="writes no text"):
        decode_manifest(loaded, config.data.tests[0], tmp_path / "no.jsonl", options_for(loaded), head="audio")


def test_units_alone_can_be_learnt_and_a_reader_starts_from_them(config, tmp_path):
    heads = {"audio": AUDIO["audio"] | {"folder": with_units(config, tmp_path / "units")}}
    short = changed(config, "trainer", max_epochs=1)
    figures, loaded = trained(changed_model(short, NONE | {"further_heads": heads}), tmp_path / "first")
    assert 0.5 < float(figures["dev_audio"]) <= 1 and "dev_wer" not in figures
    starting = changed(short, "trainer", init_from=str(tmp_path / "first/model"))
    figures, _ = trained(changed_model(starting, NONE | {"ctc_weight": 1.0}), tmp_path / "second")
    assert "dev_wer" in figures
    assert loaded.model.ctc is None


def test_head_reads_its_layer():
    low = {"kind": "ctc", "characters": "abc ", "weight": 0.3}
    model = reader(layers=2, further_heads={"low": low | {"layer": 1}})
    batch = batch_of(**{"low.tokens": torch.tensor([[2, 3], [3, IGNORE]])})
    with record_layers(model.encoder, [1]) as layers:
        states = model.encode_batch(batch)
    head = model.further_heads["low"]
    losses = ctc_attention(model, batch)
    assert losses["low"].item() == pytest.approx(head.loss(layers[1], batch.of("low")).item())
    assert losses["low"].item() != pytest.approx(head.loss(states, batch.of("low")).item())
    assert not model.encoder.layers[0]._forward_hooks


def test_refuses_layer_that_does_not_exist():
    for layer, message in ((3, "1 to 2"), (-1, "give 0"), (0.5, "give 0")):
        with pytest.raises(ValueError, match=message):
            reader(layers=2, further_heads={"low": {"kind": "ctc", "characters": "abc ", "layer": layer}})


def test_head_of_weight_0_changes_nothing():
    model, batch = reader(), batch_of()
    before = ctc_attention(model, batch)
    with_zero = reader(further_heads={"low": {"kind": "ctc", "characters": "abc ", "weight": 0.0, "layer": 1}})
    with_zero.load_state_dict(model.state_dict(), strict=False)
    after = ctc_attention(with_zero, batch_of(**{"low.tokens": torch.tensor([[2, 3], [3, IGNORE]])}))
    assert before["loss"].item() == after["loss"].item()
