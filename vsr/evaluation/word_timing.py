"""Errors of word times: boundaries of correctly read words against those of the corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import mean, median

from vsr.data.manifest import Clip
from vsr.text.normalise import lower


def time_errors(clips: Iterable[Clip], records: Mapping[str, dict]) -> dict[str, float]:
    """Mean and median distance (ms) of starts and ends, and the number of words compared.

    Args:
        clips: references, with word times.
        records: id -> line of `vsr decode`, with "words".

    Empty if the corpus or the decoder has no times.
    """
    errors, count = [], 0
    for clip in clips:
        words = records.get(clip.id, {}).get("words", [])
        read = [word for word in words if "start" in word]  # words of `vsr combine` have no times
        for (_, start, end), word in _same(clip.words, read):
            errors += [abs(word["start"] - start), abs(word["end"] - end)]
            count += 1
    if not errors:
        return {}
    return {"words": count, "mean_ms": round(1000 * mean(errors), 1), "median_ms": round(1000 * median(errors), 1)}


def _same(reference: tuple, words: list[dict]) -> list[tuple[tuple, dict]]:
    """Pairs of a reference's (word, start, end) and the equal word aligned with it."""
    import jiwer

    if not reference or not words:
        return []
    texts = ([_as_one_word(word) for word, *_ in reference], [_as_one_word(word["word"]) for word in words])
    chunks = jiwer.process_words(" ".join(texts[0]), " ".join(texts[1])).alignments[0]
    pairs: list[tuple[tuple, dict]] = []
    for chunk in (chunk for chunk in chunks if chunk.type == "equal"):
        equal = words[chunk.hyp_start_idx : chunk.hyp_end_idx]
        pairs += zip(reference[chunk.ref_start_idx : chunk.ref_end_idx], equal, strict=True)
    return pairs


def _as_one_word(word: str) -> str:
    """A word for comparison: normalised, and always a single word, as others would shift all following places."""
    return lower(word).replace(" ", "") or "-"
