"""`vsr train` with a configuration that has an ``llm``: a dry run, or training of a text restorer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from vsr.core.errors import VsrError
from vsr.decoding.restorer_folder import of_sizes, with_adapters
from vsr.training.config import load_config
from vsr.training.dry_run import missing_lines, names, parameters, print_lines
from vsr.training.machines import check_single_process, raised_by_rank_zero
from vsr.training.restoring import RestorerRun
from vsr.training.restoring_config import RestorerTrainConfig


def is_restorer_config(path: str) -> bool:
    """Whether a YAML file has an ``llm``; False for an unreadable file, which is reported where it is loaded."""
    import yaml

    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(settings, dict) and "llm" in settings


def trained_restorer(args: argparse.Namespace) -> int:
    """Train a restorer, or with --dry-run print what would be trained; returns the exit status. Raises VsrError."""
    with raised_by_rank_zero():
        check_single_process("a text restorer")
        config = load_config(args.config, args.set, RestorerTrainConfig)
    if args.dry_run:
        return print_lines(restorer_lines, config)
    print(f"model: {RestorerRun(config, args.out, args.resume).fit()}")
    return 0


def restorer_lines(config: RestorerTrainConfig) -> Iterator[str]:
    """Yield lines on what would be trained, from a model of the YAML's sizes on the meta device. Raises VsrError."""
    llm, data, noise = config.llm, config.data, config.data.noise
    if not llm.sizes:
        raise VsrError("bad_config", "--dry-run reads no backbone: give llm.sizes (model_type and its numbers)")
    with torch.device("meta"):
        model = of_sizes(llm)
        count = parameters(model)
        model = with_adapters(model, llm) if llm.backbone else model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    what = f"{llm.lines} lines of text" if llm.input == "text" else f"{llm.input}s"
    yield f"model: {count:,} parameters; reads {what}; {llm.architecture}, {llm.backbone or 'from random weights'}"
    yield f"  trained          {trained:>13,} parameters" + (f", LoRA of rank {llm.lora.rank}" if llm.backbone else "")
    shown_errors = f"errors of {names(noise.hypotheses)}" if noise.hypotheses else "no errors"
    yield f"learns by the cross-entropy of the text: weight 1; prompts with {shown_errors}"
    yield "data: " + "; ".join(f"{name} {names(getattr(data, name))}" for name in ("train", "dev", "tests"))
    trainer = config.trainer
    lengths = (trainer.max_steps, "steps"), (trainer.max_minutes, "minutes"), (trainer.max_epochs, "epochs")
    length = next(f"{value:g} {unit}" for value, unit in lengths if value)
    yield f"AdamW {config.optim.lr:g}, {config.optim.warmup_steps} steps of warm-up; {length}"
    yield f"{data.batch} sentences a batch"
    yield from missing_lines([llm.backbone] if llm.backbone else [])
