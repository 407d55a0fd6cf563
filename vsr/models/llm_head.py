"""A head that writes with a language model, whose prompt holds the encoder's states in place of words.

VSP-LLM (Yeo et al. 2024), Llama-AVSR (Cappellazzo et al. 2024), MMS-LLaMA (Yeo et al. 2025), Zero-AVSR (Yeo et al.
2025): states, fewer of them and at the model's width (`vsr.models.projectors`), between an instruction and a mark, and
then the text. The language model stays as it is and is borrowed (`vsr.models.borrowed`); the projector and its
adapters are trained, by the tokens of the text alone.

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
SPARE = 12  # tokens that a text may have beyond one for two frames
LORA = ".lora_"


class LLMHead(Borrower):
    """States (B, T, D) -> text.

    Args:
        projector: `vsr.models.projectors.Projector` to W.
        llm: a causal model of transformers, on the device "meta" until it is borrowed.
        lora: its adapters.
        tokenizer: of the language model.
        backbone, hashes: where its weights are, and what they must be.
        prompt: an instruction before the states.
        scaled: vectors of the states are given the mean length of the language model's own embeddings.
        beams: of the search.
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
        """Take ``llm`` with fresh adapters, which alone are trained of it."""
        table = llm.get_input_embeddings().weight.detach()
        self.length = 1.0 if table.is_meta else float(table.float().norm(dim=1).mean())  # of an embedding
        self.llm = with_lora(llm.requires_grad_(False), self.lora)

    @property
    def learns(self) -> str:
        """What `--dry-run` says of it."""
        trained = sum(own.numel() for own in self.llm.parameters() if own.requires_grad)
        adapters = f"adapters of rank {self.lora.rank}, {trained:,} parameters" if trained else "no adapters"
        return (
            f"text by {self.backbone or 'a language model'} with {adapters}, projector {type(self.projector).__name__}"
        )

    def borrowed(self, name: str) -> bool:
        """All of the language model but its adapters."""
        return name.startswith("llm.") and LORA not in name

    def borrow(self) -> str:
        """Put the backbone's weights into place. Raises VsrError bad_model, missing_package."""
        if not self.backbone:
            raise VsrError("bad_config", "a head of kind llm has no backbone: give a local folder or a GGUF file")
        check_hashes(self.backbone, self.hashes)
        _, llm, licence = load_backbone(self.backbone)
        wanted = self.llm.get_input_embeddings().weight.shape
        if llm.get_input_embeddings().weight.shape != wanted:
            raise VsrError("bad_config", f"llm.sizes are not those of {self.backbone}: its embeddings are not {wanted}")
        self._adapt(llm.to(self.dtype))
        return f"language model {self.backbone}: licence {licence}"

    def prompts(self, states: Tensor, lengths: Tensor) -> list[Tensor]:
        """Instruction, vectors of the states and mark of each clip: (P, W)."""
        vectors, counts = self.projector(states, lengths)
        if self.scaled:
            vectors = F.normalize(vectors.float(), dim=-1) * self.length
        before, after = (self._embedded(own) for own in self._around())
        each = zip(vectors, counts.tolist(), strict=True)
        return [torch.cat([before, own[:count].to(before.dtype), after]) for own, count in each]

    def _around(self) -> tuple[list[int], list[int]]:
        tokenizer = self.tokenizer
        return tokenizer.begin + tokenizer.plain(self.prompt), tokenizer.plain(ANSWER)

    def _embedded(self, ids: Sequence[int]) -> Tensor:
        """Tokens -> (N, W)."""
        table = self.llm.get_input_embeddings()
        return table(torch.tensor(list(ids), dtype=torch.long, device=table.weight.device))

    def logits(self, states: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Logits (B, U, V) of each token of ``texts`` and of the end, and these tokens (B, U), both padded in front,
        tokens with -1. Raises VsrError bad_config for a clip that is longer than the language model takes."""
        prompts = self.prompts(states, lengths)
        end = self.tokenizer.eos_id
        rows = [torch.cat([own, self._embedded(text)]) for own, text in zip(prompts, texts, strict=True)]
        self._check(max(map(len, rows)))
        labels = pad_sequence([torch.tensor([*own, end]) for own in texts], True, IGNORE, "left").to(states.device)
        given = pad_sequence(rows, True, 0.0, "left")
        lengths = torch.tensor([len(own) for own in rows], device=states.device)
        mask = (torch.arange(given.shape[1], device=states.device) >= given.shape[1] - lengths[:, None]).long()
        found = self.llm(
            inputs_embeds=given, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False, logits_to_keep=last_places(given.shape[1], labels.shape[1]).to(states.device),
        ).logits  # fmt: skip
        return found, labels

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the tokens and ends of the texts with what the projector learns beside them, and
        ``accuracy``, the share of tokens that is right. Prompts teach nothing."""
        texts = [own[own != IGNORE].tolist() for own in batch.tokens]
        logits, labels = self.logits(states, batch.lengths, texts)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE)
        more = self.projector.losses(states, batch)
        right = (logits.argmax(-1) == labels)[labels != IGNORE].float().mean()
        figures = {name: own.detach() for name, own in more.items()}
        return {"loss": loss + sum(more.values()), "accuracy": right} | figures

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """Beam search by the language model, which keeps keys and values of what was read; scores are the natural
        log-probabilities of the text and its end. Raises VsrError as `logits`."""
        each = zip(self.prompts(states, lengths), lengths.tolist(), strict=True)
        return [self._searched(prompt[None], frames, nbest) for prompt, frames in each]

    def _searched(self, prompt: Tensor, frames: int, nbest: int) -> list[Hypothesis]:
        end, beams = self.tokenizer.eos_id, max(self.beams, nbest)
        most = min(SPARE + frames // 2, self._positions - prompt.shape[1])
        self._check(prompt.shape[1] + 1)
        how = {"length_penalty": 0.0, "early_stopping": False} if beams > 1 else {}
        found = self.llm.generate(
            inputs_embeds=prompt, attention_mask=torch.ones_like(prompt[..., 0], dtype=torch.long), num_beams=beams,
            do_sample=False, num_return_sequences=nbest, max_new_tokens=most, pad_token_id=end, eos_token_id=end,
            return_dict_in_generate=True, output_scores=True, **how,
        )  # fmt: skip
        if beams > 1:
            scores = found.sequences_scores.tolist()
        else:
            own = self.llm.compute_transition_scores(found.sequences, found.scores, normalize_logits=True)
            scores = own.sum(1).tolist()
        texts = [_until(own.tolist(), end) for own in found.sequences]
        return [Hypothesis(*own) for own in zip(texts, scores, strict=True)]

    @property
    def _positions(self) -> int:
        return int(getattr(self.llm.config, "max_position_embeddings", 1 << 20))

    def _check(self, positions: int) -> None:
        if positions > self._positions:
            problem = f"a clip of {positions} positions, and the language model takes {self._positions}"
            raise VsrError("bad_config", f"{problem}: give shorter clips, or a projector that keeps fewer")


def _until(ids: Sequence[int], end: int) -> tuple[int, ...]:
    """The tokens before the end."""
    ids = list(ids)
    return tuple(ids[: ids.index(end)] if end in ids else ids)
