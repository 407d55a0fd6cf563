"""Voice the clips of a list in batches: mel, units and wave of each.

Shapes: B batch, T video frames; mel (B, 4T, 80), units (B, 2T), wave (B, 640 T), speaker (B, 256).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lip2speech.conditions.registry import Condition, conditions_of
from lip2speech.conditions.traits import is_corrupted, is_heard, is_spoken
from lip2speech.features.dataset import NoText, SpeechBatch, SpeechDataset
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.masking import masked_batch
from lip2speech.inference.snr import choose_output
from lip2speech.inference.sound_conditions import conditions_of_sound
from lip2speech.inference.synthesis_options import AUTO, MADE, MASK, NONE, READ, READ_ALL, SynthesisOptions
from lip2speech.inference.text import text_of, words_of_clips
from lip2speech.inference.vocoding import vocode
from lip2speech.inference.word_conditions import conditions_of_words
from lip2speech.models.pull import SpokenWord, text_pull
from lip2speech.models.voice import Speech
from vsr.core.clock import MELS_PER_FRAME, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler
from vsr.data.sound import natural_wave

FRAME_BUDGET = 1200  # video frames in a batch


class ListVoicing:
    """Voices a list in batches. ``text``: the source of the words. Raises VsrError as `text_of`."""

    def __init__(self, loaded: LoadedVoice, options: SynthesisOptions):
        self.loaded, self.options = loaded, options
        self.conditions = conditions_of(loaded.voice.config.conditions)
        self.device = next(loaded.voice.parameters()).device
        self.text = NONE if options.copy else text_of(loaded, options)

    def voiced_clips(
        self, clips: list[Clip], todo: list[Clip], features: str | Path
    ) -> Iterator[tuple[Clip, Speech, Tensor]]:
        """(clip, its speech, its wave) of the clips in ``todo``; other ``clips`` serve as references for the voice."""
        options = self.options
        protocol = "cross" if options.protocol == "vision" else options.protocol
        stored = {name: condition for name, condition in self.conditions.items() if is_stored(condition)}
        dataset = SpeechDataset(clips, features, NoText(), None, protocol, conditions=stored)
        index_of = {clip.id: index for index, clip in enumerate(clips)}
        sampler = FrameBudgetSampler([clip.num_frames for clip in todo], FRAME_BUDGET, shuffle=False)
        for indices in sampler.batches():
            batch_clips = [todo[i] for i in indices]
            batch = dataset.batch([index_of[clip.id] for clip in batch_clips]).to(self.device)
            if options.protocol == "vision":
                batch.speaker = self.loaded.voice.default_speaker.expand_as(batch.speaker)
            recorded = [natural_wave(clip) for clip in batch_clips] if options.noisy else []
            if options.copy:
                speech = Speech(batch.mel, batch.units.clamp(min=0))
            else:
                speech = self._synthesise(batch, self._words_of(batch_clips, dataset), recorded)
            waves = self._final_waves(batch, speech, recorded)
            yield from zip(batch_clips, *_speech_and_waves(speech, waves, batch.lips.lengths.tolist()), strict=True)

    def _words_of(self, clips: list[Clip], dataset: SpeechDataset) -> list[list[SpokenWord]]:
        """The words of each clip with their times; none without text."""
        if self.text == NONE:
            return [[] for _ in clips]
        crops = [dataset.crops.crop(clip) for clip in clips] if self.text in (READ, READ_ALL) else []
        return words_of_clips(self.loaded, clips, crops, self.text)

    def _synthesise(self, batch: SpeechBatch, words: list[list[SpokenWord]], recorded: Sequence) -> Speech:
        """Speech of a batch, conditioned on its words and, if given, its noisy sound."""
        lengths, device = batch.lips.lengths, batch.speaker.device
        pull = self._pull(words, batch.lips.video.shape[1])
        steps = (UNITS_PER_FRAME * lengths).tolist()
        more = conditions_of_words(self.conditions, words, steps, device) if self.text != NONE else {}
        more |= conditions_of_sound(self.conditions, recorded, device) if recorded else {}
        return self.loaded.voice.speak(
            batch.lips.video, lengths, batch.speaker, self.options.flow, conditions=batch.conditions | more, pull=pull
        )

    def _pull(self, words: list[list[SpokenWord]], frames: int):
        """The pull of a batch of ``frames`` video frames towards its words; None if there is none."""
        strength = self.options.flow.pull
        if self.text == NONE or not strength or not self.loaded.has_listener:
            return None
        device = self.loaded.voice.mel_mean.device
        return text_pull(self.loaded.listener, words, frames * UNITS_PER_FRAME, strength, device)

    def _final_waves(self, batch: SpeechBatch, speech: Speech, recorded: Sequence) -> Tensor:
        """Waves of a batch: vocoded, or the recordings masked by the mels, or whichever fits the noise of each clip."""
        if self.options.noisy == MASK:
            return masked_batch(recorded, speech.mel.cpu())
        waves = vocode(self.loaded.vocoder, speech, batch.speaker, batch.lips.lengths).cpu()
        if self.options.noisy != AUTO:
            return waves
        is_made = torch.tensor(self._is_synthesised(batch, recorded))
        return torch.where(is_made[:, None], waves, masked_batch(recorded, speech.mel.cpu()))

    def _is_synthesised(self, batch: SpeechBatch, recorded: Sequence) -> list[bool]:
        """Whether the speech of each clip is to be synthesised instead of masked, judged by the mel from lips alone."""
        flow, lengths = replace(self.options.flow, steps=0), batch.lips.lengths
        video, speaker = batch.lips.video, batch.speaker
        lips = self.loaded.voice.speak(video, lengths, speaker, flow, conditions=batch.conditions).mel.cpu()
        rows = zip(recorded, lips, (MELS_PER_FRAME * lengths).tolist(), strict=True)
        return [choose_output(wave, mel[:count]) == MADE for wave, mel, count in rows]


def is_stored(condition: Condition) -> bool:
    """Whether the dataset provides a condition; those from words or recorded sound are computed at inference."""
    return not (is_spoken(condition) or is_corrupted(condition) or is_heard(condition))


def _speech_and_waves(speech: Speech, waves: Tensor, lengths: list[int]) -> tuple[list[Speech], list[Tensor]]:
    """Speech and wave of every clip of a batch, without the padding."""
    mel, units = speech.mel.cpu(), speech.units.cpu()
    speeches = [
        Speech(mel[row : row + 1, : frames * MELS_PER_FRAME], units[row : row + 1, : frames * UNITS_PER_FRAME])
        for row, frames in enumerate(lengths)
    ]
    return speeches, [waves[row, : frames * SAMPLES_PER_FRAME] for row, frames in enumerate(lengths)]
