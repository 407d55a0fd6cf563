"""The one error that a user can cause: a short reason for programs and a sentence for people.

Every layer of the data flow raises `VsrError`; commands print its message, reports count its reason.
"""

from __future__ import annotations

from json import JSONDecodeError
from typing import Any

CLIP_REASONS = ("no_face", "too_short", "crop_out_of_frame", "unreadable", "no_video")
WRONG_USAGE = "bad_options"  # the command line is wrong: exit status 2, for all other reasons 1


class VsrError(Exception):
    """An error that the user can fix. `reason` is one word in snake_case, `str(error)` the message.

    Reasons for refusing a clip are `CLIP_REASONS`; others in use are bad_options
    (`WRONG_USAGE`), bad_config, bad_model, bad_manifest, bad_corpus and no_space.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __reduce__(self):
        """Keep both arguments when a worker process sends its error to the parent."""
        return type(self), (self.reason, self.message)


class Incomplete(VsrError):
    """A file could be read only in part. `record` is that part: a `vsr.output.transcript.Transcript`, whose ``error``
    has the same message, or a `lip2speech.inference.spoken.Spoken`."""

    def __init__(self, reason: str, message: str, record: Any):
        super().__init__(reason, message)
        self.record = record

    def __reduce__(self):
        return type(self), (self.reason, self.message, self.record)


def cause_of(error: Exception, otherwise: str = "") -> str:
    """The system's reason for an error, such as "No such file or directory"; ``otherwise`` if there is none, by default
    `one_line` of it."""
    return getattr(error, "strerror", None) or otherwise or one_line(error)


def one_line(error: BaseException) -> str:
    """The message of a library's error on one line; the name of its class if it has none. Of a file that cannot be
    opened, or is no text or no JSON, it says that alone."""
    kinds = {JSONDecodeError: "it is no JSON", UnicodeDecodeError: "it is no UTF-8 text"}
    told = next((told for kind, told in kinds.items() if isinstance(error, kind)), getattr(error, "strerror", None))
    return told or " ".join(str(error).split()) or type(error).__name__
