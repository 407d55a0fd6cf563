"""From frames to sound: one clip, a batch of crops, a whole list.

Shapes: B batch, T video frames; mel (B, 4T, 80), units (B, 2T), wave (B, 640 T), speaker (B, 256).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lip2speech.conditions.registry import Condition, conditions_of
from lip2speech.conditions.traits import is_corrupted, is_heard, is_spoken
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.masking import masked_batch
from lip2speech.inference.noise_ratio import better_of
from lip2speech.inference.options import (
    AUTO,
    MADE,
    MANIFEST,
    MASK,
    NONE,
    OTHER,
    READ,
    READ_ALL,
    SynthesisOptions,
)
from lip2speech.inference.other_words import with_other_words
from lip2speech.inference.recorded import check_hears, conditions_of_sound
from lip2speech.inference.sources import Sources, names_of, needed
from lip2speech.inference.spoken_conditions import conditions_of_words
from lip2speech.inference.text import text_of, words_of_clips
from lip2speech.models.pull import Said, text_pull
from lip2speech.models.voice import Speech
from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.core.progress import counted
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.sound import natural_wave
from vsr.media.audio import write_wave

FRAME_BUDGET = 1200  # video frames in a batch
CHUNK = 1500  # video frames that are vocoded at once
CONTEXT = 48  # video frames on each side of a chunk: more than the vocoder and 32 rounds of consistency see
PROTOCOLS = ("cross", "self", "vision")


@torch.inference_mode()
def vocode(vocoder, speech: Speech, speaker: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mel and units -> wave (B, 640 T); a long clip is done in chunks whose result is that of the whole."""
    frames = speech.mel.shape[1] // MELS_PER_FRAME
    if lengths is not None or frames <= CHUNK:
        return vocoder(speech.mel, speech.units, speaker, lengths)
    pieces = []
    for start in range(0, frames, CHUNK):
        first, last = max(0, start - CONTEXT), min(frames, start + CHUNK + CONTEXT)
        mel = speech.mel[:, first * MELS_PER_FRAME : last * MELS_PER_FRAME]
        units = speech.units[:, first * UNITS_PER_FRAME : last * UNITS_PER_FRAME]
        wave = vocoder(mel, units, speaker, first=first * MELS_PER_FRAME)
        skip = (start - first) * SAMPLES_PER_FRAME
        pieces.append(wave[:, skip : skip + min(CHUNK, frames - start) * SAMPLES_PER_FRAME])
    return torch.cat(pieces, dim=1)


def check_finite(wave: Tensor, whose: str) -> None:
    """Refuse a voice that would be written as silence or noise. Raises VsrError not_finite."""
    if not wave.isfinite().all():
        why = "the model is damaged, or guidance or temperature is too large for it"
        raise VsrError("not_finite", f"{whose}: the voice is not finite: {why}")


def synthesize_list(
    loaded: LoadedVoice, clips: list[Clip], features: str | Path, out_dir: str | Path, options: SynthesisOptions
) -> int:
    """Write ID.wav and ID.safetensors (mel, units) of every clip that has none of the same yet; returns how many.

    What is kept and what is made again is printed on stderr. Raises VsrError exists where a file is somebody else's.
    """
    if options.text == OTHER:
        clips, options = with_other_words(clips), replace(options, text=MANIFEST)
    if options.noisy:
        check_hears(loaded)
    if options.rounds is not None:
        loaded.vocoder.rounds = options.rounds
    made = Sources(loaded, clips, features, options).all()
    todo, ledger = needed(out_dir, clips, made)
    voiced = _voiced(loaded, clips, todo, features, options)
    for clip, speech, wave in counted(voiced, "synthesis", len(clips), len(clips) - len(todo)):
        check_finite(wave, clip.id)
        save_speech(out_dir, clip, speech)
        write_wave(ledger.folder / f"{clip.id}.wav", wave.numpy())
        for name in names_of(clip):
            ledger.add(name, made[clip.id])
    return len(todo)


def _voiced(loaded, clips, todo, features, options: SynthesisOptions) -> Iterator[tuple[Clip, Speech, Tensor]]:
    """(clip, its speech, its wave) of the clips to do; the other clips lend their voices."""
    if not todo:
        return
    protocol = "cross" if options.protocol == "vision" else options.protocol
    conditions = conditions_of(loaded.voice.config.conditions)
    stored = {name: own for name, own in conditions.items() if is_stored(own)}
    dataset = SpeechDataset(clips, features, NoText(), None, protocol, conditions=stored)
    place = {clip.id: index for index, clip in enumerate(clips)}
    sampler = FrameBudgetSampler([clip.num_frames for clip in todo], FRAME_BUDGET, shuffle=False)
    device, text = next(loaded.voice.parameters()).device, NONE if options.copy else text_of(loaded, options)
    for indices in sampler.batches():
        some = [todo[i] for i in indices]
        batch = dataset.batch([place[clip.id] for clip in some]).to(device)
        if options.protocol == "vision":
            batch.speaker = loaded.voice.default_speaker.expand_as(batch.speaker)
        recorded = [natural_wave(clip) for clip in some] if options.noisy else []
        if options.copy:
            speech = Speech(batch.mel, batch.units.clamp(min=0))
        else:
            said = _said(loaded, some, dataset, text)
            speech = _spoken(loaded, batch, conditions, said, recorded, text, options)
        waves = _heard(loaded, batch, speech, recorded, options)
        yield from zip(some, *_each(speech, waves, batch.seen.lengths.tolist()), strict=True)


def _spoken(loaded, batch, conditions, said, recorded: list[Tensor], text: str, options: SynthesisOptions) -> Speech:
    """What the voice makes of a batch, of what is said in it, and of its noisy sound where that is given."""
    lengths, device = batch.seen.lengths, batch.speaker.device
    pull = _pull(loaded, said, text, options, batch.seen.video.shape[1])
    steps = (UNITS_PER_FRAME * lengths).tolist()
    more = conditions_of_words(conditions, said, steps, device) if text != NONE else {}
    more |= conditions_of_sound(conditions, recorded, device) if recorded else {}
    return loaded.voice.speak(
        batch.seen.video, lengths, batch.speaker, options.flow, conditions=batch.conditions | more, pull=pull
    )


def _heard(loaded, batch, speech: Speech, recorded: list[Tensor], options: SynthesisOptions) -> Tensor:
    """Waves of a batch: of the vocoder, the recordings masked to the mels, or in each clip the better of the two."""
    if options.noisy == MASK:
        return masked_batch(recorded, speech.mel.cpu())
    waves = vocode(loaded.vocoder, speech, batch.speaker, batch.seen.lengths).cpu()
    if options.noisy != AUTO:
        return waves
    made = torch.tensor(_made(loaded, batch, recorded, options))
    return torch.where(made[:, None], waves, masked_batch(recorded, speech.mel.cpu()))


def _each(speech: Speech, waves: Tensor, lengths: list[int]) -> tuple[list[Speech], list[Tensor]]:
    """Speech and wave of every clip of a batch, without the padding."""
    mel, units = speech.mel.cpu(), speech.units.cpu()
    own = [
        Speech(mel[row : row + 1, : frames * MELS_PER_FRAME], units[row : row + 1, : frames * UNITS_PER_FRAME])
        for row, frames in enumerate(lengths)
    ]
    return own, [waves[row, : frames * SAMPLES_PER_FRAME] for row, frames in enumerate(lengths)]


def _made(loaded, batch, recorded, options: SynthesisOptions) -> list[bool]:
    """Of each clip of a batch, whether its speech is to be made again, by what its lips alone say."""
    flow, lengths = replace(options.flow, steps=0), batch.seen.lengths
    lips = loaded.voice.speak(batch.seen.video, lengths, batch.speaker, flow, conditions=batch.conditions).mel.cpu()
    each = zip(recorded, lips, (MELS_PER_FRAME * lengths).tolist(), strict=True)
    return [better_of(wave, mel[:count]) == MADE for wave, mel, count in each]


def is_stored(condition: Condition) -> bool:
    """Whether a clip of a list gives it: what is made of words or of sound is known when speaking, or not at all."""
    return not (is_spoken(condition) or is_corrupted(condition) or is_heard(condition))


def _said(loaded, clips: list[Clip], dataset: SpeechDataset, text: str) -> list[list[Said]]:
    """What is said in each clip, and when, as far as that is to be known."""
    crops = [dataset.crops.crop(clip) for clip in clips] if text in (READ, READ_ALL) else []
    return [[] for _ in clips] if text == NONE else words_of_clips(loaded, clips, crops, text)


def _pull(loaded, said: list[list[Said]], text: str, options: SynthesisOptions, frames: int):
    """The pull of a batch of so many video frames towards what is said; None where there is none."""
    if text == NONE or not options.flow.pull:
        return None
    device = loaded.voice.mel_mean.device
    return text_pull(loaded.listener, said, frames * UNITS_PER_FRAME, options.flow.pull, device)


def save_speech(folder: str | Path, clip: Clip, speech: Speech) -> None:
    """Write one clip's mel (1, 4T, 80) and units (1, 2T) to ID.safetensors, atomically."""
    from safetensors.torch import save_file

    tensors = {"mel": speech.mel.contiguous(), "units": speech.units.to(torch.int16).contiguous()}
    with atomic_write(Path(folder) / f"{clip.id}.safetensors") as temporary:
        save_file(tensors, str(temporary))


def load_speech(folder: str | Path, clip: Clip) -> Speech:
    """Read what `save_speech` wrote. Raises VsrError bad_features."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / f"{clip.id}.safetensors"
    try:
        stored = load_file(str(path))
        speech = Speech(stored["mel"], stored["units"].long())
    except (OSError, KeyError, SafetensorError) as error:
        raise VsrError("bad_features", f"{path} cannot be read ({error}): run lip2speech synthesize") from error
    if speech.mel.shape[1] != clip.num_frames * MELS_PER_FRAME or not speech.mel.isfinite().all():
        raise VsrError("bad_features", f"{path} does not fit its clip or is not finite: delete it and run again")
    return speech
