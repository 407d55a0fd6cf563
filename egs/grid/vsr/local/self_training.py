#!/usr/bin/env python3
"""What `vsr adapt --untranscribed` gains for each speaker of a list of crops.

    local/self_training.py --manifest data/crops/unseen/manifest.jsonl --model grid-tracks --rounds 2

Of each speaker the model reads the first --clips clips (default: all), adapts to what it read, and so on; texts serve
for scoring alone. Printed are the words wrong after each round, of the clips that it learnt from and of the others.
--control: each clip has the reading of the next one, so that the model learns words that are not there.
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
from vsr.training.adapting import Adapting, adapted
from vsr.training.self_training import FEWEST_STEPS, readings

Rounds = list[dict[str, dict[str, tuple[int, int]]]]  # by round, list and id: words wrong, words


def errors(loaded: LoadedModel, clips: list[Clip]) -> dict[str, tuple[int, int]]:
    """id -> (words wrong, words)."""
    if not clips:
        return {}
    texts = {clip.id: lower(clip.text) for clip in clips}
    found = records_of(loaded, clips, options_for(loaded), calibrated=False)
    return {own["id"]: word_errors(texts[own["id"]], lower(own["text"])) for own in found}


def next_ones(texts: dict[str, str]) -> dict[str, str]:
    """Each clip with the text of the next."""
    ids = list(texts)
    return dict(zip(ids, [texts[own] for own in ids[1:] + ids[:1]], strict=True))


def rounds_of(
    loaded: LoadedModel, clips: list[Clip], settings: Adapting, rounds: int, control: bool
) -> Iterator[LoadedModel]:
    """The models of each round, the first of them the given one."""
    yield loaded
    for _ in range(rounds):
        texts = readings(loaded, clips)
        texts = next_ones(texts) if control else texts
        read = [replace(clip, text=texts[clip.id]) for clip in clips if clip.id in texts]
        steps = min(settings.steps, max(FEWEST_STEPS, len(read)))
        loaded = adapted(loaded, read, replace(settings, steps=steps))
        yield loaded


def measured(loaded: LoadedModel, clips: list[Clip], args: argparse.Namespace) -> Rounds:
    """What is read of one speaker's clips after each round."""
    count = args.clips or len(clips)
    own, others = clips[:count], clips[count:]
    models = rounds_of(loaded, own, Adapting(seed=args.seed), args.rounds, args.control)
    return [{"learnt from": errors(model, own), "others": errors(model, others)} for model in models]


def told(name: str, rounds: Rounds) -> Iterator[str]:
    """Lines of the words wrong before and after the last round, and the interval of what is gained, in points."""
    for which, before in rounds[0].items():
        if before:
            wrong = [sum(own for own, _ in each[which].values()) for each in rounds]
            words = sum(own for _, own in before.values())
            gained = [(own - rounds[-1][which][key][0], count) for key, (own, count) in before.items()]
            low, high = (100 * own for own in rate_interval(gained))
            counts = " -> ".join(map(str, wrong))
            yield f"{name}, {which}: {counts} of {words} words wrong, better by {low:.1f} to {high:.1f} points"


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
        print("\n".join(told(speaker, rounds)), flush=True)
        for sums, each in zip(total, rounds, strict=True):
            for which, found in each.items():
                sums[which] |= found
    print("\n".join(told("all", total)))


if __name__ == "__main__":
    main()
