#!/usr/bin/env python3
"""Correct a mumbling puppet with one lip reader and test it with another: a loss chooses how far its mouth opens.

    local/mouth_by_expert.py --expert grid --judges grid grid-av --train data/puppet/train.jsonl

Every pose of the mouth is multiplied by a gain; the puppet starts at --start, where the lips hardly part. Rendering is
not differentiable: the expert's loss of the true text (TalkLip) over dev sentences is minimised by Brent's search over
the gain. Test sentences are then read with the initial gain, the chosen one and as drawn (1). Control: the gain that
the same search finds for the texts of other sentences. Paired bootstrap over clips.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from vsr.corpora.puppet.render import Take, draw_take, render_frames
from vsr.corpora.puppet.sentences import draw_splits, load_vocabulary
from vsr.corpora.puppet.speech import Speech, Voice, synthesiser
from vsr.data.manifest import read_manifest
from vsr.data.transforms import to_network_input
from vsr.decoding.ctc import greedy, sayable
from vsr.decoding.encoding import encode_clips
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import score
from vsr.face.detector import default_detector
from vsr.face.geometry import cut_mouth, mouth_transforms
from vsr.face.tracker import track_faces
from vsr.inference.expert import Expert
from vsr.modelstore.folder import LoadedModel, load_model

LEAST, MOST = 0.2, 1.8  # bounds of the gain
VOICES = ("en", "en+f2", "en+m3", "en+f4")


@dataclass(frozen=True)
class Sentence:
    """A sentence's speech and rendering; matrices (T, 2, 3) map frames to crops, for the mouth as drawn."""

    text: str
    speech: Speech
    take: Take
    matrices: np.ndarray

    def crops(self, gain: float) -> np.ndarray:
        """Mouth crops (T, 96, 96) uint8 with poses multiplied by ``gain``."""
        take = replace(self.take, mouth=self.take.mouth * gain)
        frames = render_frames(self.speech, take)
        return np.stack([cut_mouth(frame, matrix) for frame, matrix in zip(frames, self.matrices, strict=True)])


def render_sentence(text: str, seed: Sequence[int]) -> Sentence:
    """A sentence with voice, head and light drawn from ``seed``."""
    rng, vocabulary = np.random.default_rng(seed), load_vocabulary("grid")
    voice = Voice(VOICES[rng.integers(len(VOICES))], int(rng.integers(120, 176)), int(rng.integers(30, 70)))
    words = text.split()
    speech = synthesiser().speak(words, [vocabulary.spelling_of(word) for word in words], voice)
    take = draw_take(rng, speech.words[-1].end)
    (track,) = track_faces(render_frames(speech, take), default_detector())
    points = track.points
    tracked = np.flatnonzero(~np.isnan(points[:, 0, 0]))
    nearest = tracked[np.abs(np.arange(len(take.motion))[:, None] - (tracked + track.start)).argmin(1)]
    return Sentence(text, speech, take, mouth_transforms(points[nearest]))


@torch.inference_mode()
def loss_of(expert: Expert, sentences: Sequence[Sentence], texts: Sequence[str], gain: float) -> float:
    """Mean over sentences of the expert's loss of the texts, per token."""
    crops = [torch.from_numpy(sentence.crops(gain)).float() for sentence in sentences]
    return float(np.mean([expert.loss(crop, text=text)["text"] for crop, text in zip(crops, texts, strict=True)]))


def best_gain(expert: Expert, sentences: Sequence[Sentence], texts: Sequence[str], start: float, tries: int) -> float:
    """The gain with the least loss by Brent's search, or ``start`` if that is no worse; prints each evaluation."""

    def objective(gain: float) -> float:
        value = loss_of(expert, sentences, texts, gain)
        print(f"  gain {gain:.3f}: loss {value:.4f}", flush=True)
        return value

    start_loss = objective(start)
    optimum = minimize_scalar(objective, bounds=(LEAST, MOST), method="bounded", options={"maxiter": tries})
    return float(optimum.x) if optimum.fun < start_loss else start


@torch.inference_mode()
def word_errors_by(reader: LoadedModel, sentences: Sequence[Sentence], gain: float):
    """Word errors of a reader by greedy CTC: the total and of each clip."""
    texts, end = {}, reader.tokenizer.eos_id
    for index, sentence in enumerate(sentences):
        crop = to_network_input(sentence.crops(gain))
        states = encode_clips(reader, crop[None], torch.tensor([len(crop)]))
        log_probs = sayable(reader.model.ctc_log_probs(states).float(), end)[0]
        texts[str(index)] = reader.tokenizer.decode(greedy(log_probs).tokens)
    return score({str(index): sentence.text for index, sentence in enumerate(sentences)}, texts)


def drawn_texts(args: argparse.Namespace) -> dict[str, list[str]]:
    """List -> its random sentences, none of which is in --train."""
    excluded = {clip.text for clip in read_manifest(args.train)}
    splits = draw_splits(load_vocabulary("grid"), {"dev": 2 * args.dev, "test": 2 * args.test}, args.seed)
    counts = {"dev": args.dev, "test": args.test}
    return {name: [text for text in texts if text not in excluded][: counts[name]] for name, texts in splits.items()}


def chosen_gains(expert: Expert, sentences: Sequence[Sentence], args: argparse.Namespace) -> dict[str, float]:
    """Row -> gain; the control is chosen for the text of the next sentence."""
    texts = [sentence.text for sentence in sentences]
    gains = {"start": args.start}
    for name, targets in (("by the expert", texts), ("control: other texts", texts[1:] + texts[:1])):
        print(name, flush=True)
        gains[name] = best_gain(expert, sentences, targets, args.start, args.tries)
    return gains | {"as drawn": 1.0}


def print_rows(judge: str, sentences: Sequence[Sentence], gains: dict[str, float]) -> None:
    """Word errors of a reader with each gain."""
    reader = load_model(judge)
    results = {gain: word_errors_by(reader, sentences, gain) for gain in set(gains.values())}
    _, at_start = results[gains["start"]]
    for name, gain in gains.items():
        total, scores = results[gain]
        mean, low, high = paired_gain(at_start, scores)
        better = f"better than start {mean:.2f} [{low:.2f}, {high:.2f}]"
        print(f"{judge}, {name}, gain {gain:.3f}: {total}; {better}", flush=True)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--expert", default="grid", metavar="MODEL", help="whose loss chooses the gain")
    options.add_argument("--judges", nargs="+", default=["grid", "grid-av"], metavar="MODEL")
    options.add_argument("--train", required=True, metavar="JSONL", help="sentences that are left out")
    options.add_argument("--dev", type=int, default=10, help="sentences that the gain is chosen on")
    options.add_argument("--test", type=int, default=40)
    options.add_argument("--start", type=float, default=0.35, help="gain of the mumbling puppet")
    options.add_argument("--tries", type=int, default=8, help="of the search")
    options.add_argument("--seed", type=int, default=77)
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    lists = {}
    for number, (name, texts) in enumerate(drawn_texts(args).items()):
        lists[name] = [render_sentence(text, (args.seed, number, index)) for index, text in enumerate(texts)]
    gains = chosen_gains(Expert(load_model(args.expert)), lists["dev"], args)
    for judge in args.judges:
        print_rows(judge, lists["test"], gains)


if __name__ == "__main__":
    main()
