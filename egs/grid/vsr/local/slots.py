#!/usr/bin/env python3
"""Word errors by slot of GRID's sentences and by speaker, on decoded lists.

    local/slots.py data/manifests/unseen.jsonl=exp/shipped/grid/decode_unseen_free/hyp.jsonl

A hypothesis that does not have six words counts as wrong in all of its slots.
"""

import argparse
from collections import Counter

from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest
from vsr.evaluation.wer import read_hypotheses
from vsr.text.normalise import lower

SLOTS = ("command", "colour", "preposition", "letter", "digit", "adverb")


def wrong_slots(reference: str, hypothesis: str) -> list[bool]:
    """For each of the six words, whether it is wrong."""
    words, read_words = lower(reference).split(), lower(hypothesis).split()
    if len(words) != len(SLOTS) or len(read_words) != len(SLOTS):
        return [True] * len(SLOTS)
    return [word != read_word for word, read_word in zip(words, read_words, strict=True)]


def summary(reference: str, hypotheses: str) -> str:
    """Counts per slot and per speaker, in one line. Raises VsrError bad_manifest if a clip has no hypothesis."""
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
        reference, separator, hypotheses = pair.partition("=")
        if not separator:
            parser.error(f"{pair}: give MANIFEST=HYP")
        print(f"{hypotheses}: {summary(reference, hypotheses)}")


if __name__ == "__main__":
    main()
