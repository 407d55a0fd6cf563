"""What lips would be read as if nobody said what they say, and whether that is of the reader's domain.

Whoever looks for given words in a video learns by it whether the reader knows such lips at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.decoding.assess import KNOWN, assess
from vsr.decoding.defaults import options_for
from vsr.decoding.domain import at_most
from vsr.decoding.search import decode
from vsr.text.hypothesis import Hypothesis

if TYPE_CHECKING:
    from vsr.inference.speech import Encoded
    from vsr.modelstore.folder import LoadedModel

BEAM = 10
UNLIKE = "the lips look unlike what the model was trained on"


@torch.inference_mode()
def read_freely(loaded: LoadedModel, states: Tensor, method: str = "") -> tuple[list[Hypothesis], float | None]:
    """States (T, D) of a window -> hypotheses, best first, and the chance that the best is of the reader's domain: None
    where it was not fitted, or nothing is read. ``method``: of the search; empty: by the heads that there are."""
    method = method or ("joint" if loaded.model.decoder is not None else "ctc_beam")
    options = options_for(loaded, {"lm": "none", "method": method, "beam": BEAM, "length_bonus": 0.0})
    lengths = torch.tensor([len(states)], device=states.device)
    (ranked,) = decode(loaded.model, states[None], lengths, options, loaded.tokenizer.eos_id)
    return ranked, assess(loaded, states, ranked)[1] if ranked else None


def known_lips(loaded: LoadedModel, windows: Sequence[Encoded]) -> float | None:
    """The chance that the lips of windows are of the reader's domain; None where that was not fitted: then nothing is
    read for it, and only too few frames a second are seen."""
    fitted = any("domain" in own for own in (loaded.config, loaded.config.get(KNOWN, {})))
    each = [at_most(read_freely(loaded, own.states)[1] if fitted else None, own.most) for own in windows]
    chances = [chance for chance in each if chance is not None]
    return mean(chances) if chances else None
