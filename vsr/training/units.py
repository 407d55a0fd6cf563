"""Train a reader of given speech units, from sound and text alone (second stage of LMDecoder)."""

from __future__ import annotations

from vsr.core.errors import VsrError
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.data.unit_input import UNITS, UnitDataset
from vsr.models.lipreader import frontend_of, further_heads_of
from vsr.models.unit_bridge import UnitFrontendSettings
from vsr.text.tokenizer import load_tokenizer
from vsr.training.config import TrainConfig
from vsr.training.lipreader import LipReaderRun
from vsr.training.texts import with_tokens
from vsr.training.unlabelled import refuse_unlabelled


class UnitRun(LipReaderRun):
    """`LipReaderRun` for a model with the front end "units": clips need neither video nor crops."""

    train: UnitDataset
    dev: UnitDataset

    def _open_data(self) -> None:
        data, seed = self.config.data, self.config.seed
        data.corruption.check_streams(video=False, sound=False)
        refuse_unlabelled(self.config, "units")
        train, dev, _ = read_lists(data)
        self.tokenizer = data.checked(load_tokenizer(data.tokenizer))
        config = self.config.model_config(self.tokenizer.vocab_size)
        part, heads = frontend_of(config), further_heads_of(config)
        if not isinstance(part, UnitFrontendSettings):
            raise VsrError("bad_config", f"model.frontend is {config.frontend}, which reads no units")
        train, dev = (self._with_tokens(name, clips) for name, clips in (("training", train), ("dev", dev)))
        self.train = UnitDataset(train, self.tokenizer, part.source, part.replaced, seed, heads)
        self.dev = UnitDataset(dev, self.tokenizer, part.source)
        self.train.clips = self._short_enough(self.train.clips)  # the units say how long they are
        lengths = [clip.num_frames for clip in self.train.clips]
        self.sampler = FrameBudgetSampler(lengths, data.frames_per_batch, seed)

    def unvaried(self) -> UnitDataset:
        """The training clips with their units as they are."""
        return UnitDataset(self.train.clips, self.tokenizer, self.train.source)

    def _with_tokens(self, name: str, clips: list) -> list:
        return with_tokens(name, clips, self.tokenizer, False, self.say)  # the units set the length


def reads_units(config: TrainConfig) -> bool:
    """Whether the model of a configuration reads given units."""
    frontend = config.model.get("frontend")
    return (frontend.get("kind") if isinstance(frontend, dict) else frontend) == UNITS
