"""Options for voicing a list of clips."""

from __future__ import annotations

from dataclasses import dataclass

from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError
from vsr.core.numbers import Range, check_number

PROTOCOLS = ("cross", "self", "vision")
READ, READ_ALL, NONE = "read", "read!", "none"  # what is said: in domain, whatever was read, not known
MANIFEST, OTHER = "manifest", "other"  # what the manifest says of the clip; of another clip, as a control
MASK, MADE = "mask", "made"  # what becomes of noisy sound: its noise is turned down, or the speech is made again
AUTO = "auto"  # the one of the two that fits the noise, by what the lips say (`lip2speech.inference.noise_ratio`)
NOISY = (AUTO, MASK, MADE)
TEXTS = (READ, READ_ALL, MANIFEST, OTHER, NONE)


@dataclass(frozen=True)
class SynthesisOptions:
    """How a list is voiced.

    Args:
        flow: of the acoustic model.
        protocol: whose vector is given: "self" (the clip's own sound), "cross" (another clip of the speaker),
            "vision" (no reference is heard: the model's own voice).
        copy: natural mel and units through the vocoder, instead of what is seen.
        text: what is said: "read" from the lips, "read!" (by lips unlike those of the reader's training, too),
            "manifest" (its words and their times),
            "other" (those of another clip: a control), "none"; None: read, if the voice has what that needs.
        noisy: the sound of the clip's own video is given to the voice, beside the lips; "mask": it is what is heard,
            its noise turned down; "made": the speech is made again; "auto": whichever fits the noise.
        rounds: of mel consistency (`lip2speech.vocoders.consistency`); None: as many as the vocoder's config says.
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
    """Raises VsrError bad_options for what becomes of noisy sound that is not known."""
    if noisy not in (None, *NOISY):
        raise VsrError("bad_options", f"--noisy is '{noisy}'; it can be {', '.join(NOISY)}")
