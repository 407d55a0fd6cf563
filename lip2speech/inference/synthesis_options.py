"""Options for voicing a list of clips."""

from __future__ import annotations

from dataclasses import dataclass

from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_number

PROTOCOLS = ("cross", "self", "vision")
READ, READ_ALL, NONE = "read", "read!", "none"  # source of words: the reader in domain, the reader always, none
MANIFEST, OTHER = "manifest", "other"  # the clip's words in the manifest; those of another clip, as a control
MASK, MADE = "mask", "made"  # output for noisy sound: the sound with its noise attenuated, or synthesised speech
AUTO = "auto"  # whichever of the two fits the noise, estimated with the lips (`lip2speech.inference.snr`)
NOISY = (AUTO, MASK, MADE)
TEXTS = (READ, READ_ALL, MANIFEST, OTHER, NONE)


@dataclass(frozen=True)
class SynthesisOptions:
    """How a list is voiced.

    Args:
        flow: of the acoustic model.
        protocol: source of the speaker embedding: "self" (the clip's own sound), "cross" (another clip of the
            speaker), "vision" (no reference: the model's own voice).
        copy: natural mel and units through the vocoder (copy synthesis), instead of those from lips.
        text: source of the words: "read" from the lips, "read!" (also out of the reader's domain), "manifest" (its
            words and their times), "other" (those of another clip: a control), "none"; None: "read" if the voice has
            a listener.
        noisy: the sound of the clip's own video is an input beside the lips; "mask": the output is that sound with its
            noise attenuated; "made": the speech is synthesised; "auto": whichever fits the noise.
        rounds: of mel consistency (`lip2speech.vocoders.consistency`); None: the number in the vocoder's config.
    """

    flow: FlowOptions = FlowOptions()
    protocol: str = "cross"
    copy: bool = False
    rounds: int | None = None
    text: str | None = None
    noisy: str | None = None

    def __post_init__(self):
        if self.text not in (None, *TEXTS):
            raise VsrError("bad_options", f"--text is '{self.text}'; it can be {', '.join(TEXTS)}")
        check_noisy(self.noisy)
        if self.noisy and self.copy:
            raise VsrError("bad_options", "--noisy works only for voices made from lips, not with --copy")
        if self.protocol not in PROTOCOLS:
            raise VsrError("bad_options", f"the protocol is '{self.protocol}'; it can be {', '.join(PROTOCOLS)}")
        if self.rounds is not None:
            check_number("--rounds", self.rounds, Range(0, 1000), "bad_options")


def check_noisy(noisy: str | None) -> None:
    """Refuse an unknown value of ``--noisy``. Raises VsrError bad_options."""
    if noisy not in (None, *NOISY):
        raise VsrError("bad_options", f"--noisy is '{noisy}'; it can be {', '.join(NOISY)}")
