"""Train a lip reader on crops and tokens, with word error rate on the dev list, and export a model folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.splits import read_lists
from vsr.evaluation.units import token_edits
from vsr.evaluation.wer import word_errors
from vsr.models.borrowed import borrow, with_hashes
from vsr.models.frontends.torchvision_video import load_video_weights
from vsr.models.fusion import FusedReader
from vsr.models.lipreader import LipReader, further_heads_of, tokenizer_of_head
from vsr.models.memory import fill_memories
from vsr.modelstore.folder import LoadedModel, load_model, save_model
from vsr.modelstore.importers.reading import read_checkpoint, weights_of
from vsr.objectives.registry import objective_of
from vsr.objectives.step import Step
from vsr.text.normalise import lower
from vsr.text.tokenizer import Tokenizer, WordTokenizer, load_tokenizer, unit_of
from vsr.text.unit_tokenizers import UnitTokenizer
from vsr.training.bridge_initialisation import fill_bridge
from vsr.training.centroids import fit_centroids
from vsr.training.initialisation import copy_weights
from vsr.training.lips_initialisation import fill_lips
from vsr.training.loop import Run
from vsr.training.model_settings import built
from vsr.training.pronunciations import choose_pronunciations
from vsr.training.texts import with_tokens
from vsr.training.unlabelled import check_unlabelled, unlabelled_clips

RATES = {"phoneme": "dev_per", "viseme": "dev_ver"}


class LipReaderRun(Run):
    """`vsr.training.loop.Run` with a `vsr.training.config.TrainConfig`."""

    train: CropDataset
    hears = False  # whether the model reads sound
    higher = ("dev_accuracy",)

    def _open_data(self) -> None:
        data = self.config.data
        train, dev, tests = read_lists(data)
        self.tokenizer = data.checked(load_tokenizer(data.tokenizer))
        train = self._with_tokens("training", self._short_enough(train))
        train += self._unlabelled(train, dev, tests)
        dev = self._with_tokens("dev", dev)
        config = self.config.model_config(self.tokenizer.vocab_size)
        check_unlabelled(self.config, config)
        if config.classes:
            self._check_words(("train", train), ("dev", dev))
        heads = further_heads_of(config)
        data.corruption.check_streams(video=True, sound=self.hears)
        self.train = CropDataset(
            train, self.tokenizer, data.augmentation, self.config.seed, heads, data.corruption.video
        )
        alone = not (config.ctc_weight or config.decoder_layers or config.alignment_weight or config.classes)
        self.dev = CropDataset(dev, self.tokenizer, None, heads=heads if alone else None)
        # Speed augmentation can lengthen a clip: the budget counts the longest case.
        longest = [math.ceil(clip.num_frames / (1 - data.augmentation.speed)) for clip in train]
        self.sampler = FrameBudgetSampler(longest, data.frames_per_batch, self.config.seed)

    def _unlabelled(self, train: list[Clip], dev: list[Clip], tests: list[Clip]) -> list[Clip]:
        """The clips of ``data.unlabelled``, whose texts are not read; prints their number."""
        if not self.config.data.unlabelled:
            return []
        clips = unlabelled_clips(self.config, train, dev, tests)
        self.say(f"{len(clips)} clips without text beside {len(train)} with it")
        return self._short_enough(clips)

    def _short_enough(self, clips: list[Clip]) -> list[Clip]:
        """The clips of at most ``data.max_frames``; prints their number if longer ones are left out."""
        limit = self.config.data.max_frames
        short = [clip for clip in clips if not limit or clip.num_frames <= limit]
        if not short:
            raise VsrError("bad_config", f"data.max_frames: not one training clip has at most {limit} frames")
        if len(short) < len(clips):
            hours = sum(clip.num_frames for clip in short) / FPS / 3600
            self.say(f"{len(short)} of {len(clips)} clips have at most {limit} frames: {hours:.1f} h")
        return short

    def _with_tokens(self, name: str, clips: list[Clip]) -> list[Clip]:
        ctc = self.config.model_config(self.tokenizer.vocab_size).ctc_weight > 0
        return with_tokens(name, clips, self.tokenizer, ctc, self.say)

    def _check_words(self, *lists: tuple[str, list[Clip]]) -> None:
        """Check that every clip says one word of the tokenizer's list. Raises VsrError bad_manifest."""
        for name, clips in lists:
            invalid = [clip for clip in clips if len(ids := self.tokenizer.encode(clip.text)) != 1 or ids == [UNK]]
            if invalid:
                what = (
                    f"{len(invalid)} {name} clips do not say one word of the tokenizer's list, such as {invalid[0].id}"
                )
                raise VsrError("bad_manifest", f"{what}: '{invalid[0].text}'")

    def _stepped(self) -> Step:
        try:
            config = self.config
            objective = objective_of(self.model.config, config.objective, config.objective_settings, self.tokenizer)
        except ValueError as error:
            raise VsrError("bad_config", str(error)) from error
        config.trainer.check_objective(objective)
        if with_teacher := getattr(objective, "with_teacher", None):
            objective = with_teacher(self.average.model)
            self.average.teaches = True
        return Step(self.model, objective)

    def _build_model(self) -> LipReader:
        model = built(LipReader, with_hashes(self.config.model_config(self.tokenizer.vocab_size)))
        if path := self.config.trainer.frontend_weights:
            self.say(load_video_weights(model.frontend, path, lambda file: weights_of(read_checkpoint(file), file)))
        fills = fill_memories(model), fill_bridge(model, model.config), fill_lips(model, model.config), borrow(model)
        for notice in (self.config.unused(model.config), *fills):
            if notice:
                self.say(notice)
        if start := self.config.trainer.init_from:
            source, tokenizer = fitting_reader(load_model(start), model)
            self.say(f"init_from {start}: {copy_weights(source, model, tokenizer, self.tokenizer)}")
        return model

    def _open_model(self, model: nn.Module) -> None:
        if notice := fit_centroids(model, self.train, self.config.seed):
            self.say(notice)
        super()._open_model(model)

    def unvaried(self) -> CropDataset:
        """The training clips without augmentation."""
        return CropDataset(self.train.clips, self.tokenizer, None)

    def _epoch(self) -> dict[str, float]:
        choose_pronunciations(self)
        return super()._epoch()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Word error rate of the averaged weights on the dev list, by the search of the first head (greedy for CTC).
        For phonemes and visemes it is their error rate, for isolated words the accuracy."""
        model: LipReader = self.average.model
        name, head = next(iter(model.heads.items()))
        tokenizer = tokenizer_of_head(model.config, name, self.tokenizer)
        sampler = FrameBudgetSampler([clip.num_frames for clip in self.dev.clips], 4096, shuffle=False)
        errors = words = 0
        for indices in sampler.batches()[self.fabric.global_rank :: self.fabric.world_size]:
            batch = self.dev.batch(indices).to(self.fabric.device)
            if measured := getattr(head, "measured", None):  # speech units, which are not text
                wrong, count = measured(model.encode_batch(batch), batch.of(name))
                errors, words = errors + wrong, words + count
                continue
            best = head.search(model.encode_batch(batch), batch.lengths)
            for i, ranked in zip(indices, best, strict=True):
                wrong, count = errors_of(tokenizer, self.dev.clips[i].text, ranked[0].tokens if ranked else ())
                errors, words = errors + wrong, words + count
        counted = torch.tensor([errors, words], device=self.fabric.device)
        errors, words = self.fabric.all_reduce(counted, reduce_op="sum").tolist()
        rate = errors / max(1, words)
        if hasattr(head, "measured"):
            return {f"dev_{name}": rate}
        return {"dev_accuracy": 1 - rate} if name == "words" else {RATES.get(unit_of(tokenizer), "dev_wer"): rate}

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (by rank 0 alone)."""
        if not self.fabric.is_global_zero:
            return folder
        extra = {"name": self.folder.name, "window": self._window(), "training": self.training_record()}
        return save_model(folder, self.average.model, self.tokenizer, extra, half=True)

    def _window(self) -> float:
        """Preferred length of clips in seconds: the 0.9 quantile of the training clips, limited to 2 ... 16 s."""
        frames = np.quantile([clip.num_frames for clip in self.train.clips], 0.9)
        return float(np.clip(round(frames / FPS), 2, 16))


def errors_of(tokenizer: Tokenizer, text: str, tokens: Sequence[int]) -> tuple[int, int]:
    """(errors, number of reference units) of a hypothesis, in words, or in the phonemes or visemes of the tokenizer."""
    if isinstance(tokenizer, UnitTokenizer):
        edits = token_edits(tokenizer, text, tokens)
        return edits.errors, edits.units
    return word_errors(lower(text), lower(tokenizer.decode(tokens)))


def fitting_reader(loaded: LoadedModel, target: LipReader) -> tuple[nn.Module, Tokenizer]:
    """The model to initialise ``target`` from, with its tokenizer: of a fused reader the matching part (pixels or
    tracks), else the whole model."""
    if not isinstance(loaded.model, FusedReader):
        return loaded.model, loaded.tokenizer
    if target.config.frontend == "landmarks":
        return loaded.model.tracks, WordTokenizer(loaded.model.config.words)
    return loaded.model.pixels, loaded.tokenizer
