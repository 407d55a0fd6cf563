"""Train a reader of mouth-point tracks: the run of a lip reader with tracks in place of crops."""

from __future__ import annotations

from vsr.core.errors import VsrError
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.data.tracks import TrackDataset
from vsr.models.lipreader import further_heads_of
from vsr.text.tokenizer import load_tokenizer
from vsr.text.unit_tokenizers import UnitTokenizer
from vsr.training.lipreader import LipReaderRun
from vsr.training.unlabelled import refuse_unlabelled


class LandmarkRun(LipReaderRun):
    """`LipReaderRun` for a model with the front end "landmarks"; every clip of the lists has a track.

    Tracks without silence, also those of the dev list, get silence from the training list.
    """

    train: TrackDataset
    dev: TrackDataset

    def _open_data(self) -> None:
        data, seed = self.config.data, self.config.seed
        data.corruption.check_streams(video=False, sound=False)
        refuse_unlabelled(self.config, "tracks")
        train, dev, _ = read_lists(data)
        train = self._short_enough(train)
        self.tokenizer = data.checked(load_tokenizer(data.tokenizer))
        self._check_pronunciation()
        train = self._with_tokens("training", train)
        dev = self._with_tokens("dev", dev)
        heads = further_heads_of(self.config.model_config(self.tokenizer.vocab_size))
        self.train = TrackDataset(train, self.tokenizer, data.track_augmentation, seed, heads=heads)
        self.dev = TrackDataset(dev, self.tokenizer, None, seed, self.train.silences)
        self.sampler = FrameBudgetSampler(self.train.lengths(), data.frames_per_batch, seed)

    def _check_pronunciation(self) -> None:
        """Raises VsrError bad_config where pronunciations would be chosen: a sentence may be joined of several."""
        if isinstance(self.tokenizer, UnitTokenizer) and self.tokenizer.settings.pronunciation == "best":
            problem = (
                f"the tokenizer of {self.config.data.tokenizer} is for the best pronunciations, which tracks have not"
            )
            raise VsrError("bad_config", f"{problem}: make one by vsr tokens --pronunciation all, or first")
