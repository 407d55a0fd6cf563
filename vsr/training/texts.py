"""Check the texts of a list before training rather than after hours of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.data.manifest import Clip
from vsr.text.tokenizer import Tokenizer


def with_tokens(name: str, clips: Sequence[Clip], tokenizer: Tokenizer, ctc: bool, say: Callable) -> list[Clip]:
    """The clips whose text has a token. ``say`` reports the others, clips with unknown tokens, and, with a ``ctc``
    loss, clips that are too short for their text. Raises VsrError bad_manifest where no text has a token."""
    tokens = {clip.id: tokenizer.encode(clip.text) for clip in clips}
    tokenised = [clip for clip in clips if tokens[clip.id]]
    if not tokenised:
        raise VsrError("bad_manifest", f"not one {name} clip has a text with tokens of the tokenizer")
    _print_affected(
        say, clips, [clip for clip in clips if not tokens[clip.id]], f"{name} clips have no words and are left out"
    )
    unknown = [clip for clip in tokenised if UNK in tokens[clip.id]]
    _print_affected(say, clips, unknown, f"{name} clips have text that the tokenizer does not know")
    if ctc:
        long = [clip for clip in tokenised if clip.num_frames < frames_needed(tokens[clip.id])]
        _print_affected(
            say, clips, long, f"{name} clips have fewer frames than CTC needs for their text, and teach it nothing"
        )
    return tokenised


def _print_affected(say: Callable, clips: Sequence[Clip], affected: list[Clip], what: str) -> None:
    if affected:
        say(f"{len(affected)} of {len(clips)} {what}, such as {affected[0].id}")


def frames_needed(tokens: Sequence[int]) -> int:
    """Frames of the shortest clip that CTC can align: one for each token, and a blank between two equal tokens."""
    return len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
