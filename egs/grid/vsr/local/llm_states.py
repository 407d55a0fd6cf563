#!/usr/bin/env python3
"""An LLM head (as in VSP-LLM, Llama-AVSR, MMS-LLaMA) on stored states of a trained encoder.

    local/llm_states.py --backbone SmolLM2-135M --train data/crops/train/manifest.jsonl \\
        --dev data/crops/dev/manifest.jsonl --test data/crops/test_s1/manifest.jsonl --out exp/llm_stack
    local/llm_states.py ... --projector '{kind: dedup, units: 200}' --out exp/llm_dedup --against exp/llm_stack
    local/llm_states.py ... --ctc --out exp/ctc

Projector and adapters are trained from the seed for --steps. A run stops after --minutes and resumes when the same
command is given again (OUT/last.pt). --shuffle is the control: every clip has the states of another one, in training
and in the test. --ctc trains a CTC head over the reader's own characters on the same states instead. Writes
OUT/scores.json, the errors of each clip; --against prints the paired difference from another run.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from encoder_states import encoder_states
from on_states import batch_of
from rig_options import full_batches, rig_parser

from vsr.data.batch import Batch
from vsr.data.codebook import fit_codebook
from vsr.data.manifest import Clip, read_manifest, read_manifests
from vsr.data.targets import Teacher
from vsr.evaluation.comparison_rows import against, rates, write_scores
from vsr.evaluation.wer import UtteranceScore, score_utterance
from vsr.models.heads import CTCSettings
from vsr.models.llm_settings import LLMHeadSettings
from vsr.models.projectors import Deduplicated
from vsr.modelstore.folder import load_model
from vsr.text.normalise import lower
from vsr.training.optimiser import adamw

WARMUP, CLIP = 20, 1.0


def head_of(args: argparse.Namespace, shared: Any, states: Sequence[Tensor]) -> tuple[nn.Module, Any, Teacher]:
    """The head, its tokenizer, and the teacher that makes its targets."""
    dim = states[0].shape[1]
    if args.ctc:
        return CTCSettings().build(dim, shared.vocab_size), shared, Teacher(shared)
    lora = {"rank": args.rank, "alpha": 2.0 * args.rank, "modules": ["q_proj", "v_proj"]}
    settings = LLMHeadSettings(
        args.backbone, yaml.safe_load(args.projector), lora, prompt=args.prompt, beams=args.beams, dtype=args.dtype
    )
    head = settings.build(dim, 0)
    print(head.borrow(), flush=True)
    if isinstance(head.projector, Deduplicated):
        size = len(head.projector.centroids)
        head.projector.centroids.copy_(
            torch.from_numpy(fit_codebook([clip_states.numpy() for clip_states in states], size, args.seed))
        )
    return head, head.tokenizer, Teacher(shared, {"llm": settings})


def orders(count: int, size: int, seed: int) -> Iterator[Sequence[int]]:
    """Endless batches of clip indices, shuffled every epoch."""
    for epoch in range(10**9):
        order = np.random.default_rng((seed, epoch)).permutation(count).tolist()
        yield from full_batches(order, size)


def train(head: nn.Module, clips: Sequence[Clip], states: Sequence[Tensor], teacher: Teacher, dev: Any, args) -> bool:
    """Train the head, print its error rates on dev; returns whether training is finished."""
    optimiser, start_time, checkpoint = adamw(head, args.lr, 0.01), time.monotonic(), Path(args.out) / "last.pt"
    first = resume(head, optimiser, checkpoint) if checkpoint.exists() else 0
    for step, indices in enumerate(orders(len(clips), args.batch, args.seed)):
        if step < first:
            continue
        if step and step % (args.steps // args.checks) == 0 and step > first:
            print(f"step {step}  epoch {step * args.batch / len(clips):.2f}  dev {rates(read(head, *dev))}", flush=True)
        is_over_time = (time.monotonic() - start_time) / 60 > args.minutes
        if step == args.steps or is_over_time:
            save(head, optimiser, step, checkpoint)
            return step == args.steps
        set_rate(optimiser, step, args)
        rng = np.random.default_rng((args.seed, step))
        torch.manual_seed(args.seed * 100_000 + step)
        batch = batch_of([clips[i] for i in indices], [states[i] for i in indices], teacher, rng)
        loss = one_step(head, optimiser, batch)
        if step % 20 == 0:
            minutes = (time.monotonic() - start_time) / 60
            print(f"step {step}  {minutes:.2f} min of this piece  loss {loss:.3f}", flush=True)
    raise AssertionError("batches have no end")


def set_rate(optimiser: torch.optim.Optimizer, step: int, args) -> None:
    """Cosine decay to 0 after the warm-up."""
    decay = 0.5 * (1 + math.cos(math.pi * step / args.steps))
    for group in optimiser.param_groups:
        group["lr"] = args.lr * min(1, (step + 1) / WARMUP) * decay


def one_step(head: nn.Module, optimiser: torch.optim.Optimizer, batch: Batch) -> float:
    """Train on a batch; returns the loss."""
    head.train()
    optimiser.zero_grad()
    losses = head.loss(batch.inputs["stored"], batch.of("llm"))
    loss = losses["loss"] if isinstance(losses, dict) else losses
    loss.backward()
    torch.nn.utils.clip_grad_norm_(head.parameters(), CLIP)
    optimiser.step()
    return float(loss.detach())


def save(head: nn.Module, optimiser: torch.optim.Optimizer, step: int, checkpoint: Path) -> None:
    """Write the trained weights and the optimiser, for `resume`."""
    weights = {name: parameter for name, parameter in head.named_parameters() if parameter.requires_grad}
    torch.save({"model": weights, "optimiser": optimiser.state_dict(), "step": step}, checkpoint)


def resume(head: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Path) -> int:
    """Load weights and optimiser of an earlier run; returns its step."""
    state = torch.load(checkpoint, weights_only=True)
    head.load_state_dict(state["model"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def states_of_others(states: Sequence[Tensor], seed: int) -> list[Tensor]:
    """The states of other clips, drawn at random: neighbours in a list share words."""
    return [states[i] for i in np.random.default_rng(seed).permutation(len(states))]


@torch.inference_mode()
def read(head: nn.Module, tokenizer: Any, clips: Sequence[Clip], states: Sequence[Tensor]) -> list[UtteranceScore]:
    """Scores of the head's text for every clip."""
    head.eval()
    scores = []
    for clip, clip_states in zip(clips, states, strict=True):
        (best,) = head.search(clip_states[None], torch.tensor([len(clip_states)]))
        text = lower(tokenizer.decode(best[0].tokens))
        scores.append(score_utterance(clip.id, lower(clip.text), text))
    return scores


def parser() -> argparse.ArgumentParser:
    options = rig_parser(__doc__, model="grid", states="exp/states", batch=8, lr=1e-3, steps=1000, checks=4, seed=0)
    options.add_argument("--backbone", default="", metavar="DIR", help="of the language model, or a GGUF file")
    options.add_argument("--projector", default="{kind: stack, frames: 5}", metavar="YAML")
    options.add_argument("--prompt", default="Transcribe the speech.", metavar="TEXT")
    options.add_argument("--rank", type=int, default=8, help="of the adapters (default: 8)")
    options.add_argument("--beams", type=int, default=2)
    options.add_argument("--dtype", default="float32", help="of the language model (default: float32)")
    options.add_argument("--ctc", action="store_true", help="the baseline")
    options.add_argument("--shuffle", action="store_true", help="the control")
    options.add_argument("--train", nargs="+", required=True, metavar="JSONL")
    for flag in ("--dev", "--test"):
        options.add_argument(flag, required=True, metavar="JSONL")
    options.add_argument("--dev-clips", type=int, default=20, metavar="N", help="of dev that are read (default: 20)")
    options.add_argument("--minutes", type=float, default=60.0, help="of a piece (default: 60)")
    options.add_argument("--against", metavar="DIR", help="of another run")
    options.add_argument("--out", required=True, metavar="DIR")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    loaded, out = load_model(args.model), Path(args.out)
    dev = read_manifest(args.dev)[: args.dev_clips]
    lists = [read_manifests(args.train), dev, read_manifest(args.test)]
    states = [encoder_states(loaded, part, args.states) for part in lists]
    if args.shuffle:
        states = [states_of_others(part, args.seed) for part in states]
    head, tokenizer, teacher = head_of(args, loaded.tokenizer, states[0])
    trained_count = sum(parameter.numel() for parameter in head.parameters() if parameter.requires_grad)
    print(f"{len(lists[0])} clips; {trained_count:,} parameters are trained", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    if not train(head, lists[0], states[0], teacher, (tokenizer, lists[1], states[1]), args):
        return print("not at its end: give the same command again")
    scores = read(head, tokenizer, lists[2], states[2])
    write_scores(out, {"test": scores})
    print(f"test {rates(scores)}")
    for line in against(args.against, out) if args.against else ():
        print(line)
    other = read(head, tokenizer, lists[2], states_of_others(states[2], args.seed + 1))
    print(f"with the states of other clips {rates(other)}")


if __name__ == "__main__":
    main()
