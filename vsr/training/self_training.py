"""Self-training on clips of a person without text: the model learns from what it read in them itself (pseudo-labels).

Each round reads the clips with the model as it is, and adapts it to what was read, beside the clips that have a
transcript. Errors of a reading differ from clip to clip, the face is the same in all of them: what the clips share is
learnt. Source: self-training (Scudder 1965), as used for speakers by unsupervised adaptation in speech recognition.
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
from vsr.training.adapting import Adapting

FEWEST_STEPS = 10  # of a round: with fewer the rate is hardly warm
Say = Callable[[str], None]
Adapt = Callable[[LoadedModel, Sequence[Clip], Adapting, str], LoadedModel]


@dataclass(frozen=True)
class Untranscribed:
    """Clips of the person without text, and how often they are read and learnt from."""

    clips: tuple[Clip, ...] = ()
    rounds: int = 2

    @property
    def passes(self) -> int:
        """Rounds that there are: none without clips."""
        return self.rounds if self.clips else 0


def readings(loaded: LoadedModel, clips: Sequence[Clip]) -> dict[str, str]:
    """id -> text of the clips, by the model's own search, of the lips alone. Clips of which nothing is read, and those
    that look like no speech of the model's domain, have none. Raises VsrError bad_manifest for an unreadable crop."""
    found = records_of(loaded, list(clips), options_for(loaded), modality=lips_alone(loaded))
    return {own["id"]: own["text"] for own in found if own["text"].strip() and not is_guess(own["in_domain"])}


def self_trained(
    loaded: LoadedModel, transcribed: Sequence[Clip], further: Untranscribed, settings: Adapting, adapt: Adapt, say: Say
) -> LoadedModel:  # fmt: skip
    """The model after it was adapted to ``transcribed``, and then to them and its own readings of ``further``.

    Args:
        settings: of each adaptation; a round has as many steps as clips at most: errors are not learnt by heart.
        adapt: (model, clips with text, settings, what to call it) -> a model that was adapted to them.
        say: is given a line on clips that are left out, as the model cannot read them.

    Raises:
        VsrError: bad_manifest where there is no transcript and nothing can be read; as ``adapt``.
    """
    own = adapt(loaded, transcribed, settings, "transcripts") if transcribed else loaded
    for number in range(further.passes):
        texts = readings(own, further.clips)
        _check(texts, transcribed, further.clips, say)
        if not texts:
            break  # a further round would learn the transcripts again, and nothing else
        read = [replace(clip, text=texts[clip.id], words=()) for clip in further.clips if clip.id in texts]
        given = [*transcribed, *read]
        few = replace(settings, steps=min(settings.steps, max(FEWEST_STEPS, len(given))))
        own = adapt(own, given, few, f"own readings, round {number + 1} of {further.passes}")
    return own


def read_differently(before: dict[str, str], after: dict[str, str]) -> tuple[int, int]:
    """(edits from what was read before to what is read after, words read before), of clips that were read before."""
    counts = [word_errors(text, after.get(clip_id, "")) for clip_id, text in before.items()]
    return sum(edits for edits, _ in counts), sum(words for _, words in counts)


def _check(texts: dict[str, str], transcribed: Sequence[Clip], clips: Sequence[Clip], say: Say) -> None:
    left = [clip.id for clip in clips if clip.id not in texts]
    if left:
        say(f"{len(left)} of {len(clips)} untranscribed clips are left out, such as {left[0]}: no words of this model")
    if not texts and not transcribed:
        raise VsrError("bad_manifest", "no untranscribed clip is read with words of this model: is it the right one?")
