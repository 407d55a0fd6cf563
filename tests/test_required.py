"""What may be missing is handed on where it is there, and named where it is not."""

import pytest
import torch

from vsr.core.required import required
from vsr.models.lipreader import LipReader, LipReaderConfig


@pytest.mark.parametrize("value", [0, "", [], False])
def test_what_is_there_is_handed_on(value):
    assert required(value, "a value") is value


def test_what_is_not_there_is_named():
    with pytest.raises(LookupError, match="^the head is missing$"):
        required(None, "the head")


def test_a_reader_that_has_no_head_of_ctc_says_so():
    model = LipReader(LipReaderConfig(5, frontend="landmarks", dim=8, heads=2, hidden=8, layers=1, ctc_weight=0.0))
    with pytest.raises(LookupError, match="CTC is missing"):
        model.ctc_log_probs(torch.zeros(1, 3, 8))
