"""A manifest of mouth crops -> CTC log-probabilities, token list, grammar and lexicon, the input of `lattice.py`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.file_kinds import json_kind, marked_kind
from vsr.core.files import atomic_write, write_json, write_text
from vsr.core.tokens import UNK
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, read_manifest
from vsr.data.sampler import FrameBudgetSampler
from vsr.decoding.corpus import FRAME_BUDGET
from vsr.decoding.ctc import sayable
from vsr.decoding.encoding import encode_batch
from vsr.decoding.search import check_heads
from vsr.modelstore.folder import LoadedModel
from vsr.text.grammar import arpa_words, slots_as_arpa
from vsr.text.tokenizer import SPACE, Tokenizer

FILES = {
    "posteriors.safetensors": marked_kind("log-probabilities of vsr posteriors", b'"dtype":"F32"'),
    "tokens.json": json_kind("a list of tokens of vsr posteriors", "pieces"),
    "grammar.arpa": marked_kind("a grammar", b"\\data\\"), "lexicon.json": json_kind("a lexicon", "separator", "words"),
}  # fmt: skip
LEAST = -1000.0  # least log-probability; graphs add and subtract scores, where infinities would become NaN


def write_posteriors(loaded: LoadedModel, manifest: str | Path, out: str | Path, grammar: str | None = None) -> int:
    """Write posteriors.safetensors (id -> (T, V) float32, the end token left out), tokens.json, and with ``grammar``
    ("grid" or an ARPA file) grammar.arpa and lexicon.json; returns the number of clips. Raises VsrError."""
    from safetensors.torch import save_file

    check_heads(loaded.model, "ctc_greedy")
    out, clips = Path(out), read_manifest(manifest)
    arpa = grammar_text(grammar) if grammar else ""
    lexicon = lexicon_of(loaded.tokenizer, arpa_words(arpa)) if grammar else {}
    tensors = {clip.id: log_probs for clip, log_probs in log_probs_of(loaded, clips)}
    with atomic_write(out / "posteriors.safetensors") as temporary:
        save_file(tensors, str(temporary))
    write_json(out / "tokens.json", {"pieces": loaded.tokenizer.pieces(range(loaded.tokenizer.eos_id))})
    if grammar:
        write_text(out / "grammar.arpa", arpa)
        write_json(out / "lexicon.json", lexicon)
    return len(tensors)


def grammar_text(grammar: str) -> str:
    """The ARPA text of "grid" or of a file. Raises VsrError."""
    if grammar == "grid":
        from vsr.corpora.puppet.sentences import GRID_SLOTS

        return slots_as_arpa(GRID_SLOTS)
    try:
        return Path(grammar).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_config", f"grammar {grammar}: neither 'grid' nor a readable ARPA file") from error


def lexicon_of(tokenizer: Tokenizer, words: list[str]) -> dict:
    """``words``: word -> token ids, ``separator``: the token between words or None. Raises VsrError."""
    spellings = {word: tokenizer.encode(word) for word in words}
    bad = sorted(word for word, ids in spellings.items() if not ids or UNK in ids)
    if bad:
        raise VsrError("bad_config", f"{len(bad)} words of the grammar cannot be spelled in tokens, such as '{bad[0]}'")
    pair = tokenizer.encode(f"{words[0]} {words[0]}")
    between = pair[len(spellings[words[0]]) : -len(spellings[words[0]])]
    separator = between[0] if between and tokenizer.pieces(between) == [SPACE] else None
    return {"separator": separator, "words": spellings}


def log_probs_of(loaded: LoadedModel, clips: list[Clip]) -> list[tuple[Clip, Tensor]]:
    """(clip, CTC log-probabilities (T, V - 1), ``LEAST`` for the unknown token) of every clip, on the CPU."""
    dataset = CropDataset(clips, loaded.tokenizer, None)
    lengths = [clip.num_frames for clip in clips]
    device, result = next(loaded.model.parameters()).device, []
    for indices in FrameBudgetSampler(lengths, FRAME_BUDGET, shuffle=False).batches():
        batch = dataset.batch(indices).to(device)
        with torch.inference_mode():
            states = encode_batch(loaded, batch, [clips[i] for i in indices])
            log_probs = loaded.model.ctc_log_probs(states).float().cpu()
        log_probs = sayable(log_probs, loaded.tokenizer.eos_id).clamp_(min=LEAST)
        for index, padded, length in zip(indices, log_probs, batch.lengths.tolist(), strict=True):
            result.append((clips[index], padded[:length].clone()))
    return result
