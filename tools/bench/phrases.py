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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


Streams = dict[str, np.ndarray]  # stream -> features (T, D) of a clip
Draw = tuple[dict[str, list[Streams]], list[tuple[str, Streams]]]  # enrolled examples by phrase; trials


def of_clip(loaded, clip, span: tuple[int, int]) -> Streams:
    """Streams of some words of a clip, by a track reader if the clip has no crop, else by a pixel reader."""
    first, last = round(clip.words[span[0]][1] * FPS), round(clip.words[span[1] - 1][2] * FPS)
    track = load_track(clip)[first:last] if clip.track else None
    streams = {} if track is None else {POINTS: with_motion(track.points.reshape(len(track), -1) / track.width)}
    if clip.crop:
        seen, front = to_network_input(read_crop(clip.crop)[first:last]), pixel_reader(loaded.model).frontend
    else:
        seen, front = torch.from_numpy(features_of(track.points, track.measures)), loaded.model.frontend
    return streams | layer_outputs(loaded.model, front, seen)


def layer_outputs(model, front, seen: torch.Tensor) -> Streams:
    """Normalised output of the front end and of the last layer for a clip (T, ...)."""
    outputs = {}
    hook = front.register_forward_hook(lambda module, _inputs, result: outputs.__setitem__(FRONT, result[0]))
    with torch.inference_mode():
        outputs[LAST] = model.encode(seen[None], torch.tensor([len(seen)]))[0]
    hook.remove()
    return {name: normalised(outputs[name].float().numpy()) for name in (FRONT, LAST)}


def draw_trials(by_phrase: dict[str, list[Streams]], examples: int, draws: int, rng) -> Iterator[Draw]:
    """Enrolled examples by phrase, and the trials [(phrase, clip)], of each draw."""
    usable = {phrase: clips for phrase, clips in by_phrase.items() if len(clips) > examples}
    for _ in range(draws if len(usable) > 1 else 0):
        order = {phrase: rng.permutation(len(clips)) for phrase, clips in usable.items()}
        enrolled = {phrase: [usable[phrase][i] for i in order[phrase][:examples]] for phrase in usable}
        yield enrolled, [(phrase, usable[phrase][order[phrase][examples]]) for phrase in usable]


@dataclass(frozen=True)
class Trial:
    """One trial: rank of its phrase, from 0; fit of the best phrase, and of the best other one without its phrase; the
    threshold of the templates."""

    rank: int
    fit: float
    fit_of_others: float
    threshold: float

    @classmethod
    def of(cls, templates: Templates, phrase: str, streams: Streams, threshold: float) -> "Trial":
        """Match the streams of a clip that says ``phrase``."""
        ranked = templates.ranked(streams)
        others = [match.distance for match in ranked if match.phrase != phrase]
        fit_of_others = max(0.0, 1 - others[0] / np.median(others[1:] or others))
        return cls([match.phrase for match in ranked].index(phrase), ranked[0].fit, fit_of_others, threshold)


def trials_of(draws: Iterable[Draw], names: Sequence[str]) -> list[Trial]:
    """The trials of all draws; ``names``: the compared streams."""
    trials = []
    for enrolled, unknown in draws:
        examples = {phrase: [chosen(streams, names) for streams in clips] for phrase, clips in enrolled.items()}
        templates = Templates(examples)
        threshold = templates.threshold()
        trials += [Trial.of(templates, phrase, chosen(streams, names), threshold) for phrase, streams in unknown]
    return trials


def chosen(streams: Streams, names: Sequence[str]) -> Streams:
    """The streams ``names`` that there are."""
    return {name: streams[name] for name in names if name in streams}


def table_row(draws: Iterable[Draw], names: Sequence[str]) -> str:
    """A row of the table; ``names``: the compared streams."""
    trials = trials_of(draws, names)
    if not trials:
        return "too few clips"
    first, three = ([trial.rank < most for trial in trials] for most in (1, 3))
    right = [trial.rank == 0 and trial.fit >= trial.threshold for trial in trials]
    wrong = [trial.fit_of_others >= trial.threshold for trial in trials]
    within, without = np.array([(trial.fit, trial.fit_of_others) for trial in trials]).T
    shares = " ".join(f"{100 * np.mean(hits):5.1f}" for hits in (first, three))
    accepted = f"{100 * np.mean(right):5.1f} {100 * np.mean(wrong):5.1f}"
    return f"{shares} {len(trials):5d} {equal_errors(within, without):5.1f} {accepted}"


def equal_errors(within: np.ndarray, without: np.ndarray) -> float:
    """Equal error rate in %: where as many of the enrolled phrases are rejected as others are accepted."""
    thresholds = np.unique(np.concatenate([within, without]))
    rates = [((within < threshold).mean(), (without >= threshold).mean()) for threshold in thresholds]
    rejected, accepted = min(rates, key=lambda pair: abs(pair[0] - pair[1]))
    return 50 * (rejected + accepted)


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


def of_puppet(loaded, out: str, most: int) -> list[dict[str, list[Streams]]]:
    """Phrase -> streams of its clips, for each voice: ``most`` + 1 with the enrolled voice, one with each other."""
    Path(out).mkdir(parents=True, exist_ok=True)
    return [of_voice(loaded, out, index, most + 1 if index == 0 else 1) for index in range(len(VOICES))]


def of_voice(loaded, out: str, index: int, takes: int) -> dict[str, list[Streams]]:
    """Phrase -> streams of ``takes`` clips with a voice."""
    by_phrase = {}
    for number, phrase in enumerate(PUPPET):
        seeds = [1000 * index + 10 * number + take for take in range(takes)]
        paths = [render_phrase(out, phrase, *VOICES[index], seed) for seed in seeds]
        by_phrase[phrase] = [streams_of(loaded, path) for path in paths]
    return by_phrase


def puppet_draws(by_voice: list[dict[str, list[Streams]]], voice: int, count: int) -> list[Draw]:
    """One draw: ``count`` examples of the enrolled voice, the last clips of ``voice``."""
    enrolled = {phrase: clips[:count] for phrase, clips in by_voice[0].items()}
    return [(enrolled, [(phrase, clips[-1]) for phrase, clips in by_voice[voice].items()])]


def of_speakers(loaded, path: str, speaker: str | None, span: tuple[int, int]) -> list[dict[str, list[Streams]]]:
    """Phrase -> streams of its clips, for each speaker of a manifest or one of them."""
    by_speaker: dict = defaultdict(lambda: defaultdict(list))
    for clip in read_manifest(path):
        if clip.words and speaker in (None, clip.speaker):
            phrase = " ".join(clip.text.split()[slice(*span)])
            by_speaker[clip.speaker][phrase].append(of_clip(loaded, clip, span))
    return list(by_speaker.values())


def all_draws(loaded, args: argparse.Namespace) -> Iterator[tuple[str, list[Draw]]]:
    """Name of each comparison and its draws."""
    examples = [int(number) for number in args.examples.split(",")]
    if args.what == "puppet":
        by_voice = of_puppet(loaded, args.source, max(examples))
        for voice in range(len(VOICES)):
            for count in examples:
                yield f"voice {voice}, {count}", puppet_draws(by_voice, voice, count)
        return
    rng, (first, last) = np.random.default_rng(0), (int(position) for position in args.span.split(":"))
    by_speaker = of_speakers(loaded, args.source, args.speaker, (first, last))
    for count in examples:
        draws = [draw for by_phrase in by_speaker for draw in draw_trials(by_phrase, count, args.draws, rng)]
        yield f"{args.speaker or 'each speaker'}, {count}", draws


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("clips", "puppet"))
    options.add_argument("source", help="manifest with word times and tracks or crops; folder for the puppet's clips")
    options.add_argument("--model", help="a reader that never saw the speaker")
    options.add_argument("--speaker", help="of the manifest; all, each by itself, where not given")
    options.add_argument("--span", default="0:2", help="which words are the phrase (default: command and colour)")
    options.add_argument("--examples", default="1,3")
    options.add_argument("--draws", type=int, default=16)
    return options


def main():
    args = parser().parse_args()
    loaded = load_model(args.model)
    print("examples  streams  first  in top three  trials  equal error rate  right and accepted  wrongly accepted (%)")
    for name, draws in all_draws(loaded, args):
        for streams in ((FRONT, LAST, POINTS), (POINTS,)):
            if all(stream in clip_streams for _, trials in draws for _, clip_streams in trials for stream in streams):
                print(f"{name}: {'+'.join(streams)}: {table_row(draws, streams)}", flush=True)


if __name__ == "__main__":
    main()
