"""Self-training on untranscribed clips of a person: the model learns from its own hypotheses (pseudo-labels).

Each round decodes the clips with the current model, and adapts it to the hypotheses, together with the transcribed
clips. Errors differ from clip to clip, but the face is the same in all: the model learns what the clips share. Source:
self-training (Scudder 1965), as in unsupervised speaker adaptation in speech recognition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.decoding.corpus import records_of
from vsr.decoding.defaults import options_for
from vsr.decoding.encoding import lips_alone
from vsr.decoding.guesses import is_guess
from vsr.evaluation.wer import word_errors
from vsr.modelstore.folder import LoadedModel
from vsr.training.adapting import AdaptationSettings

FEWEST_STEPS = 10  # least steps of a round, as the learning rate has to warm up
Say = Callable[[str], None]
Adapt = Callable[[LoadedModel, Sequence[Clip], AdaptationSettings, str], LoadedModel]


@dataclass(frozen=True)
class Untranscribed:
    """Untranscribed clips of the person, and the number of rounds of decoding and adaptation."""

    clips: tuple[Clip, ...] = ()
    rounds: int = 2

    @property
    def passes(self) -> int:
        """The number of rounds, 0 without clips."""
        return self.rounds if self.clips else 0


def readings(loaded: LoadedModel, clips: Sequence[Clip]) -> dict[str, str]:
    """Clip id -> hypothesis, by the model's default search on the lips alone. Clips with an empty hypothesis or flagged
    as guesses are left out. Raises VsrError bad_manifest for an unreadable crop."""
    records = records_of(loaded, list(clips), options_for(loaded), modality=lips_alone(loaded))
    return {
        record["id"]: record["text"]
        for record in records
        if record["text"].strip() and not is_guess(record["in_domain"])
    }


def self_trained(
    loaded: LoadedModel, transcribed: Sequence[Clip], untranscribed: Untranscribed, settings: AdaptationSettings,
    adapt: Adapt, say: Say,
) -> LoadedModel:  # fmt: skip
    """The model adapted to ``transcribed``, and then to these with its own hypotheses of ``untranscribed``.

    Args:
        settings: of each adaptation; a round has at most as many steps as clips (but at least `FEWEST_STEPS`), so that
            errors are not memorised.
        adapt: (model, clips with text, settings, label) -> the adapted model.
        say: prints a line on clips that are left out, as the model cannot read them.

    Raises:
        VsrError: bad_manifest where there is no transcript and nothing can be read; as ``adapt``.
    """
    model = adapt(loaded, transcribed, settings, "transcripts") if transcribed else loaded
    for number in range(untranscribed.passes):
        texts = readings(model, untranscribed.clips)
        _check(texts, transcribed, untranscribed.clips, say)
        if not texts:
            break  # a further round would only repeat the transcripts
        pseudo_labelled = [
            replace(clip, text=texts[clip.id], words=()) for clip in untranscribed.clips if clip.id in texts
        ]
        labelled = [*transcribed, *pseudo_labelled]
        round_settings = replace(settings, steps=min(settings.steps, max(FEWEST_STEPS, len(labelled))))
        model = adapt(model, labelled, round_settings, f"own readings, round {number + 1} of {untranscribed.passes}")
    return model


def read_differently(before: dict[str, str], after: dict[str, str]) -> tuple[int, int]:
    """(word edits between hypotheses before and after, words before), over the clips that have a hypothesis before."""
    counts = [word_errors(text, after.get(clip_id, "")) for clip_id, text in before.items()]
    return sum(edits for edits, _ in counts), sum(words for _, words in counts)


def _check(texts: dict[str, str], transcribed: Sequence[Clip], clips: Sequence[Clip], say: Say) -> None:
    left = [clip.id for clip in clips if clip.id not in texts]
    if left:
        say(f"{len(left)} of {len(clips)} untranscribed clips are left out, such as {left[0]}: no words of this model")
    if not texts and not transcribed:
        raise VsrError("bad_manifest", "no untranscribed clip is read with words of this model: is it the right one?")
