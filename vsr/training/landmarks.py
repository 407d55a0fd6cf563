"""Train a reader of mouth-point tracks: the run of a lip reader with tracks in place of crops."""

from __future__ import annotations

from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.data.tracks import TrackDataset
from vsr.models.lipreader import further_heads_of
from vsr.text.tokenizer import load_tokenizer
from vsr.training.lipreader import LipReaderRun


class LandmarkRun(LipReaderRun):
    """`LipReaderRun` for a model with the front end "landmarks"; every clip of the lists has a track.

    Tracks without silence, also those of the dev list, get silence from the training list.
    """

    train: TrackDataset
    dev: TrackDataset

    def _open_data(self) -> None:
        data, seed = self.config.data, self.config.seed
        data.corruption.check_streams(video=False, sound=False)
        train, dev, _ = read_lists(data)
        train = self._short_enough(train)
        self.tokenizer = data.checked(load_tokenizer(data.tokenizer))
        train = self._with_tokens("training", train)
        self._with_tokens("dev", dev)
        heads = further_heads_of(self.config.model_config(self.tokenizer.vocab_size))
        self.train = TrackDataset(train, self.tokenizer, data.track_augmentation, seed, heads=heads)
        self.dev = TrackDataset(dev, self.tokenizer, None, seed, self.train.silences)
        self.sampler = FrameBudgetSampler(self.train.lengths(), data.frames_per_batch, seed)
