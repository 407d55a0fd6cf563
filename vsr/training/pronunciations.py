"""Choose the pronunciation of each word to train on, where the tokenizer says "best": the one on the best CTC path.

Choices are made with the averaged weights before every third epoch, except the first, from clips without augmentation.
They are stored in the run's folder, so that a resumed run trains on the same.
"""

from __future__ import annotations

from typing import Any

import torch

from vsr.core.files import read_json, write_json
from vsr.decoding.pronunciations import best_pronunciations
from vsr.text.normalise import lower
from vsr.text.unit_tokenizers import UnitTokenizer

FILE, EVERY = "pronunciations.json", 3  # epochs
Chosen = dict[str, list[int]]  # clip -> variant of each word


def choose_pronunciations(run: Any) -> None:
    """Before an epoch, choose pronunciations again if they are due, else take the stored choices."""
    tokenizer, epoch = run.tokenizer, run.progress.epoch
    if not isinstance(tokenizer, UnitTokenizer) or tokenizer.settings.pronunciation != "best" or epoch < EVERY:
        return
    start, path, writes = epoch - epoch % EVERY, run.folder / FILE, run.fabric.is_global_zero
    # Of rank 0 alone: another machine may see an older file, and its rank would wait where the others do not.
    record = run.fabric.broadcast(read_json(path) if writes and path.exists() else {})
    if record.get("epoch") != start:
        run.average.gather()
        record = {"epoch": start, "chosen": chosen_by(run)}
        if writes:
            write_json(path, record)
    tokenizer.chosen = record["chosen"]


@torch.no_grad()
def chosen_by(run: Any) -> Chosen:
    """Clip -> variants on the best path through its text; clips that are too short for their text have none."""
    model, tokenizer, clips = run.average.model, run.tokenizer, run.train.clips
    dataset, choices = run.unvaried(), {}
    for index, clip in enumerate(clips):
        words = [tokenizer.variants(word) for word in lower(clip.text).split()]
        if max(map(len, words)) < 2:
            continue
        batch = dataset.batch([index]).to(run.fabric.device)
        log_probs = model.ctc_log_probs(model.encode_batch(batch)).float()[0].cpu().numpy()
        if variants := best_pronunciations(log_probs, words, tokenizer.mark):
            choices[clip.id] = variants
    changed = sum(any(variants) for variants in choices.values())
    run.say(f"pronunciations: {changed} of {len(clips)} clips are taught another one than the first")
    return choices
