"""What the rigs of egs/grid/vsr share: training plans, stored states, degraded clips, and controls."""

import runpy
import sys
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.data.modalities import SOUND, VIDEO
from vsr.evaluation.wer import score_utterance
from vsr.models.reliability import RelScoreFusion, VCafeFusion
from vsr.modelstore.folder import load_model

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "egs/grid/vsr/local"
sys.path.insert(0, str(LOCAL))
RIG, FUSIONS, SPOILT, FRONTS, LEANING, STATES, OPTIONS, POOLS, LLM = (
    runpy.run_path(str(LOCAL / name))
    for name in (
        "rig.py",
        "fusion_rows.py",
        "corrupted_clips.py",
        "sound_fronts.py",
        "sound_only_rule.py",
        "on_states.py",
        "rig_options.py",
        "clip_pools.py",
        "llm_states.py",
    )
)


def test_training_reports_as_often_as_asked_and_ends_with_averaged_weights():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    frozen = nn.Linear(1, 1)
    frozen.requires_grad_(False)
    whole, averages = nn.Sequential(model, frozen), []

    def objective_for(average):
        averages.append(average)
        return lambda trained_model, batch: {"loss": (trained_model[0].weight - batch).square().sum()}

    plan = RIG["Plan"](steps=40, lr=0.1, warmup=1, ema=0.5, checks=4)
    reports = list(RIG["training"](whole, objective_for, repeat(1.0), plan))
    assert [report.step for report in reports] == [10, 20, 30, 40]
    last = reports[-1].model
    assert last is averages[0] and last is not whole
    assert 0.8 < float(last[0].weight) < 1.2 and torch.equal(last[1].weight, frozen.weight)
    assert str(reports[0]).startswith("step 10  0.0 min  loss ")


def test_states_are_stored_by_the_crop_and_not_by_the_clips_name(tmp_path):
    rng, loaded, calls = np.random.default_rng(0), load_model("grid"), []
    loaded.model.frontend.register_forward_pre_hook(lambda *arguments: calls.append(arguments))
    clips = []
    for name in ("a", "b", "copy_of_a"):
        crop = rng.integers(0, 255, (8, 96, 96)).astype(np.uint8) if len(clips) < 2 else np.load(clips[0].crop)
        np.save(tmp_path / f"{name}.npy", crop)
        clips.append(Clip("same", f"{name}.mp4", "bin", num_frames=8, crop=str(tmp_path / f"{name}.npy")))

    def states(clip: Clip):
        return STATES["stored"](loaded, [clip], 1, tmp_path / "states")[0]

    first, other, copy = (states(clip) for clip in clips)
    assert len(calls) == 2 and torch.equal(first, copy) and not torch.allclose(first, other)
    assert torch.equal(states(clips[0]), first) and len(calls) == 2
    np.save(clips[0].crop, np.load(clips[1].crop))  # cropped again
    assert torch.equal(states(clips[0]), other) and len(calls) == 2


@pytest.mark.parametrize("fusion", [RelScoreFusion(8, 8, 3), VCafeFusion(8, 2)])
def test_shuffled_scores_are_of_other_clips_until_ended(fusion):
    video, sound, mask = torch.randn(3, 5, 8), torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)
    before, scores = fusion.eval()(video, sound, mask)
    end = FUSIONS["change_scores"](fusion, FUSIONS["WRONG_SCORES"]["other clips"])
    shuffled, others = fusion(video, sound, mask)
    assert torch.allclose(others[SOUND], scores[SOUND].roll(1, 0), atol=1e-6) and not torch.allclose(shuffled, before)
    end()
    assert torch.equal(fusion(video, sound, mask)[0], before)


def test_copies_of_a_clip_are_counted_together():
    first, second = score_utterance("a", "bin blue", "bin"), score_utterance("a", "bin blue", "bin blue now")
    (total,) = SPOILT["summed"]([[first], [second]])
    assert (total.words, total.errors, total.characters) == (4, 2, 16)


def test_streams_are_dropped_as_often_as_asked_and_never_both():
    kept = SPOILT["draw_present"](20_000, (0.35, 0.25), np.random.default_rng(0))
    assert bool((kept[VIDEO] | kept[SOUND]).all())
    assert abs(float((~kept[VIDEO]).float().mean()) - 0.35) < 0.02
    assert abs(float((~kept[SOUND]).float().mean()) - 0.25) < 0.02


def test_control_has_the_sound_of_another_clip_at_its_own_length():
    examples = [(name, None, {VIDEO: torch.zeros(frames, 2), SOUND: torch.full((frames, 3), float(frames))})
                for name, frames in (("a", 4), ("b", 6), ("c", 5))]  # fmt: skip
    exchanged = FRONTS["with_sound_of_others"](examples)
    assert [(name, inputs[SOUND].shape, float(inputs[SOUND][-1, 0])) for name, _, inputs in exchanged] == [
        ("a", (4, 3), 5.0), ("b", (6, 3), 4.0), ("c", (5, 3), 6.0)
    ]  # fmt: skip


def test_search_benchmark_finds_the_plain_search():
    bench = runpy.run_path(str(ROOT / "tools/bench/decode.py"))
    assert bench["ORACLE"].is_file()


def test_sound_is_preferred_only_where_it_reads_better():
    reading, errors_at = LEANING["Reading"], LEANING["errors_at"]
    worse, better = reading(0.01, 2, 3, 1, 1), reading(0.05, 2, 0, 1, 1)
    assert [errors_at([worse, better], margin) for margin in (0.0, 0.05, 0.1)] == [3, 1, 2]
    assert LEANING["best_margin"]([worse, better]) == (0.05, 1)
    assert LEANING["best_margin"]([worse]) == (float("inf"), 1)


@pytest.mark.parametrize("batches", [
    lambda size: SPOILT["batches"]([[None]] * 3, size, None, 0),
    lambda size: POOLS["shuffled_batches"](([None] * 3, [None] * 3), size, 0, None),
    lambda size: LLM["orders"](3, size, 0),
])  # fmt: skip
def test_fewer_clips_than_a_batch_are_refused(batches):
    """There would be no batch, and the training would wait for one for ever."""
    with pytest.raises(VsrError, match="there are 3 clips, fewer than a batch: give --batch 3 or less"):
        next(batches(4))


def test_full_batches_hold_every_clip_once():
    assert list(OPTIONS["full_batches"]([3, 1, 2, 0, 4], 2)) == [[3, 1], [2, 0]]
