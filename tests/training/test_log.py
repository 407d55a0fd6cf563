"""The log of steps has every step once, whenever a run was killed and resumed."""

import pytest

from tests.test_files import no_file_above
from vsr.core.errors import VsrError
from vsr.training.log import StepLog, add_points, read_steps


def steps_of(folder, first, last, epoch_length=4, losses=("loss",), unit="frames"):
    log = StepLog(folder, first - 1, (first - 1) // epoch_length + 1, unit)
    for step in range(first, last + 1):
        log.add(step, (step - 1) // epoch_length + 1, 1e-3 / step, step / 2, 100, dict.fromkeys(losses, 1.0))
    return log


def numbers(folder):
    return [int(row[0]) for row in read_steps(folder / "log/steps.tsv")[1]]


def test_row_has_rate_norm_and_throughput(tmp_path):
    steps_of(tmp_path, 1, 3)
    names, rows = read_steps(tmp_path / "log/steps.tsv")
    assert names == ["step", "epoch", "lr", "grad_norm", "frames_per_s", "loss"]
    assert rows[1][:4] == ["2", "1", "5.0000e-04", "1.0000"] and float(rows[1][4]) > 0


@pytest.mark.parametrize("checkpoint", range(10))
def test_repeated_steps_are_logged_once(tmp_path, checkpoint):
    steps_of(tmp_path, 1, 9)
    log = steps_of(tmp_path, checkpoint + 1, 12)
    assert numbers(tmp_path) == list(range(1, 13))
    first_point = checkpoint // 4 * 4 + 1  # an unfinished epoch has no points in TensorBoard
    assert sorted({step for _, _, step in log.points()}) == list(range(first_point, 13)) and log.points() == []


@pytest.mark.parametrize("cut", range(1, 12))
def test_row_cut_by_a_kill_is_dropped(tmp_path, cut):
    steps_of(tmp_path, 1, 5)
    path = tmp_path / "log/steps.tsv"
    path.write_text(path.read_text("utf-8")[:-cut], encoding="utf-8")
    steps_of(tmp_path, 5, 6)
    assert numbers(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_losses_may_be_added_later(tmp_path):
    steps_of(tmp_path, 1, 2)
    steps_of(tmp_path, 3, 4, losses=("loss", "features"))
    steps_of(tmp_path, 5, 5)
    names, rows = read_steps(tmp_path / "log/steps.tsv")
    assert names[-1] == "features" and [len(row) for row in rows] == [6, 6, 7, 7, 7]
    assert rows[-1][-1] == "" and rows[-2][-1] == "1.00000"


def test_restarted_run_starts_a_new_log(tmp_path):
    steps_of(tmp_path, 1, 9)
    steps_of(tmp_path, 1, 2, unit="tokens")
    assert numbers(tmp_path) == [1, 2] and "tokens_per_s" in read_steps(tmp_path / "log/steps.tsv")[0]


def test_points_are_read_by_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    add_points(tmp_path / "tensorboard", [("loss", 2.5, 1), ("lr", 1e-3, 40)])
    add_points(tmp_path / "tensorboard", [("loss", 1.5, 2)])
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss")] == [(1, 2.5), (2, 1.5)]
    assert [(point.step, point.value) for point in events.Scalars("lr")] == [(40, pytest.approx(1e-3))]


def test_failed_writes_of_points_and_steps_name_their_files(tmp_path, capsys):
    """TensorBoard's own writer printed a traceback from its thread, and the error of a step named no file."""
    log = steps_of(tmp_path, 1, 2)
    with no_file_above(20):
        with pytest.raises(VsrError, match="cannot write .*tfevents.*: File too large"):
            add_points(tmp_path / "tensorboard", [("loss", 2.5, 1)])
        with pytest.raises(VsrError, match="cannot write .*steps.tsv: File too large"):
            log.add(3, 1, 1e-3, 1.0, 100, {"loss": 1.0})
    assert not (tmp_path / "tensorboard").exists() and capsys.readouterr().err == ""
