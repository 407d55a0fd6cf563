"""Decode a manifest of mouth crops -> hypotheses with words, times and confidence, in batches of similar length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vsr.core.artifacts import Ledger, identify
from vsr.core.clock import FPS
from vsr.core.files import read_json, write_json, write_lines
from vsr.core.progress import count_items
from vsr.data.audio_visual import AudioVisualDataset
from vsr.data.batch import Batch, CropDataset
from vsr.data.frame_rates import frame_rates
from vsr.data.manifest import Clip, read_manifest
from vsr.data.modalities import MODALITIES, SOUND, VIDEO
from vsr.data.sampler import FrameBudgetSampler
from vsr.decoding.assess import KNOWN, assess
from vsr.decoding.confidence import correct_words, fit
from vsr.decoding.encoding import chosen_modality, encode_batch, form_of, modalities_of
from vsr.decoding.evidence import joining
from vsr.decoding.heads import chosen_head, further_readings, head_records
from vsr.decoding.options import DecodeOptions
from vsr.decoding.provenance import search_record
from vsr.decoding.search import decode
from vsr.decoding.word_classes import WORDS, word_records
from vsr.face.frame_rate import FEW, domain_limit
from vsr.face.skipped import FEW_FRAMES
from vsr.modelstore.folder import LoadedModel
from vsr.text.hypothesis import Hypothesis
from vsr.text.normalise import normaliser
from vsr.text.tokenizer import TEXT, unit_of

FRAME_BUDGET = 2400


def decode_manifest(
    loaded: LoadedModel, manifest: str | Path, out: str | Path, options: DecodeOptions, calibrated: bool = True,
    head: str = "", modality: str = "",
) -> list[dict]:  # fmt: skip
    """Decode every clip, write one JSON line for each in the manifest's order, and return the records. The inputs go
    into the folder's ledger. ``head``: the head whose hypotheses are written, see `vsr.decoding.heads.chosen_head`;
    ``modality``: what is read of the clips, see `vsr.decoding.encoding.chosen_modality`."""
    clips = read_manifest(manifest)
    head = chosen_head(loaded, head)
    modality = chosen_modality(loaded, modality)
    inputs = decoded_from(loaded, manifest, options) | {"calibrated": calibrated}
    inputs |= {"head": head} if head != chosen_head(loaded) else {}
    inputs |= {"modality": modality} if SOUND in modalities_of(loaded) else {}
    results = count_items(records_of(loaded, clips, options, calibrated, head, modality), "decode", len(clips))
    records = {record["id"]: record for record in results}
    ordered = [records[clip.id] for clip in clips]
    write_lines(out, (json.dumps(record, ensure_ascii=False) for record in ordered))
    Ledger(Path(out).parent).add(Path(out).name, inputs)
    return ordered


def decoded_from(loaded: LoadedModel, manifest: str | Path, options: DecodeOptions) -> dict:
    """The inputs that hypotheses depend on: the manifest, the model and the search."""
    return {"manifest": identify(manifest)} | search_record(loaded.folder, options, loaded.hashes, loaded.precision)


def records_of(
    loaded: LoadedModel, clips: list[Clip], options: DecodeOptions, calibrated: bool = True, head: str = "",
    modality: str = "",
) -> Iterator[dict]:  # fmt: skip
    """Yield the records of hypotheses as batches finish. A clip has ``problems``, like a transcript's tracks, if its
    mouth changes too few times per second to be read well."""
    dataset = dataset_of(loaded, clips, modality)
    lengths = [clip.num_frames for clip in clips]
    sampler = FrameBudgetSampler(lengths, FRAME_BUDGET, shuffle=False)
    device, languages = next(loaded.model.parameters()).device, joining(loaded, options)
    shown = MODALITIES[chosen_modality(loaded, modality)] if SOUND in modalities_of(loaded) else (VIDEO,)
    for indices in sampler.batches():
        batch, batch_clips = dataset.batch(indices).to(device), [clips[i] for i in indices]
        with torch.inference_mode():
            states = encode_batch(loaded, batch, batch_clips)
        rates = frame_rates(batch_clips) if VIDEO in shown else [FPS] * len(batch_clips)
        has_sound = [SOUND in shown and bool(clip.sound) for clip in batch_clips]  # sound has no frames
        limits = [1.0 if heard else domain_limit(rate) for heard, rate in zip(has_sound, rates, strict=True)]
        records = _records(loaded, batch, states, options, calibrated, head, limits, languages)
        for record, rate in zip(records, rates, strict=True):
            yield record | {"problems": [FEW_FRAMES]} if rate < FEW else record


def _records(
    loaded: LoadedModel, batch: Batch, states: Tensor, options: DecodeOptions, calibrated: bool, head: str,
    limits: list[float], languages: list,
) -> Iterator[dict]:  # fmt: skip
    """Yield the records of a batch with states (B, T, D); ``limits``: upper bound of each clip's confidence, as in
    `vsr.decoding.assess.assess`; ``languages``: scorers that join the search."""
    if head == WORDS:
        yield from word_records(loaded, batch.ids, states, batch.lengths, options.nbest, calibrated)
        return
    if head:
        yield from head_records(loaded, head, batch.ids, states, batch.lengths, options.nbest)
        return
    further = further_readings(loaded, states, batch.lengths)
    nbests = decode(loaded.model, states, batch.lengths, options, loaded.tokenizer.eos_id, languages)
    utterances = zip(nbests, states, batch.lengths.tolist(), batch.ids, further, limits, strict=True)
    for ranked, padded, length, clip_id, head_texts, limit in utterances:
        record = record_of(loaded, clip_id, ranked, padded[:length], calibrated, limit)
        yield record | {"heads": head_texts} if head_texts else record


def dataset_of(loaded: LoadedModel, clips: list[Clip], modality: str = "") -> CropDataset:
    """Clips in the modalities that the model reads. Raises VsrError bad_manifest for clips that lack one of them."""
    if SOUND not in modalities_of(loaded):
        return CropDataset(clips, loaded.tokenizer, None)
    modalities = MODALITIES[chosen_modality(loaded, modality)]
    return AudioVisualDataset(clips, loaded.tokenizer, modalities=modalities, form=form_of(loaded))


def record_of(
    loaded: LoadedModel, clip_id: str, hypotheses, states, calibrated: bool = True, limit: float = 1.0
) -> dict:  # fmt: skip
    """The record of one clip, from its ``hypotheses``, best first; ``limit``: as in `vsr.decoding.assess`."""
    tokenizer, best = loaded.tokenizer, hypotheses[0]
    (words, *_), probability = assess(loaded, states, hypotheses[:1], calibrated, limit)
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return {
        "id": clip_id,
        "text": best.text(tokenizer),
        "score": best.score,
        "confidence": confidence,
        "in_domain": probability,
        "words": [vars(word) for word in words],
        "nbest": [
            {"text": hypothesis.text(tokenizer), "score": hypothesis.score} | hypothesis.parts
            for hypothesis in hypotheses
        ],
    } | unit_named(tokenizer, best)


def unit_named(tokenizer, hypothesis: Hypothesis) -> dict[str, str]:
    """``unit`` for a record whose text is not words: "phoneme" or "viseme"; empty for words."""
    unit = unit_of(tokenizer)
    return {} if unit == TEXT or hypothesis.spans or not hypothesis.tokens else {"unit": unit}


def calibrate(loaded: LoadedModel, manifest: str | Path, records: list[dict]) -> dict:
    """Fit the confidence calibration on records decoded without one, and store it in the model's config.json."""
    norm = normaliser("lower")
    references = {clip.id: norm(clip.text).split() for clip in read_manifest(manifest)}
    raw, correct = [], []
    for record in records:
        raw += [word["confidence"] for word in record["words"]]
        correct += correct_words(references[record["id"]], [norm(word["word"]) for word in record["words"]])
    calibration = fit(raw, correct)
    path = loaded.folder / "config.json"
    config = {key: value for key, value in read_json(path).items() if key != KNOWN}  # this fit covers all readings
    write_json(path, config | {"confidence": calibration})
    return calibration
