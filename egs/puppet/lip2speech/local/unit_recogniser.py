"""A recogniser of words in speech units, trained on the clips' own units, and what it reads."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "vsr" / "local"))
from unit_rig import batch_of, batch_sampler, fit_text

from vsr.core.clock import UNITS_PER_FRAME
from vsr.data.manifest import Clip
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.text.tokenizer import train_tokenizer

REPLACED = 0.05  # share of the units that are replaced in training


def recogniser(tokenizer, size: int, seed: int) -> LipReader:
    """Two Conformer layers and CTC on units, with random weights."""
    torch.manual_seed(seed)
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, heads=4, hidden=256,
        layers=2, kernel=15, decoder_layers=0, ctc_weight=1.0, alignment_weight=0.0,
    )  # fmt: skip
    return LipReader(config)


def trained_recogniser(train: Sequence[Clip], units: dict[str, Tensor], size: int, steps: int, seed: int):
    """The recogniser after ``steps`` on the units (2T,) of clips, by id, and its tokenizer of words."""
    tokenizer = train_tokenizer("word", [clip.text for clip in train])
    model = recogniser(tokenizer, size, seed)
    examples = [(by_frame(units[clip.id]), torch.tensor(tokenizer.encode(clip.text))) for clip in train]
    fit_text(model, batch_sampler(examples, size, REPLACED), steps, 2e-3, seed)
    return model.eval(), tokenizer


def words_in(model: LipReader, units: Sequence, tokenizer) -> list[str]:
    """Texts that the recogniser reads in the units (2T,) of each clip; none in less than a frame."""
    return [text_in(model, part, tokenizer) if len(part) >= UNITS_PER_FRAME else "" for part in units]


@torch.inference_mode()
def text_in(model: LipReader, units: Sequence[int], tokenizer) -> str:
    """The text in the units of one clip."""
    whole_frames = torch.as_tensor(units)[: len(units) // UNITS_PER_FRAME * UNITS_PER_FRAME]
    batch = batch_of([(by_frame(whole_frames), torch.zeros(1, dtype=torch.long))])
    ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
    return tokenizer.decode(best.tokens)


def by_frame(units: Tensor) -> Tensor:
    """Units (2T,) -> (T, 2)."""
    return units.view(-1, UNITS_PER_FRAME)
