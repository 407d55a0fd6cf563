"""Dev figures of an acoustic model are those of all its frames, however they are batched."""

from types import SimpleNamespace

import pytest
import torch

from lip2speech.models.voice import Speech
from lip2speech.training.acoustic import VoiceRun
from vsr.data.manifest import Clip

LENGTHS = (2000, 30, 40)  # the first is a batch of its own


class Dev:
    """Clips whose mel is 0 and whose units are 1."""

    clips = [Clip(f"c{i}", "v.mp4", "", "s", frames) for i, frames in enumerate(LENGTHS)]

    def batch(self, indices):
        frames = [LENGTHS[i] for i in indices]
        units = torch.full((len(frames), 2 * max(frames)), -1)
        for row, count in enumerate(frames):
            units[row, : 2 * count] = 1
        batch = SimpleNamespace(
            lips=SimpleNamespace(lengths=torch.tensor(frames)), visual=torch.zeros(1), speaker=None, units=units,
            mel=torch.zeros(len(frames), 4 * max(frames), 80),
        )  # fmt: skip
        batch.to = lambda device: batch
        return batch


class Wrong:
    """Gives mels that are off by 1 and right units for the long clip, right mels and wrong units for the others."""

    def speak_features(self, visual, lengths, speaker, options):
        is_long = (lengths == LENGTHS[0])[:, None]
        error = is_long.float().expand(-1, 4 * int(lengths.max()))[..., None].expand(-1, -1, 80)
        return Speech(error, is_long.long().expand(-1, 2 * int(lengths.max())))


def test_batches_count_by_their_frames():
    run = SimpleNamespace(
        average=SimpleNamespace(model=Wrong()), dev=Dev(), fabric=SimpleNamespace(device=torch.device("cpu"))
    )
    figures = VoiceRun.validate(run)
    share = LENGTHS[0] / sum(LENGTHS)
    for name in ("dev_coarse", "dev_mel", "dev_units"):
        assert figures[name] == pytest.approx(share), name
