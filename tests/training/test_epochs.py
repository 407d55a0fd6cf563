"""Which epochs of a run are kept, and the average of the best ones by their figures on the dev list."""

import math

import pytest
from safetensors.torch import load_file, save_file

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.modelstore.folder import load_model, save_model
from vsr.training.epochs import DevFigure, drop_epochs_after, epochs_of, keep_epoch, ranked
from vsr.training.state import Average


def run_with(tiny_model, folder, values, name="dev_wer", higher=False, **kept):
    """A run of the tiny model with an epoch for each value; its weights are all the number of the epoch."""
    loaded = load_model(tiny_model)
    save_model(folder / "model", loaded.model, loaded.tokenizer, {"name": "run"})
    average = Average(loaded.model, 0.9)
    for epoch, value in enumerate(values, 1):
        for tensor in average.weights().values():
            tensor.fill_(epoch)
        keep_epoch(folder / "epochs", average, epoch, DevFigure(name, value, higher), **({"last": 99} | kept))
    return folder


def average_of(folder):
    weights = load_model(folder).model.state_dict()
    return {float(tensor.mean()) for tensor in weights.values() if tensor.is_floating_point()}


def test_best_epochs_are_averaged_and_printed(tiny_model, tmp_path, capsys):
    run = run_with(tiny_model, tmp_path / "run", [0.9, 0.2, 0.4, math.nan, 0.2, 0.6])
    assert main(["average", "--exp", str(run), "--best", "3", "--out", str(tmp_path / "best")]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "epoch   2  dev_wer 0.200", "epoch   3  dev_wer 0.400", "epoch   5  dev_wer 0.200"
    ]  # fmt: skip
    assert load_model(tmp_path / "best").config["averaged"] == ["0002", "0003", "0005"]
    assert average_of(tmp_path / "best") == {3.333984375}  # 10 / 3 in half precision


def test_of_equal_epochs_the_later_is_better_and_of_accuracies_the_higher(tiny_model, tmp_path):
    run = run_with(tiny_model, tmp_path / "run", [0.2, 0.7, 0.7, math.nan], "dev_accuracy", higher=True)
    assert [file.stem for file in ranked(epochs_of(run / "epochs"))] == ["0003", "0002", "0001", "0004"]


def test_best_epochs_are_kept_beside_the_last(tiny_model, tmp_path):
    run = run_with(tiny_model, tmp_path / "run", [0.3, 0.1, 0.2, 0.9, 0.8], last=1, best=2)
    assert [file.stem for file in epochs_of(run / "epochs")] == ["0002", "0003", "0005"]


@pytest.mark.parametrize("number, message", [("4", "holds 3 epochs with a figure"), ("0", "cannot average 0 epochs")])
def test_refuses_a_number_of_epochs_that_is_not_there(number, message, tiny_model, tmp_path, capsys):
    run = run_with(tiny_model, tmp_path / "run", [0.3, 0.1, 0.2])
    assert main(["average", "--exp", str(run), "--best", number, "--out", str(tmp_path / "best")]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not (tmp_path / "best").exists()


def test_refuses_epochs_of_earlier_versions_that_have_no_figures(tiny_model, tmp_path, capsys):
    run = run_with(tiny_model, tmp_path / "run", [0.3, 0.1])
    for file in epochs_of(run / "epochs"):
        save_file(load_file(file), file, {"frozen": "{}"})
    assert main(["average", "--exp", str(run), "--best", "2", "--out", str(tmp_path / "best")]) == 1
    err = capsys.readouterr().err
    assert "average by --last" in err and err.count("\n") == 1 and not (tmp_path / "best").exists()
    assert main(["average", "--exp", str(run), "--last", "2", "--out", str(tmp_path / "last")]) == 0
    assert average_of(tmp_path / "last") == {1.5}


def test_damaged_epoch_is_named(tiny_model, tmp_path):
    run = run_with(tiny_model, tmp_path / "run", [0.3, 0.1])
    (run / "epochs" / "0002.safetensors").write_bytes(b"no tensors")
    with pytest.raises(VsrError, match="cannot read .*0002.safetensors"):
        ranked(epochs_of(run / "epochs"))


def test_epochs_of_an_earlier_run_are_no_epochs_of_this_one(tiny_model, tmp_path):
    """Where last.pt was removed to begin again, new epochs were deleted as the oldest, and the old ones averaged."""
    run = run_with(tiny_model, tmp_path / "run", [0.5, 0.4, 0.3])
    drop_epochs_after(run / "epochs", 0)
    assert not epochs_of(run / "epochs")
    keep_epoch(run / "epochs", Average(load_model(run / "model").model, 0.9), 1, DevFigure("dev_wer", 1.0), last=2)
    assert [file.stem for file in epochs_of(run / "epochs")] == ["0001"]
