"""Any thread may read, crop, voice and caption at once, and results do not depend on the other threads."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lip2speech
import vsr
from vsr.core.dependency_logs import quiet_stderr
from vsr.core.files import write_text
from vsr.face.detector import default_detector
from vsr.face.landmarker import _without_models
from vsr.face.mouth_crop import crop_video
from vsr.face.networks import NETWORKS, Pool
from vsr.face.tracker import Tracker
from vsr.inference.live.capture import CapturedFrame
from vsr.inference.live.session import Session
from vsr.media.reader import frames_from

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "clip.mp4"


def equal(first, second):
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    return first == second


def captioned(loaded, path):
    """The final words of a live session."""
    images = [CapturedFrame(frame, place.time, 0.0) for frame, place in frames_from(path)]
    captions = list(Session(loaded, default_detector()).run(iter(images)))
    return [word.word for caption in captions if caption.final for word in caption.standing]


def test_threads_give_the_same_results_as_single_calls(face_clip, tiny_model):
    reader, tiny, voice = vsr.load_model(), vsr.load_model(tiny_model), lip2speech.load_model()
    calls = {
        "read": lambda: reader.transcribe(DEMO),
        "another": lambda: tiny.transcribe(face_clip),
        "cropped": lambda: crop_video(DEMO).crop,
        "voiced": lambda: voice.speak(face_clip)[0],
        "captioned": lambda: captioned(reader, DEMO),
    }
    expected = {name: call() for name, call in calls.items()}
    with ThreadPoolExecutor(2 * len(calls)) as threads:
        results = list(threads.map(lambda name: (name, calls[name]()), 2 * list(calls)))
    assert [name for name, result in results if not equal(result, expected[name])] == []
    assert equal(calls["read"](), expected["read"])


def test_two_videos_read_in_turns_with_one_detector_are_not_mixed(make_face):
    videos = [make_face(12, size=300), make_face(12, size=300)[:, ::-1, ::-1].copy()]
    detector = default_detector()

    def points(trackers):
        for index in range(12):
            for tracker, frames in trackers:
                tracker.look(frames[index], index, last=index == 11)
        return [[np.array(track.points) for track in tracker.tracks] for tracker, _ in trackers]

    alone = [points([(Tracker(default_detector()), frames)])[0] for frames in videos]
    together = points([(Tracker(detector), frames) for frames in videos])
    assert [len(tracks) for tracks in together] == [len(tracks) for tracks in alone] and alone[0]
    for single, shared in zip(sum(alone, []), sum(together, []), strict=True):
        np.testing.assert_array_equal(single, shared)


@pytest.mark.skipif(_without_models(), reason="mediapipe 1.x has no models of its own")
def test_failure_in_one_thread_does_not_persist(make_face):
    frame = make_face(1)[0]
    with pytest.raises(RuntimeError), NETWORKS.borrow():
        raise RuntimeError
    with pytest.raises(Exception):  # noqa: B017  whatever the networks have against it
        default_detector().detect(frame.astype(np.float64))
    assert len(default_detector().detect(frame)) == 1


def test_many_threads_share_few_sets_of_networks():
    built, counts, in_use = [], [], []
    pool = Pool(lambda: built.append(len(built)) or built[-1], 3)

    def borrow(_):
        with pool.borrow() as network:
            in_use.append(network)
            counts.append(len(in_use))
            time.sleep(0.002)
            in_use.remove(network)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(borrow, range(64)))
    assert len(built) <= 3 and max(counts) <= 3


FORK = """
import multiprocessing, sys
import vsr
from vsr.core.errors import VsrError

def read(path):
    try:
        return model.transcribe(path).text
    except VsrError as error:
        return error.reason

if __name__ == "__main__":
    model, path, read_before = vsr.load_model(), sys.argv[1], sys.argv[2] == "read"
    if read_before:
        read(path)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.map(read, [path]))
    if read_before:
        print([read(path)])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("before, child", [("read", "forked"), ("loaded", "place blue by m five please")])
def test_forked_process_reads_or_says_why_not(tmp_path, before, child):
    write_text(tmp_path / "fork.py", FORK)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, str(tmp_path / "fork.py"), str(DEMO), before]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    if _without_models() and before == "read":
        child = "place blue by m five please"  # a landmarker of mediapipe 1.x survives the fork
    expected = [str([child])] + [str(["place blue by m five please"])] * (before == "read")
    assert (result.returncode, result.stdout.splitlines()) == (0, expected), result.stderr


LOG = b"W0000 00:00:1795899869.797569   22150 inference_feedback_manager.cc:114] Feedback manager\n"


def test_output_of_other_threads_is_kept_while_mediapipe_is_silenced(capfd):
    silenced, written = threading.Event(), threading.Event()

    def write_elsewhere():
        silenced.wait(10)
        os.write(2, b"a line of another thread\n" + LOG + b"no end of line")
        subprocess.run([sys.executable, "-c", "import sys; print('of a child', file=sys.stderr)"], check=True)
        with quiet_stderr():  # waits for the other to end
            written.set()

    thread = threading.Thread(target=write_elsewhere)
    thread.start()
    with quiet_stderr(), quiet_stderr():
        os.write(2, LOG)
        silenced.set()
        assert not written.wait(1.5)
    thread.join()
    os.write(2, b"\nafterwards\n")
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "a line of another thread" and lines[-1] == "afterwards"
    assert "of a child" in " ".join(lines) and "no end of line" in " ".join(lines) and "W0000" not in " ".join(lines)


def test_error_while_silenced_is_raised():
    with pytest.raises(OSError, match="broken"), quiet_stderr():
        raise OSError("broken")


def test_closed_stderr_is_no_error():
    code = (
        "import os; os.close(2)\nfrom vsr.core.dependency_logs import quiet_stderr\nwith quiet_stderr(): print('read')"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (result.returncode, result.stdout) == (0, "read\n")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_get_default_permissions_without_changing_the_umask(tmp_path, monkeypatch):
    usual = tmp_path / "usual"
    usual.touch()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads make files, too"))
    write_text(tmp_path / "written", "text")
    assert (tmp_path / "written").stat().st_mode == usual.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["usual", "written"]


def test_openmp_waits_passively_unless_the_user_sets_it():
    code = "import vsr, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    for user_policy, expected in ((None, "PASSIVE False"), ("ACTIVE", "ACTIVE False")):
        env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        env |= {"PYTHONPATH": str(ROOT)} | ({"OMP_WAIT_POLICY": user_policy} if user_policy else {})
        for package in ("vsr", "lip2speech"):
            command = [sys.executable, "-c", code.replace("import vsr", f"import {package}")]
            assert (
                subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.strip() == expected
            )
