#!/usr/bin/env python3
"""Frames per second of a training step and of inference, ours against a peer's model of the same size, in one run.

    tools/bench/train_step.py [--peer FOLDER] [--config YAML] [--frames 150 --clips 3] [--steps 3] [--json FILE]

--peer is a checkout of auto_avsr: its E2E (ResNet-3D, 12 Conformer and 6 decoder layers of 768, 250 M parameters)
is built with its own code and its own optimiser. Both get the same batch, padding included, and the same precision:
bf16 with fp32 weights on a GPU, fp32 on a CPU. Steps take turns, so that both meet the same machine. Time is that of
the GPU, or CPU time of one core: other load on the machine is not counted.
`inference` is the encoder and the CTC head on the whole batch. Rates count real frames only.

Also prints how much of the sampler's batches is padding, for clips as long as those of LRS3.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vsr.core.files import write_text
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.sampler import FrameBudgetSampler
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.training.optimiser import adamw

PUBLISHED = Path(__file__).parents[2] / "egs" / "lrs3" / "vsr" / "conf" / "published.yaml"
VOCABULARY = 5049
TRAINVAL, PRETRAIN = 31_982, 118_516  # utterances of LRS3
LONGEST = 400  # frames: longer clips are cut at 16 s
TOKENS_PER_FRAME = 0.12  # about 3 subwords a second


def lrs3_lengths(clips: int, seed: int = 0) -> np.ndarray:
    """Frames of ``clips`` clips with lengths as in LRS3: trainval 30 h, up to 6.2 s; pretrain 408 h, cut at 16 s.

    The hours and counts are the corpus's, the shapes (gamma and log-normal) are assumed.
    """
    rng = np.random.default_rng(seed)
    short = rng.random(clips) < TRAINVAL / (TRAINVAL + PRETRAIN)
    trainval = rng.gamma(5, 84.4 / 5, clips).clip(15, 155)
    pretrain = rng.lognormal(np.log(310) - 0.5 * 0.6**2, 0.6, clips)
    frame_counts = np.where(short, trainval, pretrain).round().astype(int)
    pieces_of_clips = [[LONGEST] * (n // LONGEST) + [n % LONGEST] for n in frame_counts]
    return np.array([piece for pieces in pieces_of_clips for piece in pieces if piece >= 12])


def padding_waste(frames_per_batch: int = 1800, clips: int = 50_000) -> float:
    """Share of an epoch's batches that is padding."""
    return FrameBudgetSampler(lrs3_lengths(clips), frames_per_batch).padding_share()


def make_batch(clips: int, frames: int, device) -> Batch:
    """Random video of similar lengths, the longest ``frames``, with tokens."""
    lengths = torch.linspace(frames, 0.9 * frames, clips).round().long()
    counts = (lengths * TOKENS_PER_FRAME).long().clamp(min=1)
    tokens = torch.full((clips, int(counts.max())), IGNORE)
    for row, count in zip(tokens, counts.tolist(), strict=True):
        row[:count] = torch.randint(1, VOCABULARY - 1, (count,))
    video = torch.randn(clips, frames, 1, 88, 88)
    unknown = torch.full((clips, frames), IGNORE)
    targets = {"tokens": tokens, "frame_tokens": unknown}
    return Batch({"video": video}, lengths, targets, ["clip"] * clips).to(device)


class Ours:
    """Our lip reader with our optimiser."""

    def __init__(self, config: Path, device):
        import yaml

        settings = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]
        self.model = LipReader(LipReaderConfig(vocab_size=VOCABULARY, **settings)).to(device)
        self.optimiser = adamw(self.model, 1e-5, 0.03)

    def loss(self, batch: Batch) -> torch.Tensor:
        return ctc_attention(self.model, batch)["loss"]

    def infer(self, batch: Batch) -> torch.Tensor:
        return self.model.ctc_log_probs(self.model.encode(batch.video, batch.lengths))


class Peer:
    """auto_avsr's E2E and the optimiser of its lightning.py."""

    def __init__(self, folder: Path, device):
        sys.path.insert(0, str(folder))
        from espnet.nets.pytorch_backend.e2e_asr_conformer import E2E
        from espnet.nets.pytorch_backend.nets_utils import make_non_pad_mask

        self.mask = make_non_pad_mask
        self.model: nn.Module = E2E(VOCABULARY, "video").to(device)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.03, betas=(0.9, 0.98))

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.model(batch.video, batch.lengths, batch.tokens)[0]

    def infer(self, batch: Batch) -> torch.Tensor:
        mask = self.mask(batch.lengths).to(batch.video.device).unsqueeze(-2)
        states, _ = self.model.encoder(self.model.proj_encoder(self.model.frontend(batch.video)), mask)
        return self.model.ctc.log_softmax(states)


def step(side, batch: Batch) -> None:
    """One optimiser step, as in a training run."""
    side.model.train()
    with precision(batch):
        loss = side.loss(batch)
    loss.backward()
    nn.utils.clip_grad_norm_(side.model.parameters(), 10.0)
    side.optimiser.step()
    side.optimiser.zero_grad()


@torch.inference_mode()
def infer(side, batch: Batch) -> None:
    """CTC log-probabilities of a batch."""
    side.model.eval()
    with precision(batch):
        side.infer(batch)


def precision(batch: Batch):
    """Autocast to bf16 on a GPU."""
    device = batch.video.device.type
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")


def seconds(work, device) -> float:
    """Seconds of the GPU, or CPU seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def measure(sides: dict, batch: Batch, steps: int) -> dict[str, float]:
    """Median rate of each side's training step and inference; the first run of each is not counted."""
    device, frames = batch.video.device, int(batch.lengths.sum())
    rates = {}
    for name, work in (("train", step), ("inference", infer)):
        spent: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(steps + 1):
            for side, value in sides.items():
                duration = seconds(lambda work=work, value=value: work(value, batch), device)
                if turn:
                    spent[side].append(duration)
        for side, value in spent.items():
            rates[f"{side}_{name}_frames_per_s"] = frames / statistics.median(value)
    return rates


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peer", type=Path, metavar="FOLDER")
    options.add_argument("--config", type=Path, default=PUBLISHED, metavar="YAML")
    options.add_argument("--clips", type=int, default=3)
    options.add_argument("--frames", type=int, default=50, help="of the longest clip")
    options.add_argument("--steps", type=int, default=3)
    options.add_argument("--json", type=Path)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sides = {"ours": Ours(args.config, device)}
    if args.peer:
        sides["peer"] = Peer(args.peer, device)
    for name, side in sides.items():
        print(f"{name}: {sum(p.numel() for p in side.model.parameters()) / 1e6:.1f} M parameters")
    rates = measure(sides, make_batch(args.clips, args.frames, device), args.steps)
    figures = {"device": torch.cuda.get_device_name() if device.type == "cuda" else "one CPU core"}
    for name in ("train", "inference"):
        figures[f"{name}_frames_per_s"] = rates[f"ours_{name}_frames_per_s"]
        if args.peer:
            figures[f"peer_{name}_frames_per_s"] = rates[f"peer_{name}_frames_per_s"]
            figures[f"{name}_ratio"] = figures[f"{name}_frames_per_s"] / figures[f"peer_{name}_frames_per_s"]
    figures["padding_waste"] = padding_waste()
    for name, value in figures.items():
        print(f"{name:28} {value if isinstance(value, str) else f'{value:.4g}'}")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
