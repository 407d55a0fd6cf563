"""`present` returns a value, and names what is None."""

import pytest
import torch

from vsr.core.required import required
from vsr.models.lipreader import LipReader, LipReaderConfig


@pytest.mark.parametrize("value", [0, "", [], False])
def test_value_is_returned(value):
    assert required(value, "a value") is value


def test_missing_value_is_named():
    with pytest.raises(LookupError, match="^the head is missing$"):
        required(None, "the head")


def test_model_without_ctc_head_says_so():
    model = LipReader(LipReaderConfig(5, frontend="landmarks", dim=8, heads=2, hidden=8, layers=1, ctc_weight=0.0))
    with pytest.raises(LookupError, match="CTC is missing"):
        model.ctc_log_probs(torch.zeros(1, 3, 8))
