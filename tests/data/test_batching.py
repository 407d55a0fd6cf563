"""Batches of an epoch: every clip once, within the budget, with little padding."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.core.errors import VsrError
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip
from vsr.data.sampler import FrameBudgetSampler, planned_batches
from vsr.text.tokenizer import CharTokenizer

BENCH = Path(__file__).parents[2] / "tools" / "bench" / "train_step.py"


def bench():
    spec = importlib.util.spec_from_file_location("train_step", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(400, 3000), st.integers(0, 9), st.integers(0, 9)
)
def test_every_clip_is_once_in_batches_within_the_budget(lengths, budget, seed, epoch):
    sampler = FrameBudgetSampler(lengths, budget, seed)
    batches = sampler.batches(epoch)
    assert sorted(sum(batches, [])) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[i] for i in batch) <= budget for batch in batches)
    assert batches == FrameBudgetSampler(lengths, budget, seed).batches(epoch)
    assert sampler.batches(epoch + 1) is not batches and sampler.batches(epoch) == batches


def test_a_longer_clip_is_refused_in_training_alone():
    with pytest.raises(VsrError, match="a training clip of up to 9 frames is over the budget of 8 a batch: raise data"):
        FrameBudgetSampler([3, 9, 2], 8)
    assert FrameBudgetSampler([3, 9, 2], 8, shuffle=False).batches() == [[2, 0], [1]]


LENGTHS = bench().lrs3_lengths(20_000)


def test_benchmark_lengths_resemble_lrs3():
    assert LENGTHS.max() == 400 and LENGTHS.min() >= 12
    clips = len(LENGTHS) / 20_000 * 150_498  # pieces of the whole corpus
    assert clips * LENGTHS.mean() / 25 / 3600 == pytest.approx(438, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(200, 20_000), st.sampled_from([600, 1800, 3000, 12_000]), st.integers(0, 99))
def test_padding_is_less_than_a_tenth(clips, budget, seed):
    clips = max(clips, budget // 5)  # a corpus of several batches
    lengths = np.random.default_rng(seed).permutation(LENGTHS)[:clips]
    sampler = FrameBudgetSampler(lengths, budget, seed)
    padded = sum(len(batch) * lengths[batch].max() for batch in sampler.batches(seed))
    assert sampler.padding_share(seed) == pytest.approx(1 - lengths.sum() / padded)
    assert sampler.padding_share(seed) < 0.10


def numbered_dataset(folder, count):
    """A dataset of clips of 1, 2, ... frames whose crops hold their number of frames."""
    clips = [Clip(f"c{n}", "v.mp4", "a", num_frames=n, crop=str(folder / f"c{n}.npy")) for n in range(1, count + 1)]
    for clip in clips:
        np.save(clip.crop, np.full((clip.num_frames, 96, 96), clip.num_frames, np.uint8))
    return CropDataset(clips, CharTokenizer("a "), None)


def test_workers_give_the_same_batches_and_their_errors(tmp_path):
    dataset, plan = numbered_dataset(tmp_path, 5), [[0, 1], [2], [], [3, 4]]
    alone, helped = (list(planned_batches(dataset, plan, 3, workers)) for workers in (0, 2))
    assert [batch.ids for batch in helped] == [["c1", "c2"], ["c3"], ["c1"], ["c4", "c5"]]
    assert all(torch.equal(first.video, second.video) for first, second in zip(alone, helped, strict=True))
    (tmp_path / "c3.npy").unlink()
    batches = list(planned_batches(dataset, plan, 3, 1))
    assert isinstance(batches[1], VsrError) and "cannot read the crop of c3" in str(batches[1])
    assert batches[3].ids == ["c4", "c5"]
