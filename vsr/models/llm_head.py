"""A head that writes text with a language model, whose prompt contains the encoder's states in place of words.

VSP-LLM (Yeo et al. 2024), Llama-AVSR (Cappellazzo et al. 2024), MMS-LLaMA (Yeo et al. 2025), Zero-AVSR (Yeo et al.
2025): states, shortened and projected to the model's width (`vsr.models.projectors`), between an instruction and a
mark, and then the text. The language model is frozen and borrowed (`vsr.models.borrowed`); the projector and the
adapters are trained, by the tokens of the text only.

Shapes: B clips, T frames, D width of the states, N vectors of a clip, W width of the language model, P positions of a
prompt, U tokens of a text with its end, L positions of the longest prompt with its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.borrowed import Borrower, check_hashes
from vsr.models.text_backbone import LoraSettings, last_places, load_backbone, with_lora
from vsr.text.hub_tokenizer import HubTokenizer
from vsr.text.hypothesis import Hypothesis

ANSWER = "\n>"  # between the states and the text
SPARE = 12  # a text has at most one token for two frames, and this many more
LORA = ".lora_"


class LLMHead(Borrower):
    """States (B, T, D) -> text.

    Args:
        projector: `vsr.models.projectors.Projector` to W.
        llm: a causal model of transformers, on the device "meta" until it is borrowed.
        lora: its adapters.
        tokenizer: of the language model.
        backbone, hashes: path of its weights, and their expected SHA-256.
        prompt: an instruction before the states.
        scaled: vectors of the states are scaled to the mean norm of the language model's embeddings.
        beams: beam width of the search.
        dtype: of the language model; adapters and projector stay float32.
    """

    counted = "tokens"

    def __init__(
        self, projector: nn.Module, llm: Any, lora: LoraSettings, tokenizer: HubTokenizer, backbone: str,
        hashes: dict[str, str], prompt: str, scaled: bool, beams: int, dtype: torch.dtype,
    ):  # fmt: skip
        super().__init__()
        self.projector, self.lora, self.tokenizer, self.beams = projector, lora, tokenizer, beams
        self.backbone, self.hashes, self.prompt, self.scaled, self.dtype = backbone, hashes, prompt, scaled, dtype
        self.llm = llm
        self._adapt(llm)

    def _adapt(self, llm: Any) -> None:
        """Set ``llm`` with new adapters; of its weights, only these are trained."""
        table = llm.get_input_embeddings().weight.detach()
        self.length = 1.0 if table.is_meta else float(table.float().norm(dim=1).mean())  # of an embedding
        self.llm = with_lora(llm.requires_grad_(False), self.lora)

    @property
    def learns(self) -> str:
        """What the head learns, as `--dry-run` prints it."""
        trained = sum(parameter.numel() for parameter in self.llm.parameters() if parameter.requires_grad)
        adapters = f"adapters of rank {self.lora.rank}, {trained:,} parameters" if trained else "no adapters"
        return (
            f"text by {self.backbone or 'a language model'} with {adapters}, projector {type(self.projector).__name__}"
        )

    def borrowed(self, name: str) -> bool:
        """Whether a tensor is of the language model, and not of its adapters."""
        return name.startswith("llm.") and LORA not in name

    def borrow(self) -> str:
        """Load the backbone's weights. Raises VsrError bad_model, missing_package."""
        if not self.backbone:
            raise VsrError("bad_config", "a head of kind llm has no backbone: give a local folder or a GGUF file")
        check_hashes(self.backbone, self.hashes)
        _, llm, licence = load_backbone(self.backbone)
        shape = self.llm.get_input_embeddings().weight.shape
        if llm.get_input_embeddings().weight.shape != shape:
            raise VsrError("bad_config", f"llm.sizes are not those of {self.backbone}: its embeddings are not {shape}")
        self._adapt(llm.to(self.dtype))
        return f"language model {self.backbone}: licence {licence}"

    def prompts(self, states: Tensor, lengths: Tensor) -> list[Tensor]:
        """Prompt of each clip, (P, W): instruction, vectors of the states, mark."""
        vectors, counts = self.projector(states, lengths)
        if self.scaled:
            vectors = F.normalize(vectors.float(), dim=-1) * self.length
        before, after = (self._embedded(ids) for ids in self._around())
        clips = zip(vectors, counts.tolist(), strict=True)
        return [torch.cat([before, clip_vectors[:count].to(before.dtype), after]) for clip_vectors, count in clips]

    def _around(self) -> tuple[list[int], list[int]]:
        tokenizer = self.tokenizer
        return tokenizer.begin + tokenizer.plain(self.prompt), tokenizer.plain(ANSWER)

    def _embedded(self, ids: Sequence[int]) -> Tensor:
        """Tokens -> embeddings (N, W)."""
        table = self.llm.get_input_embeddings()
        return table(torch.tensor(list(ids), dtype=torch.long, device=table.weight.device))

    def logits(self, states: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Logits (B, U, V) of the tokens of ``texts`` and of the end, and these tokens (B, U), both padded on the left,
        tokens with -1. Raises VsrError bad_config for a clip that is too long for the language model."""
        prompts = self.prompts(states, lengths)
        end = self.tokenizer.eos_id
        rows = [torch.cat([prompt, self._embedded(text)]) for prompt, text in zip(prompts, texts, strict=True)]
        self._check(max(map(len, rows)))
        labels = pad_sequence([torch.tensor([*text, end]) for text in texts], True, IGNORE, "left").to(states.device)
        inputs = pad_sequence(rows, True, 0.0, "left")
        lengths = torch.tensor([len(row) for row in rows], device=states.device)
        mask = (torch.arange(inputs.shape[1], device=states.device) >= inputs.shape[1] - lengths[:, None]).long()
        logits = self.llm(
            inputs_embeds=inputs, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False, logits_to_keep=last_places(inputs.shape[1], labels.shape[1]).to(states.device),
        ).logits  # fmt: skip
        return logits, labels

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``loss``: cross-entropy of the tokens and ends of the texts, without those of the prompts, plus the losses of
        the projector; ``accuracy``, the share of correct tokens; and the losses of the projector by name."""
        texts = [tokens[tokens != IGNORE].tolist() for tokens in batch.tokens]
        logits, labels = self.logits(states, batch.lengths, texts)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE)
        extra_losses = self.projector.losses(states, batch)
        accuracy = (logits.argmax(-1) == labels)[labels != IGNORE].float().mean()
        figures = {name: value.detach() for name, value in extra_losses.items()}
        return {"loss": loss + sum(extra_losses.values()), "accuracy": accuracy} | figures

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Beam search by the language model, with cached keys and values; scores are the natural log-probabilities of
        the text and its end. Raises VsrError as `logits`."""
        clips = zip(self.prompts(states, lengths), lengths.tolist(), strict=True)
        return [self._search(prompt[None], frames, nbest) for prompt, frames in clips]

    def _search(self, prompt: Tensor, frames: int, nbest: int) -> list[Hypothesis]:
        end, beams = self.tokenizer.eos_id, max(self.beams, nbest)
        max_tokens = min(SPARE + frames // 2, self._positions - prompt.shape[1])
        self._check(prompt.shape[1] + 1)
        options = {"length_penalty": 0.0, "early_stopping": False} if beams > 1 else {}
        output = self.llm.generate(
            inputs_embeds=prompt, attention_mask=torch.ones_like(prompt[..., 0], dtype=torch.long), num_beams=beams,
            do_sample=False, num_return_sequences=nbest, max_new_tokens=max_tokens, pad_token_id=end, eos_token_id=end,
            return_dict_in_generate=True, output_scores=True, **options,
        )  # fmt: skip
        if beams > 1:
            scores = output.sequences_scores.tolist()
        else:
            token_scores = self.llm.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)
            scores = token_scores.sum(1).tolist()
        texts = [_before_end(sequence.tolist(), end) for sequence in output.sequences]
        return [Hypothesis(*pair) for pair in zip(texts, scores, strict=True)]

    @property
    def _positions(self) -> int:
        return int(getattr(self.llm.config, "max_position_embeddings", 1 << 20))

    def _check(self, positions: int) -> None:
        if positions > self._positions:
            problem = f"a clip of {positions} positions, and the language model takes {self._positions}"
            raise VsrError("bad_config", f"{problem}: give shorter clips, or a projector that keeps fewer")


def _before_end(ids: Sequence[int], end: int) -> tuple[int, ...]:
    """The tokens before the end."""
    ids = list(ids)
    return tuple(ids[: ids.index(end)] if end in ids else ids)
