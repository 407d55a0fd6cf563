"""Recognition of enrolled phrases (`vsr phrases enrol`): parts of sentences cut by their word times, or the puppet.

    python tools/bench/phrases.py clips MANIFEST --model MODEL --speaker s4 [--span 0:2] [--examples 1,3] [--draws 16]
    python tools/bench/phrases.py puppet OUT --model MODEL [--examples 1,3]

`clips`: each draw takes --examples examples of every phrase that a speaker says often enough, and one more clip of each
as a trial. A list of tracks is read by a track reader, a list of crops by a pixel reader. `puppet`: sixteen phrases in
five languages that the reader has no words for, enrolled with one voice and rate, tried with others.

Prints for each number of examples, with all streams and with the mouth points alone (without training): share of trials
ranked first, among the first three, trials, equal error rate of the rejection (each trial also without its own phrase)
and, at the threshold derived from the examples, the shares of correct accepted trials and of wrongly accepted ones.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from vsr.core.clock import FPS
from vsr.data.crop_files import read_crop
from vsr.data.manifest import read_manifest
from vsr.data.mouth_track import load_track
from vsr.data.transforms import to_network_input
from vsr.decoding.templates import Templates, normalised, with_motion
from vsr.face.mouth_features import features_of
from vsr.inference.enrolled_phrases import POINTS, streams_of
from vsr.inference.states import FRONT, LAST
from vsr.modelstore.folder import load_model, pixel_reader

PUPPET = (
    "I am thirsty", "my leg hurts", "open the window", "call my daughter", "too cold here", "where is my phone",
    "thank you doctor", "I cannot breathe", "Bitte Licht aus", "ich habe Durst", "j'ai mal au dos", "quiero dormir",
    "dov'è il bagno", "turn me over", "good night", "yes or no",
)  # fmt: skip
VOICES = (("en", 150, 50), ("en", 120, 50), ("en+f3", 150, 60), ("en-US+m3", 175, 40))  # the first is enrolled


def of_clip(loaded, clip, span):
    """Streams of some words of a clip, by a track reader if the clip has no crop, else by a pixel reader."""
    first, last = round(clip.words[span[0]][1] * FPS), round(clip.words[span[1] - 1][2] * FPS)
    streams = {}
    if clip.track:
        track = load_track(clip)[first:last]
        streams[POINTS] = with_motion(track.points.reshape(len(track), -1) / track.width)
    model, layer_outputs = loaded.model, {}
    model_input = features_of(track.points, track.measures) if not clip.crop else read_crop(clip.crop)[first:last]
    tensor = torch.from_numpy(model_input) if not clip.crop else to_network_input(model_input)
    front = model.frontend if not clip.crop else pixel_reader(model).frontend
    hook = front.register_forward_hook(lambda module, _inputs, result: layer_outputs.__setitem__(FRONT, result[0]))
    with torch.inference_mode():
        layer_outputs[LAST] = model.encode(tensor[None], torch.tensor([len(model_input)]))[0]
    hook.remove()
    return streams | {name: normalised(layer_outputs[name].float().numpy()) for name in (FRONT, LAST)}


def draw_trials(by_phrase, examples, draws, rng):
    """Enrolled examples by phrase, and the trials [(phrase, clip)], of each draw."""
    usable = {phrase: clips for phrase, clips in by_phrase.items() if len(clips) > examples}
    for _ in range(draws if len(usable) > 1 else 0):
        order = {phrase: rng.permutation(len(clips)) for phrase, clips in usable.items()}
        enrolled = {phrase: [usable[phrase][i] for i in order[phrase][:examples]] for phrase in usable}
        yield enrolled, [(phrase, usable[phrase][order[phrase][examples]]) for phrase in usable]


def table_row(pairs, names):
    """A row of the table; ``names``: the compared streams."""
    first, three, right, within, without, wrong = [], [], [], [], [], []
    for enrolled, trials in pairs:
        examples = {
            phrase: [{k: e[k] for k in names if k in e} for e in examples_of_phrase]
            for phrase, examples_of_phrase in enrolled.items()
        }
        templates = Templates(examples)
        threshold = templates.threshold()
        for phrase, streams in trials:
            ranked = templates.ranked({k: streams[k] for k in names if k in streams})
            others = [match.distance for match in ranked if match.phrase != phrase]
            first.append(ranked[0].phrase == phrase)
            three.append(phrase in [match.phrase for match in ranked[:3]])
            within.append(ranked[0].fit)
            right.append(first[-1] and ranked[0].fit >= threshold)
            without.append(max(0.0, 1 - others[0] / np.median(others[1:] or others)))
            wrong.append(without[-1] >= threshold)
    if not first:
        return "too few clips"
    shares = " ".join(f"{100 * np.mean(hits):5.1f}" for hits in (first, three))
    accepted = f"{100 * np.mean(right):5.1f} {100 * np.mean(wrong):5.1f}"
    return f"{shares} {len(first):5d} {equal_errors(np.array(within), np.array(without)):5.1f} {accepted}"


def equal_errors(within, without):
    """Equal error rate in %: where as many of the enrolled phrases are rejected as others are accepted."""
    error_rates = [
        ((within < threshold).mean(), (without >= threshold).mean())
        for threshold in np.unique(np.concatenate([within, without]))
    ]
    return 50 * sum(min(error_rates, key=lambda pair: abs(pair[0] - pair[1])))


def render_phrase(out, phrase, voice, rate, pitch, seed):
    """Render a clip of the puppet that says a phrase; returns its path."""
    from vsr.corpora.puppet.render import draw_take, write_clip
    from vsr.corpora.puppet.speech import Voice, synthesiser

    path = Path(out) / f"{seed:05d}.mp4"
    if not path.exists():
        rng = np.random.default_rng(seed)
        speech = synthesiser().speak([phrase], [phrase], Voice(voice, rate, pitch))
        write_clip(path, speech, draw_take(rng, speech.words[-1].end))
    return path


def of_puppet(loaded, out, most):
    """Voice index -> phrase -> streams of its clips: ``most`` + 1 with the enrolled voice, one with each other."""
    Path(out).mkdir(parents=True, exist_ok=True)
    streams_by_voice = defaultdict(lambda: defaultdict(list))
    for index, (voice, rate, pitch) in enumerate(VOICES):
        for number, phrase in enumerate(PUPPET):
            for take in range(most + 1 if index == 0 else 1):
                seed = 1000 * index + 10 * number + take
                streams_by_voice[index][phrase].append(
                    streams_of(loaded, render_phrase(out, phrase, voice, rate, pitch, seed))
                )
    return streams_by_voice


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
    rng, span = np.random.default_rng(0), tuple(int(position) for position in args.span.split(":"))
    print("examples  streams  first  in top three  trials  equal error rate  right and accepted  wrongly accepted (%)")
    if args.what == "puppet":
        streams_by_voice = of_puppet(loaded, args.source, max(examples))
        pairs = {
            (f"voice {voice}", count): [
                (
                    {phrase: clips[:count] for phrase, clips in streams_by_voice[0].items()},
                    [(phrase, clips[-1]) for phrase, clips in streams_by_voice[voice].items()],
                )
            ]
            for voice in range(len(VOICES))
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
                pair for phrases in by_speaker.values() for pair in draw_trials(phrases, count, args.draws, rng)
            ]
            for count in examples
        }
    for (name, count), draws in pairs.items():
        for streams in ((FRONT, LAST, POINTS), (POINTS,)):
            if all(stream in clip_streams for _, trials in draws for _, clip_streams in trials for stream in streams):
                print(f"{name}, {count}: {'+'.join(streams)}: {table_row(draws, streams)}", flush=True)


if __name__ == "__main__":
    main()
