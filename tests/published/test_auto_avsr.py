"""Imported Auto-AVSR checkpoints compute what the real peer computed from the same weights."""

import json
from pathlib import Path

import pytest
import torch

from tests.published.agreement import assert_every_stage, gap
from tests.published.formula import video, weights
from vsr.core.errors import VsrError
from vsr.modelstore.importers.auto_avsr import build

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module", params=["auto_avsr", "auto_avsr_older"])
def golden(request):
    """Names and shapes of the peer's tensors, and its outputs (made by `golden_auto_avsr.py`)."""
    return json.loads((GOLDEN / f"{request.param}.json").read_text())


@pytest.fixture(scope="module")
def model(golden):
    return build(weights(golden["shapes"]))


@pytest.mark.parametrize("index", range(3))
def test_every_stage_agrees_with_the_peer(golden, model, index):
    assert_every_stage(model, golden["records"][index])


@pytest.mark.parametrize("setting, other", [("activation", "silu"), ("norm_eps", 1e-2)])
@torch.no_grad()
def test_another_network_would_differ(golden, model, setting, other):
    import dataclasses

    from vsr.models.lipreader import LipReader

    wrong = LipReader(dataclasses.replace(model.config, **{setting: other})).eval()
    wrong.load_state_dict(model.state_dict())
    record = golden["records"][2]
    states = wrong.encode(video(record["frames"]), torch.tensor([record["frames"]]))
    assert gap(states[0], record["states"]) > 1e-3


def test_missing_foreign_and_misshapen_tensors_are_named(golden):
    good = weights(golden["shapes"])
    for name in [n for n in good if n.startswith(("encoder.encoders.1", "decoder.decoders.0", "ctc"))][::4]:
        with pytest.raises(VsrError, match="lacks") as caught:
            build({other: tensor for other, tensor in good.items() if other != name})
        assert caught.value.reason == "bad_model"
    with pytest.raises(VsrError, match="'aux_encoder.weight', which this family"):
        build(good | {"aux_encoder.weight": torch.zeros(1)})
    with pytest.raises(VsrError, match=r"'decoder.decoders.1.norm2.bias' has shape \(9,\)"):
        build(good | {"decoder.decoders.1.norm2.bias": torch.zeros(9)})
    with pytest.raises(VsrError, match=r"'ctc.ctc_lo.bias' has shape \(0,\)"):
        build(good | {"ctc.ctc_lo.bias": torch.zeros(0)})
    with pytest.raises(VsrError, match="not finite"):
        build(good | {"ctc.ctc_lo.bias": torch.full((11,), torch.nan)})


def test_other_models_are_refused():
    with pytest.raises(VsrError, match="not a visual model of auto_avsr"):
        build({"conv.weight": torch.zeros(2, 2)})
