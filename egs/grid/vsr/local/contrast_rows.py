#!/usr/bin/env python3
"""Few clips with lips and sound, many with sound alone: an audio-visual reader with and without MONA's contrastive
losses.

    local/contrast_rows.py --train data/sound/train/manifest.jsonl --dev data/sound/dev/manifest.jsonl \\
        --test data/sound/test_s1/manifest.jsonl --paired 60 --steps 600 --seeds 0 1 2

Trained on stored features of the front ends of an audio-visual reader: an adapter per stream into a shared space, one
encoder, and character CTC on the sound of all clips and the lips of the paired ones. Arms: "plain", "contrast" (cross
weight 1, supervised 0.1), and the control "wrong" (frames of other clips' sound, and other clips' tokens). The lips of
the test list are read by greedy CTC; paired bootstrap over its clips.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rig import Plan, steps
from synchrony import stored
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vsr.core.tokens import BLANK, IGNORE
from vsr.data.manifest import Clip, read_manifest
from vsr.data.targets import FRAME_TOKENS, Teacher
from vsr.decoding.ctc import greedy, sayable
from vsr.decoding.synchrony import Synchrony
from vsr.evaluation.comparison_rows import gains
from vsr.evaluation.wer import score
from vsr.models.contrast import cross_contrast, supervised_contrast
from vsr.models.contrastive_fusion import ContrastSettings
from vsr.models.landmarks import TrackConvolution
from vsr.models.lengths import length_mask
from vsr.models.registry import ENCODERS
from vsr.modelstore.folder import load_model
from vsr.objectives.contrast import draw_frames
from vsr.text.tokenizer import CharTokenizer

DIM, BATCH, RATE, TAU, FRAMES = 192, 16, 1.5e-3, 0.1, 384
ARMS = ("plain", "contrast", "wrong")
PAIRED_SHARE = 0.5  # of the paired clips in a batch
CHECKS = 5  # number of evaluations on dev


class TwoStreamReader(nn.Module):
    """Features (B, T, 192) of one stream -> log-probabilities (B, T, V); "video" and "sound" share a latent space."""

    def __init__(self, vocabulary: int):
        super().__init__()
        self.adapters = nn.ModuleDict({name: TrackConvolution(DIM, 3, 0.1) for name in ("video", "sound")})
        self.latents = nn.ModuleDict({name: nn.Linear(DIM, DIM) for name in ("video", "sound")})
        self.encoder = ENCODERS["conformer"](layers=2, heads=4, hidden=384).build(DIM)
        self.ctc = nn.Linear(DIM, vocabulary)

    def latent(self, name: str, features: Tensor, mask: Tensor) -> Tensor:
        """Features of a stream -> vectors (B, T, 192) of the shared space."""
        return self.latents[name](self.adapters[name](features, mask))

    def log_probs(self, latent: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the tokens."""
        return self.ctc(self.encoder(latent, mask)).log_softmax(-1)


def loss_of(model: TwoStreamReader, arm: str, video, sound, mask, tokens, labels, paired) -> Tensor:
    """CTC on the sound of all clips and the lips of the paired ones, plus the contrastive losses of the paired
    clips."""
    count = int(paired.sum())
    sound_latents = model.latent("sound", sound, mask)
    video_latents = model.latent("video", video[:count], mask[:count])
    latents = torch.cat([sound_latents, video_latents])
    masks, targets = torch.cat([mask, mask[:count]]), torch.cat([tokens, tokens[:count]])
    log_probs = model.log_probs(latents, masks).transpose(0, 1)
    lengths = masks.sum(1), (targets != IGNORE).sum(1)
    loss = F.ctc_loss(log_probs, targets.clamp(min=0), *lengths, blank=BLANK, zero_infinity=True)
    if arm == "plain" or not count:
        return loss
    x, y = F.normalize(video_latents, dim=-1), F.normalize(sound_latents[:count], dim=-1)
    classes = labels[:count]
    if arm == "wrong":
        y, classes = y.roll(1, 0), classes.roll(1, 0)
    is_valid = mask[:count] & (mask[:count].roll(1, 0) if arm == "wrong" else mask[:count])
    rows = draw_frames(is_valid, FRAMES)
    tagged = draw_frames(is_valid & (classes >= 0), FRAMES // 2)
    cross = cross_contrast(x[rows], y[rows], TAU)
    return loss + cross + 0.1 * supervised_contrast(torch.cat([x[tagged], y[tagged]]), classes[tagged].repeat(2), TAU)


def batches_of(clips: Sequence[Clip], features, paired: int, tokenizer, rng: np.random.Generator) -> Iterator[tuple]:
    """Endless batches: lips, sound, mask, tokens, frame labels, and which clips are paired. ``paired`` of the clips,
    drawn once, have lips."""
    order, size, teacher = rng.permutation(len(clips)), round(BATCH * PAIRED_SHARE), Teacher(tokenizer)
    frame_targets = [
        teacher(clip, len(clip_features[0]))[FRAME_TOKENS] for clip, clip_features in zip(clips, features, strict=True)
    ]
    while True:
        chosen = [*rng.choice(order[:paired], size), *rng.choice(order[paired:], BATCH - size)]
        video, sound = (pad_sequence([features[i][stream] for i in chosen], True) for stream in (0, 1))
        mask = length_mask(torch.tensor([len(features[i][0]) for i in chosen]), video.shape[1])
        tokens = pad_sequence([torch.tensor(tokenizer.encode(clips[i].text)) for i in chosen], True, IGNORE)
        labels = pad_sequence([torch.from_numpy(frame_targets[i].values) for i in chosen], True, IGNORE).long()
        yield video, sound, mask, tokens, labels, torch.arange(BATCH) < size


def train(arm: str, clips: Sequence[Clip], features, args, seed: int, dev) -> TwoStreamReader:
    """Train one arm; all arms have the same paired clips."""
    torch.manual_seed(seed)
    tokenizer, rng = CharTokenizer(), np.random.default_rng(seed)
    model, batches = TwoStreamReader(tokenizer.vocab_size), batches_of(clips, features, args.paired, tokenizer, rng)
    optimiser, start_time = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.03), time.process_time()
    plan = Plan(args.steps, RATE, warmup=50)
    for step, _ in steps(
        model, lambda trained, batch: {"loss": loss_of(trained, arm, *batch)}, batches, plan, optimiser
    ):
        if CHECKS * step // args.steps > CHECKS * (step - 1) // args.steps:
            minutes = (time.process_time() - start_time) / 60
            dev_wer = read(model, *dev)[0].wer
            print(f"  {arm} seed {seed} step {step}, {minutes:.1f} busy min: dev {dev_wer:.2%}", flush=True)
    return model


@torch.inference_mode()
def read(model: TwoStreamReader, clips: Sequence[Clip], features, name: str = "video"):
    """Word errors of greedy CTC on one stream."""
    model.eval()
    tokenizer, texts = CharTokenizer(), {}
    for clip, clip_features in zip(clips, features, strict=True):
        inputs = clip_features[("video", "sound").index(name)][None]
        mask = torch.ones(inputs.shape[:2], dtype=torch.bool)
        log_probs = sayable(model.log_probs(model.latent(name, inputs, mask), mask), tokenizer.eos_id)[0]
        texts[clip.id] = tokenizer.decode(greedy(log_probs).tokens)
    return score({clip.id: clip.text for clip in clips}, texts)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="grid-av")
    options.add_argument("--train", required=True, metavar="JSONL")
    options.add_argument("--dev", required=True, metavar="JSONL")
    options.add_argument("--test", required=True, metavar="JSONL")
    options.add_argument("--features", default="exp/sync_features", metavar="DIR")
    options.add_argument("--paired", type=int, default=60, help="clips with lips (default: 60)")
    options.add_argument("--steps", type=int, default=600, help="of an arm")
    options.add_argument("--seeds", nargs="+", type=int, default=[0])
    options.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    front = Synchrony.of_reader(load_model(args.model), args.model, ContrastSettings())
    lists = [read_manifest(path) for path in (args.train, args.dev, args.test)]
    lists[0] = [clip for clip in lists[0] if clip.speaker == "s1"]
    features = [stored(front, clips, Path(args.features)) for clips in lists]
    rows: dict[str, list] = {}
    for seed in args.seeds:
        for arm in args.arms:
            model = train(arm, lists[0], features[0], args, seed, (lists[1], features[1]))
            lips, sound = read(model, lists[2], features[2]), read(model, lists[2], features[2], "sound")
            print(f"{arm} seed {seed}: lips {lips[0]}; sound WER {sound[0].wer:.2%}", flush=True)
            rows.setdefault(arm, []).extend(lips[1])
    pairs = (("plain", "contrast"), ("wrong", "contrast"), ("plain", "wrong"))
    print(*gains(rows, (pair for pair in pairs if rows.keys() >= set(pair))), sep="\n")


if __name__ == "__main__":
    main()
