#!/usr/bin/env python3
"""How many videos with text a new language needs: LMDecoder's stages on stored states of a trained encoder.

    local/few_videos.py --source data/fr/waves/train/manifest.jsonl --train data/es/crops/train/manifest.jsonl \\
        --dev data/es/crops/dev/manifest.jsonl --test data/es/crops/test/manifest.jsonl --language es \\
        --tokenizer data/tokens

Stage 1 learns from videos of --source (crops and sound, no text) which unit of the sound is said; stage 2 reads text
from units of --spoken sentences that espeak says in --language, which no list holds; the bridge joins both and is
trained on some clips of --train. Three readers of the same shape and steps for each number of clips: from scratch, with
stage 1, with both. --shuffle gives the spoken sentences each other's texts: the control. Error rates of the test list
(greedy CTC) with intervals by bootstrap over the clips; dev's are printed too, and nothing is chosen on the test list.
Writes a folder for each kind of reader to --out, which ../../grid/vsr/local/seeds.py compares.
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
from vsr.evaluation.rows import keep_scores
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

FRAME, RATE, PER_FRAME, CLIPS = 640, 16_000, 2, 12  # samples of a frame; clips of a batch
Examples = list[tuple[Tensor, Tensor]]  # what is read (T, ...), and tokens (U,) or units (T, 2, 1)


class Bridge(nn.Module):
    """Stored states of lips (B, T, D), or units (B, T, 2), -> features of the reader of units (B, T, E)."""

    def __init__(self, width: int, dim: int, size: int):
        super().__init__()
        self.size, self.units, self.embed = (
            size,
            FrameUnitHead(width, PER_FRAME, 1, size),
            UnitEmbedding(dim, PER_FRAME, size),
        )

    def forward(self, seen: Tensor, mask: Tensor) -> Tensor:
        given = not seen.is_floating_point()
        shares = nn.functional.one_hot(seen, self.size).float() if given else self.units(seen).softmax(-1).squeeze(3)
        return zero_padding(self.embed(shares), mask)


def reader(tokenizer, width: int, size: int, seed: int) -> LipReader:
    """From random weights: the bridge, two Conformer layers with a memory, CTC."""
    torch.manual_seed(seed)
    inner = {"kind": "conformer", "layers": 2, "heads": 4, "hidden": 192, "kernel": 7}
    encoder = {"encoder": inner, "slots": 64, "width": 48}
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, decoder_layers=0,
        ctc_weight=1.0, alignment_weight=0.0, encoder="memory", encoder_settings=encoder,
    )  # fmt: skip
    made = LipReader(config)
    made.frontend = Bridge(width, 96, size)
    return made


def batch_of(examples: Examples) -> Batch:
    """``units`` stands for whatever is read."""
    seen, known = zip(*examples, strict=True)
    name = "tokens" if known[0].dim() == 1 else UNITS
    lengths = torch.tensor([len(own) for own in seen])
    return Batch(
        {UNITS: pad_sequence(seen, True)}, lengths, {name: pad_sequence(known, True, IGNORE)}, [""] * len(seen)
    )


Drawn = Callable[[np.random.Generator], Examples]


def fit(model: nn.Module, loss: Callable[[Batch], Tensor], examples: Drawn, count: int, lr: float, seed: int) -> None:
    """Train in place for so many steps, with a cosine to nothing; ``examples`` gives a batch."""
    rng, optimiser = np.random.default_rng(seed), torch.optim.AdamW(model.parameters(), lr, weight_decay=0.03)
    batches = (batch_of(examples(rng)) for _ in itertools.repeat(None))
    for _ in steps(model, lambda _, batch: {"loss": loss(batch)}, batches, Plan(count, lr, warmup=20), optimiser):
        pass


def drawn(examples: Examples, size: int = 0, replaced: float = 0.0) -> Drawn:
    """Batches of them by chance; a share of the units replaced, or stretches of states hidden."""

    def some(rng: np.random.Generator) -> Examples:
        return [(changed(examples[i][0], rng), examples[i][1]) for i in rng.integers(0, len(examples), CLIPS)]

    def changed(seen: Tensor, rng: np.random.Generator) -> Tensor:
        seen = seen.clone()
        if seen.is_floating_point():
            first = int(rng.integers(0, len(seen)))
            seen[first : first + int(rng.integers(0, 9))] = seen.mean(0)
            return seen
        other = torch.from_numpy(rng.integers(0, size, tuple(seen.shape)))
        return torch.where(torch.from_numpy(rng.random(tuple(seen.shape)) < replaced), other, seen)

    return some


def at_16_khz(wave: np.ndarray, rate: int) -> np.ndarray:
    """(S,) of ``rate`` -> 16 kHz."""
    common = math.gcd(rate, RATE)
    return resample_poly(wave, RATE // common, rate // common).astype(np.float32)


def spoken(language: str, count: int, taken: set[str], seed: int) -> list[tuple[str, np.ndarray]]:
    """Sentences that are not ``taken`` as espeak says them, with waves (640 T,) of 16 kHz."""
    vocabulary, rng, found = load_vocabulary("grid", SLOTS[language]), np.random.default_rng((seed, 9)), []
    while len(found) < count:
        text = vocabulary.sentence(int(rng.integers(vocabulary.size)))
        if text in taken:
            continue
        voice = Voice(str(rng.choice(voices_of(language))), int(rng.integers(120, 176)), int(rng.integers(30, 70)))
        said = synthesiser().speak(text.split(), text.split(), voice)
        wave = at_16_khz(said.samples.astype(np.float32) / 32768, said.rate)
        quiet = np.zeros(8 * FRAME, np.float32)
        whole = np.concatenate([quiet, wave, quiet])
        found.append((text, whole[: len(whole) // FRAME * FRAME]))
    return found


@torch.inference_mode()
def read(model: LipReader, examples: Examples, clips, tokenizer) -> list[UtteranceScore]:
    """Greedy CTC on each clip."""
    model.eval()
    found = []
    for clip, own in zip(clips, examples, strict=True):
        batch = batch_of([own])
        ((best,),) = model.ctc.search(model.encode_batch(batch), batch.lengths)
        found.append(score_utterance(clip.id, lower(clip.text), lower(tokenizer.decode(best.tokens))))
    return found


def shown(each: Sequence[UtteranceScore]) -> str:
    low, high = bootstrap_interval(list(each))
    cer = sum(own.character_errors for own in each) / sum(own.characters for own in each)
    wer = sum(own.errors for own in each) / sum(own.words for own in each)
    return f"WER {100 * wer:.2f} ({100 * low:.2f} - {100 * high:.2f}) CER {100 * cer:.2f}"


def parser() -> argparse.ArgumentParser:
    own = rig_parser(__doc__, model="grid", states="exp/states", steps=300, seed=0)
    own.add_argument("--source", nargs="+", required=True, metavar="JSONL", help="crops with sound (vsr waves)")
    for flag in ("--train", "--dev", "--test"):
        own.add_argument(flag, required=True, metavar="JSONL")
    own.add_argument("--language", required=True)
    own.add_argument("--tokenizer", required=True, metavar="DIR")
    own.add_argument("--clips", nargs="+", type=int, default=[10, 20, 50, 100], metavar="N")
    own.add_argument("--spoken", type=int, default=400, metavar="N", help="sentences of sound and text (400)")
    own.add_argument("--size", type=int, default=100, metavar="K", help="units (default: 100)")
    own.add_argument("--shuffle", action="store_true")
    own.add_argument("--out", type=Path, required=True, metavar="DIR", help="the scores go there")
    return own


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    loaded, tokenizer = load_model(args.model), load_tokenizer(args.tokenizer)
    keep = len(loaded.model.encoder.layers)
    source = read_manifests(args.source)
    lists = {name: read_manifest(getattr(args, name)) for name in ("train", "dev", "test")}
    with torch.inference_mode():
        norm = loaded.model.encoder.norm
        held = {name: stored(loaded, clips, keep, args.states) for name, clips in (lists | {"source": source}).items()}
        states = {name: [norm(own).clone() for own in each] for name, each in held.items()}
    lips = states.pop("source")
    taken = {clip.text for clips in lists.values() for clip in clips}
    sentences = spoken(args.language, args.spoken, taken, args.seed)
    waves, extractor = [clip_wave(clip) for clip in source], Mfcc()
    book = fit_codebook(extractor, [*waves, *(wave for _, wave in sentences)], args.size, args.seed)
    units = [book.units(extractor.frames(torch.from_numpy(wave))).view(-1, PER_FRAME) for wave in waves]
    texts = [torch.tensor(tokenizer.encode(text)) for text, _ in sentences]
    if args.shuffle:
        texts = [texts[i] for i in np.random.default_rng(args.seed).permutation(len(texts))]
    heard = [book.units(extractor.frames(torch.from_numpy(wave))).view(-1, PER_FRAME) for _, wave in sentences]
    width = lips[0].shape[1]

    first = reader(tokenizer, width, args.size, args.seed)
    pairs = [(own[: len(said)], said[: len(own), :, None]) for own, said in zip(lips, units, strict=True)]
    head = first.frontend.units
    fit(head, lambda batch: head.loss(batch.inputs[UNITS], batch)["loss"], drawn(pairs), args.steps, 5e-3, args.seed)
    print(f"stage 1: {100 * accuracy(head, pairs):.1f} % of the units of {len(pairs)} clips are right", flush=True)
    both, told = copy.deepcopy(first), drawn(list(zip(heard, texts, strict=True)), args.size, 0.2)
    fit(both, lambda batch: ctc_attention(both, batch)["loss"], told, 2 * args.steps, 2e-3, args.seed)
    seen = {
        name: [(own, torch.tensor(tokenizer.encode(clip.text))) for own, clip in zip(states[name], clips, strict=True)]
        for name, clips in lists.items()
    }
    joined = shown(read(both, seen["test"], lists["test"], tokenizer))
    print(f"stages 1 and 2, no video with text: test {joined}", flush=True)
    kept: dict[str, dict[str, list[UtteranceScore]]] = {}
    for count in args.clips:
        starts = {"scratch": reader(tokenizer, width, args.size, args.seed), "stage 1": first, "all stages": both}
        found = {}
        for name, start in starts.items():
            model = copy.deepcopy(start)
            rate, some = 1e-3 if name == "all stages" else 2e-3, drawn(seen["train"][:count])
            fit(model, lambda batch, own=model: ctc_attention(own, batch)["loss"], some, args.steps, rate, args.seed)
            found[name] = read(model, seen["test"], lists["test"], tokenizer)
            kept.setdefault(name.replace(" ", "_"), {})[f"{count} clips"] = found[name]
            dev = shown(read(model, seen["dev"], lists["dev"], tokenizer))
            mean, low, high = paired_gain(found["scratch"], found[name])
            gain = f"better than scratch by {mean:.2f} ({low:.2f} to {high:.2f})"
            print(f"{count} clips, {name}: test {shown(found[name])}; {gain}; dev {dev}", flush=True)
        for name, scores in kept.items():
            keep_scores(args.out / name, scores)


@torch.inference_mode()
def accuracy(head: FrameUnitHead, pairs: Examples) -> float:
    """Share of units that are right."""
    head.eval()
    counted = [head.measured(batch.inputs[UNITS], batch) for batch in (batch_of([own]) for own in pairs)]
    return 1 - sum(wrong for wrong, _ in counted) / sum(count for _, count in counted)


if __name__ == "__main__":
    main()
