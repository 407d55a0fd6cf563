"""A Ray cluster of two nodes on this machine: both work, and nothing is lost or repeated when one of them dies."""

import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.interrupts import EndSignal, Interrupts, handlers_kept
from vsr.data.cropping import Cropper, crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.inference import ray_cluster as cluster
from vsr.inference.executors import Local, open_engine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def nodes():
    """(cluster, its second node); one core each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    try:
        cluster._check_arrow()
    except VsrError as error:
        pytest.skip(str(error))
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    import ray
    from ray.cluster_utils import Cluster

    try:
        with handlers_kept():
            ray_cluster = Cluster(True, head_node_args=small_node() | {"include_dashboard": False, "no_monitor": True})
            second = ray_cluster.add_node(**small_node())
    except Exception as error:  # a machine too busy or too closed for Ray's processes says nothing about our code
        pytest.skip(f"no Ray cluster starts here: {error}")
    yield ray_cluster, second
    ray.shutdown()
    ray_cluster.shutdown()


def small_node():
    """A node of one core with free ports given: otherwise it waits for its agents, too briefly on a busy machine."""
    agents = ("dashboard_agent_listen_port", "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in agents]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        ports = {name: sock.getsockname()[1] for name, sock in zip(agents, sockets, strict=True)}
    return ports | {"num_cpus": 1, "object_store_memory": 80 * 1024**2, "include_log_monitor": False}


def meeting(folder):
    """Work that ends when two items are in work at once; it returns the node it ran on."""
    import ray

    def meet(item):
        (folder / item).touch()
        end = time.monotonic() + 120
        while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        return item, ray.get_runtime_context().get_node_id()

    return meet


def dying(folder):
    """Item 3 kills its worker the first time, item 5 every time."""

    def work(item):
        first = not (folder / str(item)).exists()
        (folder / str(item)).touch()
        if item == 5 or item == 3 and first:
            os.kill(os.getpid(), signal.SIGKILL)
        return item * item

    return work


def refusing():
    def work(item):
        raise VsrError("no_space", f"no space left to write {item}")

    return work


def test_both_nodes_work_and_a_dead_worker_loses_only_its_item(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 1)
    engine = open_engine("ray", None, nodes[0].address)
    (tmp_path / "met").mkdir()
    meetings = list(engine.run_all(partial(meeting, tmp_path / "met"), ["a", "b"], str))
    assert [item for item, _ in meetings] == ["a", "b"] and len({node for _, node in meetings}) == 2
    (tmp_path / "died").mkdir()
    results = list(engine.run_all(partial(dying, tmp_path / "died"), range(8), lambda item: ("lost", item)))
    assert results == [0, 1, 4, 9, 16, ("lost", 5), 36, 49]
    with pytest.raises(VsrError, match="no space left to write 1"):
        list(engine.run_all(refusing, [1, 2], str))


def test_command_on_a_cluster_still_ends_in_its_own_way(nodes):
    """Ray replaces the handler of SIGTERM by one that ends the process without a word."""
    with pytest.raises(EndSignal), Interrupts() as interrupts:
        open_engine("ray", None, nodes[0].address)
        signal.raise_signal(signal.SIGTERM)
    assert interrupts.status == 143 and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_files_are_read_once_and_resume_repeats_failed_ones(nodes, tmp_path, face_clip, tiny_model, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    out = tmp_path / "out"
    command = ["transcribe", str(face_clip), str(text), "--model", str(tiny_model), "--format", "json", "-o", str(out)]
    command += ["--method", "ctc_greedy", "--engine", "ray", "--address", nodes[0].address]
    assert main(command) == 1
    transcript = json.loads((out / "face.json").read_text(encoding="utf-8"))
    assert transcript["file"] == str(face_clip) and transcript["error"] is None
    before = (out / "face.json").stat().st_mtime_ns, (out / "text.json").stat().st_mtime_ns
    assert main([*command, "--resume"]) == 1
    after = (out / "face.json").stat().st_mtime_ns, (out / "text.json").stat().st_mtime_ns
    assert before[0] == after[0] and before[1] < after[1]
    assert capsys.readouterr().err.count("text.mp4") == 2


def noting(out_dir, store):
    """A Cropper that notes every attempt."""
    cropper = Cropper(out_dir, store)

    def work(clip):
        with open(out_dir.parent / "attempts", "a", encoding="utf-8") as notes:
            notes.write(clip.id + "\n")
        return cropper(clip)

    return work


def test_node_that_dies_midway_neither_loses_nor_repeats_clips(nodes, tmp_path, face_clip, monkeypatch):
    ray_cluster, second = nodes
    names = [f"c{number}" for number in range(10)]
    write_manifest(tmp_path / "in.jsonl", [Clip(name, str(face_clip), "bin blue") for name in names])
    monkeypatch.setattr("vsr.data.cropping.Cropper", noting)  # what the engine hands to the workers
    engine = open_engine("ray", None, ray_cluster.address)

    class Deadly:
        def crop(self, clips, out_dir, store="npy"):
            for number, outcome in enumerate(engine.crop(clips, out_dir)):
                if number == 1:
                    ray_cluster.remove_node(second, allow_graceful=False)
                yield outcome

    out = tmp_path / "out"
    assert crop_corpus(tmp_path / "in.jsonl", out, engine=Deadly()) == {"cropped": 10}
    assert [clip.id for clip in read_manifest(out / "manifest.jsonl")] == names
    assert sorted(path.name for path in out.glob("[!.]*.npy")) == sorted(f"{name}.npy" for name in names)
    crops = [np.load(out / f"{name}.npy") for name in names]
    assert all((crop == crops[0]).all() for crop in crops)
    attempts = Counter((tmp_path / "attempts").read_text(encoding="utf-8").split())
    assert set(attempts) == set(names)
    assert crop_corpus(tmp_path / "in.jsonl", out, engine=engine) == {"kept": 10}


def test_missing_cluster_is_one_line_error(tmp_path, capsys, monkeypatch):
    write_manifest(tmp_path / "in.jsonl", [Clip("a", "a.mp4", "a")])
    command = ["crop", "--manifest", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray", "--address", "127.0.0.1:9"]) == 1
    assert main([*command, "--engine", "ray", "--address", "nowhere"]) == 1
    assert main([*command, "--address", "127.0.0.1:9"]) == 2
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*command, "--engine", "ray"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["vsr"] * 4
    remedies = ("ray start --head", "give HOST:PORT", "add --engine ray", "pip install ray")
    for line, remedy in zip(lines, remedies, strict=True):
        assert remedy in line
    assert not (tmp_path / "out").exists()


def test_local_engine_is_the_default():
    assert open_engine("local", None, None) == Local(None) and open_engine("local", 3, None) == Local(3)
