#!/usr/bin/env python3
"""Gain of `vsr adapt --untranscribed` for each speaker of a list of crops.

    local/self_training.py --manifest data/crops/unseen/manifest.jsonl --model grid-tracks --rounds 2

For each speaker the model reads the first --clips clips (default: all), adapts to its hypotheses, and repeats;
transcripts serve only for scoring. Prints the wrong words after each round, for the adaptation clips and for the
others. --control: each clip gets the hypothesis of the next clip, so that the model learns words that are not there.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.corpus import records_of
from vsr.decoding.defaults import options_for
from vsr.evaluation.bootstrap import rate_interval
from vsr.evaluation.wer import word_errors
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower
from vsr.training.adapting import AdaptationSettings, adapt_model
from vsr.training.self_training import FEWEST_STEPS, readings

Rounds = list[dict[str, dict[str, tuple[int, int]]]]  # [round][list][clip id] -> (wrong words, words)


def errors(loaded: LoadedModel, clips: list[Clip]) -> dict[str, tuple[int, int]]:
    """Clip id -> (wrong words, words)."""
    if not clips:
        return {}
    texts = {clip.id: lower(clip.text) for clip in clips}
    records = records_of(loaded, clips, options_for(loaded), calibrated=False)
    return {record["id"]: word_errors(texts[record["id"]], lower(record["text"])) for record in records}


def texts_of_next(texts: dict[str, str]) -> dict[str, str]:
    """Gives each clip the text of the next one."""
    ids = list(texts)
    return dict(zip(ids, [texts[next_id] for next_id in ids[1:] + ids[:1]], strict=True))


def rounds_of(
    loaded: LoadedModel, clips: list[Clip], settings: AdaptationSettings, rounds: int, control: bool
) -> Iterator[LoadedModel]:
    """The models of all rounds, starting with the given one."""
    yield loaded
    for _ in range(rounds):
        texts = readings(loaded, clips)
        texts = texts_of_next(texts) if control else texts
        read = [replace(clip, text=texts[clip.id]) for clip in clips if clip.id in texts]
        steps = min(settings.steps, max(FEWEST_STEPS, len(read)))
        loaded = adapt_model(loaded, read, replace(settings, steps=steps))
        yield loaded


def measured(loaded: LoadedModel, clips: list[Clip], args: argparse.Namespace) -> Rounds:
    """Errors of one speaker's clips after each round."""
    count = args.clips or len(clips)
    adaptation_clips, others = clips[:count], clips[count:]
    models = rounds_of(loaded, adaptation_clips, AdaptationSettings(seed=args.seed), args.rounds, args.control)
    return [{"learnt from": errors(model, adaptation_clips), "others": errors(model, others)} for model in models]


def summary_lines(name: str, rounds: Rounds) -> Iterator[str]:
    """Lines with the wrong words of each round, and the interval of the gain from first to last round, in points."""
    for subset, before in rounds[0].items():
        if before:
            wrong = [sum(errors for errors, _ in by_subset[subset].values()) for by_subset in rounds]
            words = sum(word_count for _, word_count in before.values())
            gains = [(errors - rounds[-1][subset][key][0], word_count) for key, (errors, word_count) in before.items()]
            low, high = (100 * bound for bound in rate_interval(gains))
            counts = " -> ".join(map(str, wrong))
            yield f"{name}, {subset}: {counts} of {words} words wrong, better by {low:.1f} to {high:.1f} points"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--model")
    parser.add_argument("--speakers", nargs="+", help="(default: all)")
    parser.add_argument("--clips", type=int, help="of each speaker, to learn from (default: all)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    loaded, speakers = load_model(args.model), defaultdict(list)
    for clip in read_manifest(args.manifest):
        speakers[clip.speaker].append(replace(clip, words=()))
    total: Rounds = [{"learnt from": {}, "others": {}} for _ in range(args.rounds + 1)]
    for speaker in args.speakers or sorted(speakers):
        rounds = measured(loaded, speakers[speaker], args)
        print("\n".join(summary_lines(speaker, rounds)), flush=True)
        for sums, by_subset in zip(total, rounds, strict=True):
            for subset, errors in by_subset.items():
                sums[subset] |= errors
    print("\n".join(summary_lines("all", total)))


if __name__ == "__main__":
    main()
