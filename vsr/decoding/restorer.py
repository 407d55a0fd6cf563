"""Text from what a reader saw: a language model reads phonemes, visemes or hypotheses and is asked for the sentence.

The prompt is the reader's lines and a mark; the answer is the text with its end. Phonemes to sentences by an LLM with
adapters: VALLR (Thomas et al. 2025); by an encoder and a decoder: PV-ASR (2025); hypotheses to the text: LipGER
(Ghosh et al. 2024). Shapes: P tokens of a prompt, U of a text, N texts of one prompt.
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
ANSWER = "\n>"  # what stands between the lines of a prompt and the text
LONGEST = 2.0  # tokens of a written text for each of its prompt, at most, and SHORTEST more
SHORTEST = 12


@dataclass(frozen=True)
class RestorerSettings:
    """What restores the text.

    Args:
        backbone: folder or GGUF file of a model of transformers; "": a model of ``sizes``, from random weights.
        architecture: "causal" or "encoder_decoder".
        input: what the lines hold: "phoneme", "viseme" or "text".
        lines: how many readings are shown, of as many readers or of one n-best list.
        lora: adapters of the backbone.
        sizes: model_type and numbers of transformers' configuration, with which --dry-run and random weights do.
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
    """Prompts and texts as tokens."""

    pad: int
    eos: int

    def prompt(self, lines: Sequence[str]) -> list[int]: ...

    def text(self, words: Sequence[str]) -> list[int]: ...

    def words(self, ids: Sequence[int]) -> list[str]: ...


class HubCodec:
    """By a backbone's own tokenizer: units are spelled with its vocabulary; texts are written as sentences."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = self.eos if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def prompt(self, lines: Sequence[str]) -> list[int]:
        """The lines and the mark, after the model's beginning."""
        begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        return begin + self.tokenizer.encode("\n".join(lines) + ANSWER, add_special_tokens=False)

    def text(self, words: Sequence[str]) -> list[int]:
        """A sentence and its end."""
        said = " " + " ".join(as_sentence(words)) if words else ""
        return [*(self.tokenizer.encode(said, add_special_tokens=False) if said else []), self.eos]

    def words(self, ids: Sequence[int]) -> list[str]:
        """What is read, in lower case, without marks of punctuation."""
        return letters(self.tokenizer.decode(list(ids), skip_special_tokens=True)).split()


class OwnCodec:
    """Of a model from random weights: a token for each unit and each letter."""

    pad, begin, eos, unknown = 0, 1, 2, 3

    def __init__(self, unit: str):
        listed = {"phoneme": PHONEMES, "viseme": VISEMES, "text": ()}[unit]
        self.entries = ["", "", "", "", *listed, MARK, "\n", *" 'abcdefghijklmnopqrstuvwxyz0123456789"]
        self.split = unit != "text"
        self.units = {own: place for place, own in enumerate(self.entries) if own and place < 4 + len(listed) + 2}
        self.letters = {own: place for place, own in enumerate(self.entries) if own and place >= 4 + len(listed) + 1}

    def prompt(self, lines: Sequence[str]) -> list[int]:
        """Units of the lines, or their letters, and the beginning of the text."""
        table = self.units if self.split else self.letters
        each = [[table.get(own, self.unknown) for own in (line.split() if self.split else line)] for line in lines]
        joined = [token for line in each for token in (*line, self.letters["\n"])]
        return [*joined, self.begin]

    def text(self, words: Sequence[str]) -> list[int]:
        """Letters and the end."""
        return [*(self.letters.get(letter, self.unknown) for letter in " ".join(words)), self.eos]

    def words(self, ids: Sequence[int]) -> list[str]:
        """What is read; units are no part of a text."""
        return "".join(own for i in ids if (own := self.entries[i]) in self.letters).split()


@dataclass(frozen=True)
class Restorer:
    """A model with its codec; ``licence`` is what the backbone's folder says of itself."""

    model: Any
    codec: Codec
    settings: RestorerSettings
    licence: str = ""

    def log_probs(self, lines: Sequence[str], texts: Sequence[Sequence[str]]) -> list[float]:
        """Natural log-probability of each text (a list of words) with its end, given the lines; -inf for a text that is
        longer than the model takes. Raises VsrError bad_config for such lines."""
        prompt, tokens = self._prompt(lines), [self.codec.text(words) for words in texts]
        most = self._positions - (len(prompt) if self.settings.architecture == "causal" else 0)
        kept = [number for number, own in enumerate(tokens) if len(own) <= most]
        found = [-math.inf] * len(texts)
        for number, value in zip(kept, self._scored(prompt, [tokens[i] for i in kept]), strict=True):
            found[number] = value
        return found

    @torch.inference_mode()
    def _scored(self, prompt: Sequence[int], tokens: Sequence[Sequence[int]]) -> list[float]:
        if not tokens:
            return []
        if self.settings.architecture == "causal":
            return tree_log_probs(self.model, prompt, tokens).tolist()
        labels = pad_sequence([torch.tensor(own) for own in tokens], True, IGNORE)
        encoded = self.model.get_encoder()(torch.tensor([prompt]))
        encoded.last_hidden_state = encoded.last_hidden_state.expand(len(tokens), -1, -1)
        logits = self.model(encoder_outputs=encoded, decoder_input_ids=begun(labels, self.model)).logits.float()
        own = logits.log_softmax(-1).gather(2, labels.clamp(min=0)[..., None])[..., 0]
        return own.masked_fill(labels == IGNORE, 0.0).sum(1).tolist()

    @torch.inference_mode()
    def write(self, lines: Sequence[str], count: int, beams: int = 4) -> list[list[str]]:
        """The ``count`` likeliest texts that the beam search of the model finds, without repetition. Raises as
        `log_probs`."""
        prompt = torch.tensor([self._prompt(lines)])
        first = prompt.shape[1] if self.settings.architecture == "causal" else 1
        most = min(int(SHORTEST + LONGEST * prompt.shape[1]), self._positions - first)
        written = self.model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), num_beams=max(beams, count), do_sample=False,
            num_return_sequences=count, max_new_tokens=most, pad_token_id=self.codec.pad, eos_token_id=self.codec.eos,
        )  # fmt: skip
        found = [self.codec.words(_until(own[first:].tolist(), self.codec.eos)) for own in written]
        return [list(own) for own in dict.fromkeys(map(tuple, found))]

    @property
    def _positions(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", 1 << 20))

    def _prompt(self, lines: Sequence[str]) -> list[int]:
        prompt = self.codec.prompt(lines)
        if len(prompt) >= self._positions:
            told = f"a reading of {len(prompt)} tokens, and the restorer takes fewer than {self._positions}"
            raise VsrError("bad_config", f"{told}: read shorter clips")
        return prompt


def begun(labels: Tensor, model: Any) -> Tensor:
    """Labels (B, U) -> what an encoder's decoder reads: its beginning, then each token but the last."""
    first = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
    return torch.cat([first, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORE, model.config.pad_token_id)], 1)


def _until(ids: Sequence[int], end: int) -> list[int]:
    ids = list(ids)
    return ids[: ids.index(end)] if end in ids else ids


def units_of(said: str, unit: str) -> list[str]:
    """What a reader of phonemes or visemes said, as the units of a restorer, with one mark between words."""
    words = [own.split() for own in said.split(MARK) if own.strip()]
    if unit == "viseme":
        words = [list(visemes_of(own)) if set(own) <= set(PHONEMES) else own for own in words]
    return [one for number, own in enumerate(words) for one in (*([MARK] if number else []), *own)]
