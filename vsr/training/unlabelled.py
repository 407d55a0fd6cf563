"""Training clips without text: the objectives that accept them, and the clips themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifests
from vsr.data.splits import check_disjoint, check_once
from vsr.models.lipreader import LipReaderConfig
from vsr.objectives.registry import OBJECTIVES
from vsr.training.config import TrainConfig


def check_unlabelled(config: TrainConfig, model: LipReaderConfig) -> None:
    """Raises VsrError bad_config for ``data.unlabelled`` with an objective that would train on the empty texts."""
    if not config.data.unlabelled:
        return
    kind = OBJECTIVES[config.objective] if config.objective else None
    takes = getattr(kind, "takes_unlabelled", None)
    if takes is None:
        learner = f"the objective {config.objective}" if config.objective else "this training"
        raise VsrError("bad_config", f"data.unlabelled: {learner} learns from texts alone: give objective: usr")
    if not takes(kind, model):
        problem = f"the objective {config.objective} takes clips without text where no head learns from texts"
        raise VsrError("bad_config", f"data.unlabelled: {problem}: set ctc_weight, decoder_layers ... to 0")


def refuse_unlabelled(config: TrainConfig, reads: str) -> None:
    """Raises VsrError bad_config for ``data.unlabelled`` with a reader of ``reads``, which would not look at them."""
    if config.data.unlabelled:
        raise VsrError("bad_config", f"data.unlabelled: a reader of {reads} learns from clips with text alone")


def unlabelled_clips(
    config: TrainConfig, train: Sequence[Clip], dev: Sequence[Clip], tests: Sequence[Clip]
) -> list[Clip]:
    """The clips of ``data.unlabelled`` that are not in ``train``, without text. Raises VsrError where dev or tests
    contain one, or a clip is named twice."""
    clips = read_manifests(config.data.unlabelled)
    check_once("unlabelled", clips)
    check_disjoint(clips, list(dev), list(tests))
    known = {clip.id for clip in train}
    return [replace(clip, text="", words=(), phones=()) for clip in clips if clip.id not in known]
