"""The saved state of a run: on the disk before it has its name, and whole tensors on the rank that writes alone."""

import os

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from vsr.training.optimiser import adamw
from vsr.training.sharding import gather_whole
from vsr.training.state import LAST, Average, Progress, save_state


def test_state_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    model, done = torch.nn.Linear(2, 2), []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append(("sync", os.fstat(file).st_size)) or sync(file))
    monkeypatch.setattr(os, "replace", lambda a, b: done.append(("name", os.path.basename(b))) or rename(a, b))
    save_state(tmp_path, model, Average(model, 0.9), adamw(model, 0.1, 0.0), Progress(), True)
    assert done == [("sync", (tmp_path / LAST).stat().st_size), ("name", LAST)]


def test_rank_that_writes_nothing_keeps_nothing(tmp_path):
    """Each rank of a machine held the whole state, weights, average and moments, while one of them wrote it."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        tensor = torch.arange(6.0)
        sharded = distribute_tensor(tensor, init_device_mesh("cpu", (1,)), [Shard(0)])
        state = {"model": {"weight": sharded, "name": "a"}, "moments": [sharded]}
        assert gather_whole(state, keep=False) == {"model": {"weight": None, "name": "a"}, "moments": [None]}
        assert torch.equal(gather_whole(state)["moments"][0], tensor)
    finally:
        dist.destroy_process_group()


def test_mean_losses_of_an_epoch_survive_a_restart():
    progress = Progress()
    for losses in ({"loss": 1.0}, {"loss": 2.0, "gan": 6.0}):
        progress.count(losses)
        progress = Progress(**vars(progress))
    progress.batch = 2
    assert progress.end_epoch() == {"loss": 1.5, "gan": 3.0} and progress == Progress(epoch=1)
