"""Train a language model on lines of text, with perplexity on the dev text, and export a model folder."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError, cause_of
from vsr.core.numbers import COUNT, check_numbers
from vsr.core.tokens import IGNORE
from vsr.data.batch import Counted
from vsr.data.manifest import read_manifest
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.targets import TOKENS
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.modelstore.folder import LANGUAGE_MODEL, save_model
from vsr.text.normalise import lower
from vsr.text.tokenizer import Tokenizer, load_tokenizer
from vsr.training.config import RunConfig, TrainerConfig, check_lists
from vsr.training.loop import Run
from vsr.training.model_settings import built, model_settings


@dataclass(frozen=True)
class TextDataConfig:
    """Files of text, tokenizer folder, and batches.

    A file is UTF-8 text with one sentence per line, or a manifest (``.jsonl``), whose transcripts are read. Sentences
    of ``tests`` and sentences of more than ``max_tokens`` are left out of the training text.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    tokenizer: str
    tests: tuple[str, ...] = ()
    tokens_per_batch: int = 4096
    max_tokens: int = 256

    def __post_init__(self):
        check_lists(self.train, self.dev, what="file")
        check_numbers(self, "data.", tokens_per_batch=COUNT, max_tokens=COUNT)
        if not 1 <= self.max_tokens < self.tokens_per_batch:
            raise VsrError("bad_config", "data.max_tokens must be at least 1 and below data.tokens_per_batch")


@dataclass(frozen=True)
class LanguageTrainConfig(RunConfig):
    """Configuration of a language model."""

    data: TextDataConfig

    def model_config(self, vocab_size: int) -> LanguageModelConfig:
        """The model's settings with the vocabulary size filled in. Raises VsrError."""
        return model_settings(LanguageModelConfig, self.model, vocab_size=vocab_size)


@dataclass
class TextBatch(Counted):
    """tokens (B, U), padded with -1 and without eos."""

    tokens: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Number of tokens including end tokens, which the loss is a mean over."""
        return {TOKENS: ((self.tokens != IGNORE).sum() + len(self.tokens)).float()}


class TextDataset:
    """Sentences as tokens, all in one array: a tensor for each takes several times the memory.

    Sentences whose `lower` is in ``excluded`` are left out, as are empty ones and those of more than ``max_tokens``.
    """

    def __init__(
        self, sentences: Iterable[str], tokenizer: Tokenizer, max_tokens: int, excluded: Container[str] = frozenset()
    ):
        tokens, lengths = array("i"), array("i")
        self.num_excluded = self.num_unusable = 0
        for sentence in sentences:
            if excluded and lower(sentence) in excluded:
                self.num_excluded += 1
            elif 1 <= len(encoded := tokenizer.encode(sentence)) <= max_tokens:
                tokens.extend(encoded)
                lengths.append(len(encoded))
            else:
                self.num_unusable += 1
        if not lengths:
            raise VsrError("bad_config", f"no sentence of 1 to {max_tokens} tokens in the text")
        self.tokens, self.lengths = np.asarray(tokens), np.asarray(lengths)
        self.ends = np.cumsum(self.lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def sampler(self, budget: int, seed: int = 0, shuffle: bool = True) -> FrameBudgetSampler:
        """Batches of at most ``budget`` tokens, counting padding and end tokens."""
        return FrameBudgetSampler(self.lengths + 1, budget, seed, shuffle)

    def batch(self, indices: Sequence[int], epoch: int = 0) -> TextBatch:
        """The padded batch of several sentences; the same in every epoch."""
        sequences = [self.tokens[self.ends[i] - self.lengths[i] : self.ends[i]] for i in indices]
        tensors = [torch.from_numpy(sequence).long() for sequence in sequences]
        return TextBatch(pad_sequence(tensors, batch_first=True, padding_value=IGNORE))


class LanguageRun(Run):
    """`vsr.training.loop.Run` with a `LanguageTrainConfig`."""

    train: TextDataset
    counted = "tokens"

    def _open_data(self) -> None:
        data = self.config.data
        self.tokenizer = load_tokenizer(data.tokenizer)
        test_texts = set(map(lower, read_texts(data.tests)))
        self.train = TextDataset(read_texts(data.train), self.tokenizer, data.max_tokens, test_texts)
        self.dev = TextDataset(read_texts(data.dev), self.tokenizer, data.max_tokens)
        self.sampler = self.train.sampler(data.tokens_per_batch, self.config.seed)
        of_tests, unusable = self.train.num_excluded, self.train.num_unusable
        self.say(f"{len(self.train)} sentences; left out: {of_tests} of the tests, {unusable} empty or long")

    def _build_model(self) -> LanguageModel:
        check_start(self.config.trainer)
        return built(LanguageModel, self.config.model_config(self.tokenizer.vocab_size))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Perplexity per token, end tokens included, of the averaged weights on the dev text."""
        model: LanguageModel = self.average.model
        total, count = 0.0, 0
        for indices in self.dev.sampler(self.config.data.tokens_per_batch, shuffle=False).batches():
            batch = self.dev.batch(indices).to(self.fabric.device)
            total += float(model.token_losses(batch.tokens).cpu().double().sum())
            count += int((batch.tokens != IGNORE).sum()) + len(batch.tokens)
        return {"dev_perplexity": float(np.exp(np.float64(total / count)))}  # inf for a model that has diverged

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (by rank 0 alone)."""
        if not self.fabric.is_global_zero:
            return folder
        extra = {"name": self.folder.name, "kind": LANGUAGE_MODEL, "training": self.training_record()}
        return save_model(folder, self.average.model, self.tokenizer, extra, half=True)


def check_start(trainer: TrainerConfig) -> None:
    """Raises VsrError bad_config where a language model would begin with the weights of another."""
    if trainer.init_from:
        raise VsrError("bad_config", "trainer.init_from is not for language models: leave it out")


def read_texts(paths: Iterable[str]) -> Iterator[str]:
    """Sentences of text files and manifests, read one by one. Raises VsrError."""
    return (text for path in paths for text in _sentences(Path(path)))


def _sentences(path: Path) -> Iterator[str]:
    if path.suffix == ".jsonl":
        yield from (clip.text for clip in read_manifest(path))
        return
    try:
        with path.open(encoding="utf-8") as lines:
            yield from (line.rstrip("\n") for line in lines)
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_config", f"cannot read the text {path}: {cause_of(error)}") from error
