"""Training a reader of isolated words: the same run, with the share of dev clips whose word is named right."""

from __future__ import annotations

import torch

from vsr.core.errors import VsrError
from vsr.data.sampler import FrameBudgetSampler
from vsr.objectives.word_classes import UNLISTED, classes_of
from vsr.text.tokenizer import UNK
from vsr.training.lipreader import LipReaderRun


class WordRun(LipReaderRun):
    """`LipReaderRun` of a model with ``classes``; every clip of the lists says one word of the tokenizer."""

    def _open_data(self) -> None:
        super()._open_data()
        for name, clips in (("train", self.train.clips), ("dev", self.dev.clips)):
            odd = [clip for clip in clips if len(ids := self.tokenizer.encode(clip.text)) != 1 or ids == [UNK]]
            if odd:
                what = f"{len(odd)} {name} clips do not say one word of the tokenizer's list, such as {odd[0].id}"
                raise VsrError("bad_manifest", f"{what}: '{odd[0].text}'")

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Top-1 accuracy of the averaged weights on the dev list."""
        sampler = FrameBudgetSampler([clip.num_frames for clip in self.dev.clips], 4096, shuffle=False)
        model, right = self.average.model, 0
        for indices in sampler.batches():
            batch = self.dev.batch(indices).to(self.fabric.device)
            found = model.word_logits(batch.video, batch.lengths, batch.inside).argmax(-1)
            targets = classes_of(batch, model.config.classes)
            right += int(((found == targets) & (targets != UNLISTED)).sum())
        return {"dev_accuracy": right / len(self.dev.clips)}
