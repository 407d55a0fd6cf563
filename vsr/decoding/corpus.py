"""A manifest of mouth crops -> hypotheses with words, times and confidence, in batches of like length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vsr.core.artifacts import Ledger, identify
from vsr.core.clock import FPS
from vsr.core.files import read_json, write_json, write_lines
from vsr.core.progress import counted
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
from vsr.decoding.provenance import searched
from vsr.decoding.search import decode
from vsr.decoding.word_classes import WORDS, word_records
from vsr.face.frame_rate import FEW, highest_chance
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
    """Decode every clip and write one JSON line each, in the manifest's order; returns the records. The folder's ledger
    records with what. ``head``: the one whose hypotheses are written, as `vsr.decoding.heads.chosen_head` takes it;
    ``modality``: what is read, as `vsr.decoding.encoding.chosen_modality` takes it."""
    clips = read_manifest(manifest)
    head = chosen_head(loaded, head)
    modality = chosen_modality(loaded, modality)
    made = decoded_from(loaded, manifest, options) | {"calibrated": calibrated}
    made |= {"head": head} if head != chosen_head(loaded) else {}
    made |= {"modality": modality} if SOUND in modalities_of(loaded) else {}
    found = counted(records_of(loaded, clips, options, calibrated, head, modality), "decode", len(clips))
    records = {record["id"]: record for record in found}
    ordered = [records[clip.id] for clip in clips]
    write_lines(out, (json.dumps(record, ensure_ascii=False) for record in ordered))
    Ledger(Path(out).parent).add(Path(out).name, made)
    return ordered


def decoded_from(loaded: LoadedModel, manifest: str | Path, options: DecodeOptions) -> dict:
    """What hypotheses depend on: the list, the model and the search."""
    return {"manifest": identify(manifest)} | searched(loaded.folder, options, loaded.hashes, loaded.precision)


def records_of(
    loaded: LoadedModel, clips: list[Clip], options: DecodeOptions, calibrated: bool = True, head: str = "",
    modality: str = "",
) -> Iterator[dict]:  # fmt: skip
    """Hypothesis records as batches finish. ``problems`` of a clip, as those of a transcript's tracks: it is read, but
    its mouth changes too few times a second to be read well."""
    dataset = dataset_of(loaded, clips, modality)
    lengths = [clip.num_frames for clip in clips]
    sampler = FrameBudgetSampler(lengths, max(FRAME_BUDGET, *lengths), shuffle=False)
    device, languages = next(loaded.model.parameters()).device, joining(loaded, options)
    shown = MODALITIES[chosen_modality(loaded, modality)] if SOUND in modalities_of(loaded) else (VIDEO,)
    for indices in sampler.batches():
        batch, some = dataset.batch(indices).to(device), [clips[i] for i in indices]
        with torch.inference_mode():
            states = encode_batch(loaded, batch, some)
        rates = frame_rates(some) if VIDEO in shown else [FPS] * len(some)
        heard = [SOUND in shown and bool(clip.sound) for clip in some]  # sound has no frames
        most = [1.0 if own else highest_chance(rate) for own, rate in zip(heard, rates, strict=True)]
        found = _records(loaded, batch, states, options, calibrated, head, most, languages)
        for record, rate in zip(found, rates, strict=True):
            yield record | {"problems": [FEW_FRAMES]} if rate < FEW else record


def _records(
    loaded: LoadedModel, batch: Batch, states: Tensor, options: DecodeOptions, calibrated: bool, head: str,
    most: list[float], languages: list,
) -> Iterator[dict]:  # fmt: skip
    """The records of a batch, of its states (B, T, D); ``most``: of each clip, as `vsr.decoding.assess.assess` takes
    it; ``languages``: what joins the search."""
    if head == WORDS:
        yield from word_records(loaded, batch.ids, states, batch.lengths, options.nbest, calibrated)
        return
    if head:
        yield from head_records(loaded, head, batch.ids, states, batch.lengths, options.nbest)
        return
    further = further_readings(loaded, states, batch.lengths)
    found = decode(loaded.model, states, batch.lengths, options, loaded.tokenizer.eos_id, languages)
    each = zip(found, states, batch.lengths.tolist(), batch.ids, further, most, strict=True)
    for own, own_states, length, clip_id, more, highest in each:
        record = record_of(loaded, clip_id, own, own_states[:length], calibrated, highest)
        yield record | {"heads": more} if more else record


def dataset_of(loaded: LoadedModel, clips: list[Clip], modality: str = "") -> CropDataset:
    """Clips as the model reads them. Raises VsrError bad_manifest where they lack what it should read."""
    if SOUND not in modalities_of(loaded):
        return CropDataset(clips, loaded.tokenizer, None)
    shown = MODALITIES[chosen_modality(loaded, modality)]
    return AudioVisualDataset(clips, loaded.tokenizer, modalities=shown, form=form_of(loaded))


def record_of(
    loaded: LoadedModel, clip_id: str, found, states, calibrated: bool = True, most: float = 1.0
) -> dict:  # fmt: skip
    """What is written for one clip; ``most``: as `vsr.decoding.assess.assess` takes it."""
    tokenizer, best = loaded.tokenizer, found[0]
    (words, *_), chance = assess(loaded, states, found[:1], calibrated, most)
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return {
        "id": clip_id,
        "text": best.text(tokenizer),
        "score": best.score,
        "confidence": confidence,
        "in_domain": chance,
        "words": [vars(word) for word in words],
        "nbest": [{"text": h.text(tokenizer), "score": h.score} | h.parts for h in found],
    } | unit_named(tokenizer, best)


def unit_named(tokenizer, hypothesis: Hypothesis) -> dict[str, str]:
    """``unit`` of a record whose text is no words: "phoneme" or "viseme"."""
    unit = unit_of(tokenizer)
    return {} if unit == TEXT or hypothesis.spans or not hypothesis.tokens else {"unit": unit}


def calibrate(loaded: LoadedModel, manifest: str | Path, records: list[dict]) -> dict:
    """Fit the confidence mapping on records decoded without one and keep it in the model's config.json."""
    norm = normaliser("lower")
    references = {clip.id: norm(clip.text).split() for clip in read_manifest(manifest)}
    raw, correct = [], []
    for record in records:
        raw += [word["confidence"] for word in record["words"]]
        correct += correct_words(references[record["id"]], [norm(word["word"]) for word in record["words"]])
    found = fit(raw, correct)
    path = loaded.folder / "config.json"
    kept = {key: value for key, value in read_json(path).items() if key != KNOWN}  # fitted to all readings alike
    write_json(path, kept | {"confidence": found})
    return found
