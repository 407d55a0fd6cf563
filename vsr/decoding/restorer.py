"""Restore text with a language model: it reads a lip reader's phonemes, visemes or hypotheses and writes the sentence.

The prompt is the reader's lines and a mark; the answer is the text with its end token. Phonemes to sentences by an LLM
with adapters: VALLR (Thomas et al. 2025); by an encoder-decoder: PV-ASR (2025); hypotheses to text: LipGER (Ghosh et
al. 2024). Shapes: P tokens of a prompt, U tokens of a text, N texts of one prompt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.decoding.llm import as_sentence, tree_log_probs
from vsr.models.text_backbone import LoraSettings
from vsr.text.normalise import letters
from vsr.text.phonemes import MARK, PHONEMES
from vsr.text.visemes import VISEMES, visemes_of

INPUTS = ("phoneme", "viseme", "text")
ANSWER = "\n>"  # the mark between the lines of a prompt and the text
LONGEST = 2.0  # a written text has at most this many tokens per token of its prompt, plus SHORTEST
SHORTEST = 12


@dataclass(frozen=True)
class RestorerSettings:
    """Settings of a restorer.

    Args:
        backbone: folder or GGUF file of a model of transformers; "" for a model of ``sizes`` with random weights.
        architecture: "causal" or "encoder_decoder".
        input: content of the lines: "phoneme", "viseme" or "text".
        lines: number of hypotheses in a prompt, from as many readers or from one n-best list.
        lora: adapters of the backbone.
        sizes: model_type and sizes of a configuration of transformers, for --dry-run and random weights.
    """

    backbone: str = ""
    architecture: str = "causal"
    input: str = "phoneme"
    lines: int = 1
    lora: LoraSettings = field(default_factory=LoraSettings)
    sizes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.architecture not in CLASSES:
            raise VsrError("bad_config", f"llm.architecture is '{self.architecture}'; it can be {' or '.join(CLASSES)}")
        if self.input not in INPUTS:
            raise VsrError("bad_config", f"llm.input is '{self.input}'; it can be {', '.join(INPUTS)}")
        if not 1 <= self.lines <= 64 or self.lora.rank < 0:
            raise VsrError(
                "bad_config", f"llm.lines is {self.lines}, lora.rank {self.lora.rank}: need 1 ... 64, and 0 or more"
            )
        if not self.backbone and not self.sizes:
            raise VsrError(
                "bad_config", "llm has neither backbone nor sizes: give a local folder, or model_type and its numbers"
            )


CLASSES = {"causal": "AutoModelForCausalLM", "encoder_decoder": "AutoModelForSeq2SeqLM"}


class Codec(Protocol):
    """Converts prompts and texts to tokens and back."""

    pad: int
    eos: int

    def prompt(self, lines: Sequence[str]) -> list[int]: ...

    def text(self, words: Sequence[str]) -> list[int]: ...

    def words(self, ids: Sequence[int]) -> list[str]: ...


class HubCodec:
    """Codec with the backbone's tokenizer: it spells units with its vocabulary, and texts are written as sentences."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = self.eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def prompt(self, lines: Sequence[str]) -> list[int]:
        """Tokens of the lines and the mark, after the model's start token if it has one."""
        begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        return begin + self.tokenizer.encode("\n".join(lines) + ANSWER, add_special_tokens=False)

    def text(self, words: Sequence[str]) -> list[int]:
        """Tokens of the words as a sentence, with the end token."""
        sentence = " " + " ".join(as_sentence(words)) if words else ""
        return [*(self.tokenizer.encode(sentence, add_special_tokens=False) if sentence else []), self.eos]

    def words(self, ids: Sequence[int]) -> list[str]:
        """Words of a token sequence, in lower case without punctuation."""
        return letters(self.tokenizer.decode(list(ids), skip_special_tokens=True)).split()


class OwnCodec:
    """Codec of a model trained from random weights: one token for each unit and each letter."""

    pad, begin, eos, unknown = 0, 1, 2, 3

    def __init__(self, unit: str):
        units = {"phoneme": PHONEMES, "viseme": VISEMES, "text": ()}[unit]
        self.entries = ["", "", "", "", *units, MARK, "\n", *" 'abcdefghijklmnopqrstuvwxyz0123456789"]
        self.split = unit != "text"
        self.units = {entry: place for place, entry in enumerate(self.entries) if entry and place < 4 + len(units) + 2}
        self.letters = {
            entry: place for place, entry in enumerate(self.entries) if entry and place >= 4 + len(units) + 1
        }

    def prompt(self, lines: Sequence[str]) -> list[int]:
        """Tokens of the units of the lines, or of their letters, and the start token of the text."""
        table = self.units if self.split else self.letters
        encoded = [[table.get(unit, self.unknown) for unit in (line.split() if self.split else line)] for line in lines]
        joined = [token for line in encoded for token in (*line, self.letters["\n"])]
        return [*joined, self.begin]

    def text(self, words: Sequence[str]) -> list[int]:
        """Tokens of the letters, with the end token."""
        return [*(self.letters.get(letter, self.unknown) for letter in " ".join(words)), self.eos]

    def words(self, ids: Sequence[int]) -> list[str]:
        """Words of a token sequence; units are left out, as they are no part of a text."""
        return "".join(entry for token in ids if (entry := self.entries[token]) in self.letters).split()


@dataclass(frozen=True)
class Restorer:
    """A model with its codec; ``licence`` is the one that the backbone's folder states."""

    model: Any
    codec: Codec
    settings: RestorerSettings
    licence: str = ""

    def log_probs(self, lines: Sequence[str], texts: Sequence[Sequence[str]]) -> list[float]:
        """Natural log-probability of each text (a list of words) including its end, given the lines; -inf for a text
        that is too long for the model. Raises VsrError bad_config for lines that are too long."""
        prompt, tokens = self._prompt(lines), [self.codec.text(words) for words in texts]
        most = self._positions - (len(prompt) if self.settings.architecture == "causal" else 0)
        fitting = [number for number, text in enumerate(tokens) if len(text) <= most]
        scores = [-math.inf] * len(texts)
        for number, value in zip(fitting, self._log_probs_of(prompt, [tokens[i] for i in fitting]), strict=True):
            scores[number] = value
        return scores

    @torch.inference_mode()
    def _log_probs_of(self, prompt: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[float]:
        if not tokens:
            return []
        if self.settings.architecture == "causal":
            return tree_log_probs(self.model, prompt, tokens).tolist()
        labels = pad_sequence([torch.tensor(text) for text in tokens], True, IGNORE)
        encoded = self.model.get_encoder()(torch.tensor([prompt]))
        encoded.last_hidden_state = encoded.last_hidden_state.expand(len(tokens), -1, -1)
        logits = self.model(encoder_outputs=encoded, decoder_input_ids=begun(labels, self.model)).logits.float()
        log_probs = logits.log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
        return log_probs.masked_fill(labels == IGNORE, 0.0).sum(1).tolist()

    @torch.inference_mode()
    def write(self, lines: Sequence[str], count: int, beams: int = 4) -> list[list[str]]:
        """The ``count`` likeliest texts of a beam search with the model, without duplicates. Raises as `log_probs`."""
        prompt = torch.tensor([self._prompt(lines)])
        first = prompt.shape[1] if self.settings.architecture == "causal" else 1
        most = min(int(SHORTEST + LONGEST * prompt.shape[1]), self._positions - first)
        written = self.model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), num_beams=max(beams, count), do_sample=False,
            num_return_sequences=count, max_new_tokens=most, pad_token_id=self.codec.pad, eos_token_id=self.codec.eos,
        )  # fmt: skip
        texts = [self.codec.words(_before_end(ids[first:].tolist(), self.codec.eos)) for ids in written]
        return [list(words) for words in dict.fromkeys(map(tuple, texts))]

    @property
    def _positions(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", 1 << 20))

    def _prompt(self, lines: Sequence[str]) -> list[int]:
        prompt = self.codec.prompt(lines)
        if len(prompt) >= self._positions:
            problem = f"a reading of {len(prompt)} tokens, and the restorer takes fewer than {self._positions}"
            raise VsrError("bad_config", f"{problem}: read shorter clips")
        return prompt


def begun(labels: Tensor, model: Any) -> Tensor:
    """Labels (B, U) -> input of the decoder in an encoder-decoder: the start token, then each label but the last."""
    first = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
    return torch.cat([first, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORE, model.config.pad_token_id)], 1)


def _before_end(ids: Sequence[int], end: int) -> list[int]:
    ids = list(ids)
    return ids[: ids.index(end)] if end in ids else ids


def units_of(text: str, unit: str) -> list[str]:
    """The text of a phoneme or viseme reader as units of a restorer, with one mark between words."""
    words = [word.split() for word in text.split(MARK) if word.strip()]
    if unit == "viseme":
        words = [list(visemes_of(word)) if set(word) <= set(PHONEMES) else word for word in words]
    return [unit_name for number, word in enumerate(words) for unit_name in (*([MARK] if number else []), *word)]
