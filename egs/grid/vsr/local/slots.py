#!/usr/bin/env python3
"""Word errors by slot of GRID's sentences and by speaker, on decoded lists.

    local/slots.py data/manifests/unseen.jsonl=exp/shipped/grid/decode_unseen_free/hyp.jsonl

A sentence that was read as other than six words counts with all of its slots.
"""

import argparse
from collections import Counter

from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest
from vsr.evaluation.wer import read_hypotheses
from vsr.text.normalise import lower

SLOTS = ("command", "colour", "preposition", "letter", "digit", "adverb")


def wrong_slots(said: str, read: str) -> list[bool]:
    """Which of the six words are wrong."""
    words, found = lower(said).split(), lower(read).split()
    if len(words) != len(SLOTS) or len(found) != len(SLOTS):
        return [True] * len(SLOTS)
    return [word != other for word, other in zip(words, found, strict=True)]


def told(reference: str, hypotheses: str) -> str:
    """A line for each slot, one for each speaker. Raises VsrError where a clip was not decoded."""
    read = read_hypotheses(hypotheses)
    slots, speakers, words = Counter(), Counter(), Counter()
    clips = read_manifest(reference)
    for clip in clips:
        if clip.id not in read:
            raise VsrError("bad_manifest", f"{hypotheses} has nothing of {clip.id}: decode the whole list")
        wrong = wrong_slots(clip.text, read[clip.id])
        slots.update(dict(zip(SLOTS, wrong, strict=True)))
        speakers[clip.speaker] += sum(wrong)
        words[clip.speaker] += len(wrong)
    by_slot = ", ".join(f"{slot} {slots[slot]}" for slot in SLOTS)
    by_speaker = ", ".join(f"{name} {speakers[name]} of {words[name]}" for name in sorted(words))
    return f"{len(clips)} clips; {by_slot}; {by_speaker}"


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="MANIFEST=HYP", help="references, and what vsr decode read of them")
    for pair in parser.parse_args().pairs:
        reference, found, hypotheses = pair.partition("=")
        if not found:
            parser.error(f"{pair}: give MANIFEST=HYP")
        print(f"{hypotheses}: {told(reference, hypotheses)}")


if __name__ == "__main__":
    main()
