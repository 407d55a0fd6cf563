"""Unrestricted reading of lips, and the probability that they are in the reader's domain.

Functions that look for given words use it to tell whether the reader can read such lips at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.decoding.assess import KNOWN, assess
from vsr.decoding.defaults import options_for
from vsr.decoding.domain import limited_probability
from vsr.decoding.search import decode
from vsr.text.hypothesis import Hypothesis

if TYPE_CHECKING:
    from vsr.inference.speech import EncodedWindow
    from vsr.modelstore.folder import LoadedModel

BEAM = 10
UNLIKE = "the lips look unlike what the model was trained on"


@torch.inference_mode()
def read_freely(loaded: LoadedModel, states: Tensor, method: str = "") -> tuple[list[Hypothesis], float | None]:
    """States (T, D) of a window -> hypotheses, best first, and the in-domain probability of the best: None if that was
    not fitted, or nothing is read. ``method``: of the search; empty: chosen by the model's heads."""
    method = method or ("joint" if loaded.model.decoder is not None else "ctc_beam")
    options = options_for(loaded, {"lm": "none", "method": method, "beam": BEAM, "length_bonus": 0.0})
    lengths = torch.tensor([len(states)], device=states.device)
    (ranked,) = decode(loaded.model, states[None], lengths, options, loaded.tokenizer.eos_id)
    return ranked, assess(loaded, states, ranked)[1] if ranked else None


def domain_probability(loaded: LoadedModel, windows: Sequence[EncodedWindow]) -> float | None:
    """The probability that the lips of windows are in the reader's domain; None if that was not fitted. Then nothing is
    read, and only too low a frame rate gives a probability."""
    fitted = any("domain" in config for config in (loaded.config, loaded.config.get(KNOWN, {})))
    bounded = [
        limited_probability(read_freely(loaded, window.states)[1] if fitted else None, window.most)
        for window in windows
    ]
    chances = [chance for chance in bounded if chance is not None]
    return mean(chances) if chances else None
