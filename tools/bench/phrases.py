"""How well own phrases are recognised (`vsr phrases enrol`): parts of sentences cut by their word times, or the puppet.

    python tools/bench/phrases.py clips MANIFEST --model MODEL --speaker s4 [--span 0:2] [--examples 1,3] [--draws 16]
    python tools/bench/phrases.py puppet OUT --model MODEL [--examples 1,3]

`clips`: each draw takes so many examples of every phrase that a speaker says often enough, and one more clip of each
to be recognised. A list of tracks is read by a reader of tracks, a list of crops by one of pixels. `puppet`: sixteen
phrases, in five languages, that the reader has no words for, enrolled at one voice and rate, tried at others.

Prints for each number of examples, with all streams and with the mouth's points alone (nothing is trained): first,
among the first three, trials, equal error rate of the rejection (each trial also without its own phrase) and, at the
threshold that the examples give, how many are right and accepted, and how many that are none are accepted.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.data.manifest import read_manifest
from vsr.data.mouth_track import load_track
from vsr.data.stored import read_crop
from vsr.data.transforms import to_network_input
from vsr.decoding.templates import Templates, normalised, with_motion
from vsr.face.mouth_features import features_of
from vsr.inference.enrolled import POINTS, streams_of
from vsr.inference.states import FRONT, LAST
from vsr.modelstore.folder import load_model, pixel_reader

PUPPET = (
    "I am thirsty", "my leg hurts", "open the window", "call my daughter", "too cold here", "where is my phone",
    "thank you doctor", "I cannot breathe", "Bitte Licht aus", "ich habe Durst", "j'ai mal au dos", "quiero dormir",
    "dov'è il bagno", "turn me over", "good night", "yes or no",
)  # fmt: skip
VOICES = (("en", 150, 50), ("en", 120, 50), ("en+f3", 150, 60), ("en-US+m3", 175, 40))  # the first is enrolled


def of_clip(loaded, clip, span):
    """The streams of some words of a clip, by a reader of tracks where it has no crop, else by one of pixels."""
    first, last = round(clip.words[span[0]][1] * FPS), round(clip.words[span[1] - 1][2] * FPS)
    found = {}
    if clip.track:
        track = load_track(clip)[first:last]
        found[POINTS] = with_motion(track.points.reshape(len(track), -1) / track.width)
    model, seen = loaded.model, {}
    given = features_of(track.points, track.measures) if not clip.crop else read_crop(clip.crop)[first:last]
    network = torch.from_numpy(given) if not clip.crop else to_network_input(given)
    front = model.frontend if not clip.crop else pixel_reader(model).frontend
    hook = front.register_forward_hook(lambda module, given, result: seen.__setitem__(FRONT, result[0]))
    with torch.inference_mode():
        seen[LAST] = model.encode(network[None], torch.tensor([len(given)]))[0]
    hook.remove()
    return found | {name: normalised(seen[name].float().numpy()) for name in (FRONT, LAST)}


def drawn(by_phrase, examples, draws, rng):
    """(examples by phrase, [(phrase, clip)]) of each draw."""
    usable = {phrase: own for phrase, own in by_phrase.items() if len(own) > examples}
    for _ in range(draws if len(usable) > 1 else 0):
        order = {phrase: rng.permutation(len(own)) for phrase, own in usable.items()}
        enrolled = {phrase: [usable[phrase][i] for i in order[phrase][:examples]] for phrase in usable}
        yield enrolled, [(phrase, usable[phrase][order[phrase][examples]]) for phrase in usable]


def measured(pairs, names):
    """A row of the table; ``names``: the streams that are compared."""
    first, three, right, within, without, wrong = [], [], [], [], [], []
    for enrolled, trials in pairs:
        own = {phrase: [{k: e[k] for k in names if k in e} for e in each] for phrase, each in enrolled.items()}
        templates = Templates(own)
        threshold = templates.threshold()
        for phrase, seen in trials:
            ranked = templates.ranked({k: seen[k] for k in names if k in seen})
            others = [match.distance for match in ranked if match.phrase != phrase]
            first.append(ranked[0].phrase == phrase)
            three.append(phrase in [match.phrase for match in ranked[:3]])
            within.append(ranked[0].fit)
            right.append(first[-1] and ranked[0].fit >= threshold)
            without.append(max(0.0, 1 - others[0] / np.median(others[1:] or others)))
            wrong.append(without[-1] >= threshold)
    if not first:
        return "too few clips"
    shares = " ".join(f"{100 * np.mean(own):5.1f}" for own in (first, three))
    accepted = f"{100 * np.mean(right):5.1f} {100 * np.mean(wrong):5.1f}"
    return f"{shares} {len(first):5d} {equal_errors(np.array(within), np.array(without)):5.1f} {accepted}"


def equal_errors(within, without):
    """Per cent at the threshold where as many of the phrases are refused as others are accepted."""
    each = [((within < t).mean(), (without >= t).mean()) for t in np.unique(np.concatenate([within, without]))]
    return 50 * sum(min(each, key=lambda pair: abs(pair[0] - pair[1])))


def rendered(out, phrase, voice, rate, pitch, seed):
    """A clip of the puppet that says a phrase."""
    from vsr.corpora.puppet.render import draw_take, write_clip
    from vsr.corpora.puppet.speech import Voice, synthesiser

    path = Path(out) / f"{seed:05d}.mp4"
    if not path.exists():
        rng = np.random.default_rng(seed)
        speech = synthesiser().speak([phrase], [phrase], Voice(voice, rate, pitch))
        write_clip(path, speech, draw_take(rng, speech.words[-1].end))
    return path


def of_puppet(loaded, out, most):
    """voice -> phrase -> streams of its clips: `most` of the voice that is enrolled, one of the others."""
    Path(out).mkdir(parents=True, exist_ok=True)
    found = defaultdict(lambda: defaultdict(list))
    for place, (voice, rate, pitch) in enumerate(VOICES):
        for number, phrase in enumerate(PUPPET):
            for take in range(most + 1 if place == 0 else 1):
                seed = 1000 * place + 10 * number + take
                found[place][phrase].append(streams_of(loaded, rendered(out, phrase, voice, rate, pitch, seed)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("clips", "puppet"))
    parser.add_argument("source", help="manifest with word times and tracks or crops; folder for the puppet's clips")
    parser.add_argument("--model", help="a reader that never saw the speaker")
    parser.add_argument("--speaker", help="of the manifest; all, each by itself, where not given")
    parser.add_argument("--span", default="0:2", help="which words are the phrase (default: command and colour)")
    parser.add_argument("--examples", default="1,3")
    parser.add_argument("--draws", type=int, default=16)
    args = parser.parse_args()
    loaded, examples = load_model(args.model), [int(number) for number in args.examples.split(",")]
    rng, span = np.random.default_rng(0), tuple(int(place) for place in args.span.split(":"))
    print("examples  streams  first  in top three  trials  equal error rate  right and accepted  wrongly accepted (%)")
    if args.what == "puppet":
        found = of_puppet(loaded, args.source, max(examples))
        pairs = {
            (f"voice {place}", count): [
                ({p: own[:count] for p, own in found[0].items()}, [(p, own[-1]) for p, own in found[place].items()])
            ]
            for place in range(len(VOICES))
            for count in examples
        }
    else:
        by_speaker = defaultdict(lambda: defaultdict(list))
        for clip in read_manifest(args.source):
            if clip.words and args.speaker in (None, clip.speaker):
                phrase = " ".join(clip.text.split()[slice(*span)])
                by_speaker[clip.speaker][phrase].append(of_clip(loaded, clip, span))
        pairs = {
            (args.speaker or "each speaker", count): [
                pair for own in by_speaker.values() for pair in drawn(own, count, args.draws, rng)
            ]
            for count in examples
        }
    for (name, count), own in pairs.items():
        for streams in ((FRONT, LAST, POINTS), (POINTS,)):
            if all(stream in seen for _, trials in own for _, seen in trials for stream in streams):
                print(f"{name}, {count}: {'+'.join(streams)}: {measured(own, streams)}", flush=True)


if __name__ == "__main__":
    main()
