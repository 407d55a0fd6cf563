#!/usr/bin/env python3
"""How many transcribed videos a new language needs: LMDecoder's stages on stored states of a trained encoder.

    local/few_videos.py --source data/fr/waves/train/manifest.jsonl --train data/es/crops/train/manifest.jsonl \\
        --dev data/es/crops/dev/manifest.jsonl --test data/es/crops/test/manifest.jsonl --language es \\
        --tokenizer data/tokens

Stage 1 is trained on videos of --source (crops and sound, no text) to predict the units of the sound; stage 2 reads
text from units of --spoken sentences, synthesised by espeak in --language, which no list holds; the bridge joins both
and is trained on some clips of --train. Three readers of the same shape and steps for each number of clips: from
scratch, with stage 1, with both. --shuffle exchanges the texts of the spoken sentences: the control. Error rates of the
test list (greedy CTC) with bootstrap intervals over the clips; those of dev are printed too, and nothing is chosen on
the test list. Writes a folder for each kind of reader to --out, for ../../grid/vsr/local/seeds.py.
"""

import argparse
import copy
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[3] / "grid" / "vsr" / "local"))
from on_states import stored
from rig import Plan, steps
from rig_options import rig_parser

from vsr.core.tokens import IGNORE
from vsr.corpora.puppet.languages import SLOTS, voices_of
from vsr.corpora.puppet.sentences import load_vocabulary
from vsr.corpora.puppet.speech import Voice, synthesiser
from vsr.data.batch import Batch
from vsr.data.manifest import read_manifest, read_manifests
from vsr.data.sound_input import clip_wave
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.comparison_rows import write_scores
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval, score_utterance
from vsr.media.units import Mfcc, fit_codebook
from vsr.models.lengths import zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.target_heads import UNITS, FrameUnitHead
from vsr.models.unit_bridge import UnitEmbedding
from vsr.modelstore.folder import load_model
from vsr.objectives.ctc_attention import ctc_attention
from vsr.text.normalise import lower
from vsr.text.tokenizer import load_tokenizer

FRAME, RATE, PER_FRAME, CLIPS = 640, 16_000, 2, 12  # samples per frame, sample rate, units per frame, clips per batch
Examples = list[tuple[Tensor, Tensor]]  # inputs (T, ...), and tokens (U,) or units (T, 2, 1)


class Bridge(nn.Module):
    """Stored states of lips (B, T, D), or units (B, T, 2), -> features of the unit reader (B, T, E)."""

    def __init__(self, width: int, dim: int, size: int):
        super().__init__()
        self.size, self.units, self.embed = (
            size,
            FrameUnitHead(width, PER_FRAME, 1, size),
            UnitEmbedding(dim, PER_FRAME, size),
        )

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        is_units = not inputs.is_floating_point()
        distributions = (
            nn.functional.one_hot(inputs, self.size).float() if is_units else self.units(inputs).softmax(-1).squeeze(3)
        )
        return zero_padding(self.embed(distributions), mask)


def reader(tokenizer, width: int, size: int, seed: int) -> LipReader:
    """A reader with random weights: the bridge, two Conformer layers with a memory, CTC."""
    torch.manual_seed(seed)
    inner = {"kind": "conformer", "layers": 2, "heads": 4, "hidden": 192, "kernel": 7}
    encoder = {"encoder": inner, "slots": 64, "width": 48}
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, decoder_layers=0,
        ctc_weight=1.0, alignment_weight=0.0, encoder="memory", encoder_settings=encoder,
    )  # fmt: skip
    model = LipReader(config)
    model.frontend = Bridge(width, 96, size)
    return model


def batch_of(examples: Examples) -> Batch:
    """Pads and stacks examples; the key ``units`` holds the inputs, whatever they are."""
    inputs, targets = zip(*examples, strict=True)
    name = "tokens" if targets[0].dim() == 1 else UNITS
    lengths = torch.tensor([len(clip_input) for clip_input in inputs])
    return Batch(
        {UNITS: pad_sequence(inputs, True)}, lengths, {name: pad_sequence(targets, True, IGNORE)}, [""] * len(inputs)
    )


BatchSampler = Callable[[np.random.Generator], Examples]


def fit(
    model: nn.Module, loss: Callable[[Batch], Tensor], examples: BatchSampler, count: int, lr: float, seed: int
) -> None:
    """Train in place for ``count`` steps with a cosine decay to 0; ``examples`` draws a batch."""
    rng, optimiser = np.random.default_rng(seed), torch.optim.AdamW(model.parameters(), lr, weight_decay=0.03)
    batches = (batch_of(examples(rng)) for _ in itertools.repeat(None))
    for _ in steps(model, lambda _, batch: {"loss": loss(batch)}, batches, Plan(count, lr, warmup=20), optimiser):
        pass


def batch_sampler(examples: Examples, size: int = 0, replaced: float = 0.0) -> BatchSampler:
    """Function that draws random batches, with a share of the units ``replaced``, or a span of the states masked."""

    def batch_from(rng: np.random.Generator) -> Examples:
        return [(changed(examples[i][0], rng), examples[i][1]) for i in rng.integers(0, len(examples), CLIPS)]

    def changed(seen: Tensor, rng: np.random.Generator) -> Tensor:
        seen = seen.clone()
        if seen.is_floating_point():
            first = int(rng.integers(0, len(seen)))
            seen[first : first + int(rng.integers(0, 9))] = seen.mean(0)
            return seen
        other = torch.from_numpy(rng.integers(0, size, tuple(seen.shape)))
        return torch.where(torch.from_numpy(rng.random(tuple(seen.shape)) < replaced), other, seen)

    return batch_from


def at_16_khz(wave: np.ndarray, rate: int) -> np.ndarray:
    """Resample a wave (S,) from ``rate`` to 16 kHz."""
    common = math.gcd(rate, RATE)
    return resample_poly(wave, RATE // common, rate // common).astype(np.float32)


def synthesised_sentences(language: str, count: int, excluded: set[str], seed: int) -> list[tuple[str, np.ndarray]]:
    """Sentences not in ``excluded``, synthesised by espeak, with waves (640 T,) at 16 kHz."""
    vocabulary, rng, sentences = load_vocabulary("grid", SLOTS[language]), np.random.default_rng((seed, 9)), []
    while len(sentences) < count:
        text = vocabulary.sentence(int(rng.integers(vocabulary.size)))
        if text in excluded:
            continue
        voice = Voice(str(rng.choice(voices_of(language))), int(rng.integers(120, 176)), int(rng.integers(30, 70)))
        utterance = synthesiser().speak(text.split(), text.split(), voice)
        wave = at_16_khz(utterance.samples.astype(np.float32) / 32768, utterance.rate)
        silence = np.zeros(8 * FRAME, np.float32)
        padded = np.concatenate([silence, wave, silence])
        sentences.append((text, padded[: len(padded) // FRAME * FRAME]))
    return sentences


@torch.inference_mode()
def read(model: LipReader, examples: Examples, clips, tokenizer) -> list[UtteranceScore]:
    """Scores of greedy CTC on each clip."""
    model.eval()
    scores = []
    for clip, example in zip(clips, examples, strict=True):
        batch = batch_of([example])
        ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        scores.append(score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best.tokens))))
    return scores


def summary(each: Sequence[UtteranceScore]) -> str:
    low, high = bootstrap_interval(list(each))
    cer = sum(score.character_errors for score in each) / sum(score.characters for score in each)
    wer = sum(score.errors for score in each) / sum(score.words for score in each)
    return f"WER {100 * wer:.2f} ({100 * low:.2f} - {100 * high:.2f}) CER {100 * cer:.2f}"


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", steps=300, seed=0)
    options.add_argument("--source", nargs="+", required=True, metavar="JSONL", help="crops with sound (vsr waves)")
    for flag in ("--train", "--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--language", required=True)
    options.add_argument("--tokenizer", required=True, metavar="DIR")
    options.add_argument("--clips", nargs="+", type=int, default=[10, 20, 50, 100], metavar="N")
    options.add_argument("--spoken", type=int, default=400, metavar="N", help="sentences of sound and text (400)")
    options.add_argument("--size", type=int, default=100, metavar="K", help="units (default: 100)")
    options.add_argument("--shuffle", action="store_true")
    options.add_argument("--out", type=Path, required=True, metavar="DIR", help="the scores go there")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    keep = len(loaded.model.encoder.layers)
    source = read_manifests(args.source)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    with torch.inference_mode():
        norm = loaded.model.encoder.norm
        stored_states = {
            name: stored(loaded, clips, keep, args.states) for name, clips in (lists | {"source": source}).items()
        }
        states = {
            name: [norm(clip_states).clone() for clip_states in list_states]
            for name, list_states in stored_states.items()
        }
    lips = states.pop("source")
    taken = {clip.text for clips in lists.values() for clip in clips}
    sentences = synthesised_sentences(args.language, args.spoken, taken, args.seed)
    waves, extractor = [clip_wave(clip) for clip in source], Mfcc()
    codebook = fit_codebook(extractor, [*waves, *(wave for _, wave in sentences)], args.size, args.seed)
    units = [codebook.units(extractor.frames(torch.from_numpy(wave))).view(-1, PER_FRAME) for wave in waves]
    texts = [torch.tensor(tokenizer.encode(text)) for text, _ in sentences]
    if args.shuffle:
        texts = [texts[i] for i in np.random.default_rng(args.seed).permutation(len(texts))]
    sentence_units = [
        codebook.units(extractor.frames(torch.from_numpy(wave))).view(-1, PER_FRAME) for _, wave in sentences
    ]
    width = lips[0].shape[1]

    first = reader(tokenizer, width, args.size, args.seed)
    pairs = [
        (clip_states[: len(clip_units)], clip_units[: len(clip_states), :, None])
        for clip_states, clip_units in zip(lips, units, strict=True)
    ]
    head = first.frontend.units
    fit(
        head,
        lambda batch: head.loss(batch.inputs[UNITS], batch)["loss"],
        batch_sampler(pairs),
        args.steps,
        5e-3,
        args.seed,
    )
    print(f"stage 1: {100 * accuracy(head, pairs):.1f} % of the units of {len(pairs)} clips are right", flush=True)
    all_stages, draw_sentences = (
        copy.deepcopy(first),
        batch_sampler(list(zip(sentence_units, texts, strict=True)), args.size, 0.2),
    )
    fit(
        all_stages,
        lambda batch: ctc_attention(all_stages, batch)["loss"],
        draw_sentences,
        2 * args.steps,
        2e-3,
        args.seed,
    )
    examples = {
        name: [
            (clip_states, torch.tensor(tokenizer.encode(clip.text)))
            for clip_states, clip in zip(states[name], clips, strict=True)
        ]
        for name, clips in lists.items()
    }
    joined = summary(read(all_stages, examples["test"], lists["test"], tokenizer))
    print(f"stages 1 and 2, no video with text: test {joined}", flush=True)
    scores_by_reader: dict[str, dict[str, list[UtteranceScore]]] = {}
    for count in args.clips:
        starts = {"scratch": reader(tokenizer, width, args.size, args.seed), "stage 1": first, "all stages": all_stages}
        scores = {}
        for name, start in starts.items():
            model = copy.deepcopy(start)
            rate, draw = 1e-3 if name == "all stages" else 2e-3, batch_sampler(examples["train"][:count])
            fit(model, lambda batch, net=model: ctc_attention(net, batch)["loss"], draw, args.steps, rate, args.seed)
            scores[name] = read(model, examples["test"], lists["test"], tokenizer)
            scores_by_reader.setdefault(name.replace(" ", "_"), {})[f"{count} clips"] = scores[name]
            dev = summary(read(model, examples["dev"], lists["dev"], tokenizer))
            mean, low, high = paired_gain(scores["scratch"], scores[name])
            gain = f"better than scratch by {mean:.2f} ({low:.2f} to {high:.2f})"
            print(f"{count} clips, {name}: test {summary(scores[name])}; {gain}; dev {dev}", flush=True)
        for name, by_count in scores_by_reader.items():
            write_scores(args.out / name, by_count)


@torch.inference_mode()
def accuracy(head: FrameUnitHead, pairs: Examples) -> float:
    """Accuracy of the units."""
    head.eval()
    errors = [head.measured(batch.inputs[UNITS], batch) for batch in (batch_of([pair]) for pair in pairs)]
    return 1 - sum(wrong for wrong, _ in errors) / sum(count for _, count in errors)


if __name__ == "__main__":
    main()
