"""Any thread may read, crop, voice and caption at once, and nothing depends on what else is read."""

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
from vsr.face.networks import NETWORKS, Stock
from vsr.face.tracker import Tracker
from vsr.inference.live.capture import CapturedFrame
from vsr.inference.live.session import Session
from vsr.media.reader import frames_from

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "demo" / "clip.mp4"


def same(one, other):
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return one == other


def captioned(loaded, path):
    """The words that a live session ends with."""
    images = [CapturedFrame(frame, place.time, 0.0) for frame, place in frames_from(path)]
    captions = list(Session(loaded, default_detector()).run(iter(images)))
    return [word.word for caption in captions if caption.final for word in caption.standing]


def test_work_of_all_kinds_in_threads_is_that_of_single_calls(face_clip, tiny_model):
    reader, tiny, voice = vsr.load_model(), vsr.load_model(tiny_model), lip2speech.load_model()
    kinds = {
        "read": lambda: reader.transcribe(DEMO),
        "another": lambda: tiny.transcribe(face_clip),
        "cropped": lambda: crop_video(DEMO).crop,
        "voiced": lambda: voice.speak(face_clip)[0],
        "captioned": lambda: captioned(reader, DEMO),
    }
    alone = {name: work() for name, work in kinds.items()}
    with ThreadPoolExecutor(2 * len(kinds)) as threads:
        found = list(threads.map(lambda name: (name, kinds[name]()), 2 * list(kinds)))
    assert [name for name, result in found if not same(result, alone[name])] == []
    assert same(kinds["read"](), alone["read"])


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
    assert [len(own) for own in together] == [len(own) for own in alone] and alone[0]
    for one, other in zip(sum(alone, []), sum(together, []), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(_without_models(), reason="mediapipe 1.x has no models of its own")
def test_a_failure_in_one_thread_does_not_stay(make_face):
    frame = make_face(1)[0]
    with pytest.raises(RuntimeError), NETWORKS.borrow():
        raise RuntimeError
    with pytest.raises(Exception):  # noqa: B017  whatever the networks have against it
        default_detector().detect(frame.astype(np.float64))
    assert len(default_detector().detect(frame)) == 1


def test_many_threads_share_a_few_sets_of_networks():
    made, most, inside = [], [], []
    stock = Stock(lambda: made.append(len(made)) or made[-1], 3)

    def work(_):
        with stock.borrow() as one:
            inside.append(one)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(one)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(64)))
    assert len(made) <= 3 and max(most) <= 3


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
def test_a_forked_process_reads_or_says_why_not(tmp_path, before, child):
    write_text(tmp_path / "fork.py", FORK)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    words = [sys.executable, str(tmp_path / "fork.py"), str(DEMO), before]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=env, check=False)
    if _without_models() and before == "read":
        child = "place blue by m five please"  # a landmarker of mediapipe 1.x survives it
    expected = [str([child])] + [str(["place blue by m five please"])] * (before == "read")
    assert (done.returncode, done.stdout.splitlines()) == (0, expected), done.stderr


LOG = b"W0000 00:00:1795899869.797569   22150 inference_feedback_manager.cc:114] Feedback manager\n"


def test_what_others_write_while_mediapipe_is_silenced_arrives(capfd):
    inside, written = threading.Event(), threading.Event()

    def other():
        inside.wait(10)
        os.write(2, b"a line of another thread\n" + LOG + b"no end of line")
        subprocess.run([sys.executable, "-c", "import sys; print('of a child', file=sys.stderr)"], check=True)
        with quiet_stderr():  # waits for the other to end
            written.set()

    thread = threading.Thread(target=other)
    thread.start()
    with quiet_stderr(), quiet_stderr():
        os.write(2, LOG)
        inside.set()
        assert not written.wait(1.5)
    thread.join()
    os.write(2, b"\nafterwards\n")
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "a line of another thread" and lines[-1] == "afterwards"
    assert "of a child" in " ".join(lines) and "no end of line" in " ".join(lines) and "W0000" not in " ".join(lines)


def test_an_error_in_silence_is_not_swallowed():
    with pytest.raises(OSError, match="broken"), quiet_stderr():
        raise OSError("broken")


def test_a_closed_standard_error_is_no_fault():
    code = (
        "import os; os.close(2)\nfrom vsr.core.dependency_logs import quiet_stderr\nwith quiet_stderr(): print('read')"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stdout) == (0, "read\n")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_get_the_usual_permissions_and_the_umask_is_nobody_else_s(tmp_path, monkeypatch):
    usual = tmp_path / "usual"
    usual.touch()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads make files, too"))
    write_text(tmp_path / "written", "text")
    assert (tmp_path / "written").stat().st_mode == usual.stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["usual", "written"]


def test_openmp_waits_without_spinning_unless_the_user_says_otherwise():
    code = "import vsr, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    for own, expected in ((None, "PASSIVE False"), ("ACTIVE", "ACTIVE False")):
        env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        env |= {"PYTHONPATH": str(ROOT)} | ({"OMP_WAIT_POLICY": own} if own else {})
        for package in ("vsr", "lip2speech"):
            words = [sys.executable, "-c", code.replace("import vsr", f"import {package}")]
            assert subprocess.run(words, capture_output=True, text=True, env=env, check=True).stdout.strip() == expected
