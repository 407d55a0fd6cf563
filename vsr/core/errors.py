"""The one error that a user can cause: a short reason for programs and a sentence for people.

Every layer of the data flow raises `VsrError`; commands print its message, reports count its reason.
"""

from __future__ import annotations

from typing import Any

CLIP_REASONS = ("no_face", "too_short", "crop_out_of_frame", "unreadable", "no_video")
WRONG_USAGE = "bad_options"  # the command must be given otherwise: its exit status is 2, that of all others 1


class VsrError(Exception):
    """Something that the user can mend. `reason` is one word in snake_case, `str(error)` the message.

    The reasons a clip can be refused for are `CLIP_REASONS`; others in use are bad_options
    (`WRONG_USAGE`), bad_config, bad_model, bad_manifest, bad_corpus and no_space.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __reduce__(self):
        """Both arguments travel when a worker process hands its error to the parent."""
        return type(self), (self.reason, self.message)


class Incomplete(VsrError):
    """Not all of a file could be read. `record` is what could: a `vsr.output.transcript.Transcript`, whose ``error``
    says the same, or a `lip2speech.inference.spoken.Spoken`."""

    def __init__(self, reason: str, message: str, record: Any):
        super().__init__(reason, message)
        self.record = record

    def __reduce__(self):
        return type(self), (self.reason, self.message, self.record)


def cause_of(error: Exception, otherwise: str) -> str:
    """What the system says of an error, such as "No such file or directory"; ``otherwise`` where it says nothing."""
    return getattr(error, "strerror", None) or otherwise


def one_line(error: BaseException) -> str:
    """What a library's error says, on one line; the name of its class where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
