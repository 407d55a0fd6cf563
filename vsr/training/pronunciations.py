"""Which pronunciation of each word is taught, where the tokenizer says "best": that on the model's own best CTC path.

Chosen by the averaged weights before every third epoch, the first one excepted, from crops that are not augmented. The
choices stand in the run's folder, so that a run that goes on is taught the same.
"""

from __future__ import annotations

from typing import Any

import torch

from vsr.core.files import read_json, write_json
from vsr.data.batch import CropDataset
from vsr.decoding.pronunciations import best_pronunciations
from vsr.text.normalise import lower
from vsr.text.unit_tokenizers import UnitTokenizer

FILE, EVERY = "pronunciations.json", 3  # epochs
Chosen = dict[str, list[int]]  # clip -> variant of each word


def choose_pronunciations(run: Any) -> None:
    """Before an epoch: choose again where it is time, or take what was chosen before."""
    tokenizer, epoch = run.tokenizer, run.progress.epoch
    if not isinstance(tokenizer, UnitTokenizer) or tokenizer.settings.pronunciation != "best" or epoch < EVERY:
        return
    begun, path = epoch - epoch % EVERY, run.folder / FILE
    kept = read_json(path) if path.exists() else {}
    if kept.get("epoch") != begun:
        run.average.gather()
        kept = {"epoch": begun, "chosen": chosen_by(run)}
        run.fabric.barrier()  # nobody reads what rank 0 is writing
        if run.fabric.is_global_zero:
            write_json(path, kept)
    tokenizer.chosen = kept["chosen"]


@torch.no_grad()
def chosen_by(run: Any) -> Chosen:
    """Clip -> variants on the best path through its text; clips that are too short for their text are left out."""
    model, tokenizer, clips = run.average.model, run.tokenizer, run.train.clips
    dataset, found = CropDataset(clips, tokenizer, None), {}
    for place, clip in enumerate(clips):
        words = [tokenizer.variants(word) for word in lower(clip.text).split()]
        if max(map(len, words)) < 2:
            continue
        batch = dataset.batch([place]).to(run.fabric.device)
        log_probs = model.ctc_log_probs(model.encode_batch(batch)).float()[0].cpu().numpy()
        if own := best_pronunciations(log_probs, words, tokenizer.mark):
            found[clip.id] = own
    changed = sum(any(own) for own in found.values())
    run.say(f"pronunciations: {changed} of {len(clips)} clips are taught another one than the first")
    return found
