"""What a head that translates writes for clips of stored states, and how good it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.data.batch import Batch
from vsr.data.manifest import Clip, translations_of
from vsr.data.modalities import SOUND, VIDEO
from vsr.evaluation.translation import score_translations
from vsr.evaluation.wer import score
from vsr.text.hypothesis import Hypothesis
from vsr.text.tokenizer import Tokenizer

AT_ONCE = 20  # clips decoded together


@dataclass(frozen=True)
class TranslationHead:
    """A head by its name, which is its language, and its tokenizer."""

    name: str
    tokenizer: Tokenizer

    @torch.inference_mode()
    def output(self, model, clips: Sequence[Clip], states: Sequence[Tensor], modality: str = VIDEO) -> dict[str, str]:
        """Clip id -> text, from stored states of one modality."""
        model.eval()
        texts = {}
        for first in range(0, len(clips), AT_ONCE):
            part = clips[first : first + AT_ONCE]
            batch = batch_of(part, states[first : first + AT_ONCE], modality)
            ranked = model.heads[self.name].search(model.encode_batch(batch), batch.lengths)
            texts |= {clip.id: self.text(best) for clip, best in zip(part, ranked, strict=True)}
        return texts

    def text(self, ranked: Sequence[Hypothesis]) -> str:
        """The best text; empty if there is none."""
        return self.tokenizer.decode(ranked[0].tokens) if ranked else ""

    def error_rate(self, model, clips: Sequence[Clip], states: Sequence[Tensor]) -> str:
        """WER from the lips."""
        return f"{score(translations_of(clips, self.name), self.output(model, clips, states))[0].wer:.3f}"


def batch_of(clips: Sequence[Clip], states: Sequence[Tensor], modality: str) -> Batch:
    """A batch with states (T, D) of one modality; lips that are missing are not read."""
    lengths = torch.tensor([len(clip_states) for clip_states in states])
    padded = pad_sequence(list(states), True)
    has_sound = torch.full((len(clips),), modality == SOUND)
    inputs = {VIDEO: padded} | ({SOUND: padded} if modality == SOUND else {})
    ids = [clip.id for clip in clips]
    return Batch(inputs, lengths, {}, ids, present={VIDEO: ~has_sound, SOUND: has_sound})


def summary(clips, language, read) -> str:
    """BLEU, chrF, WER and exact sentences of a list."""
    true = translations_of(clips, language)
    exact = sum(read[key] == text for key, text in true.items())
    total = score(true, read)[0]
    bleu, chrf = score_translations(true, read), score_translations(true, read, "chrf")
    return (
        f"BLEU {bleu.value:.2f} ({bleu.low:.2f} - {bleu.high:.2f})  chrF {chrf.value:.2f}  WER {100 * total.wer:.2f} "
        f"({100 * total.wer_low:.2f} - {100 * total.wer_high:.2f})  {exact} of {len(true)} sentences right"
    )
