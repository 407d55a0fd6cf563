"""Model folders: a saved model loads the same, and one line names what is wrong with a folder."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from vsr.core.errors import VsrError
from vsr.modelstore.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from vsr.modelstore.folder import load_model, save_model


@pytest.fixture
def folder(tiny_model, tmp_path):
    """A copy of the tiny model that a test may damage."""
    loaded = load_model(tiny_model)
    return save_model(tmp_path / "model", loaded.model, loaded.tokenizer, {"name": "tiny"})


def refusal(folder):
    with pytest.raises(VsrError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert caught.value.reason == "bad_model" and "\n" not in message and str(folder) in message
    return message


def change_config(folder, change):
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    change(config)
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")


def change_weights(folder, change):
    weights = load_file(folder / WEIGHTS_FILE)
    change(weights)
    save_file(weights, folder / WEIGHTS_FILE)


def test_saved_model_loads_the_same(tiny_model, folder):
    first, second = load_model(tiny_model), load_model(folder)
    assert second.name == "tiny" and not second.model.training
    assert first.model.config == second.model.config
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert second.tokenizer.encode("bin blue") == first.tokenizer.encode("bin blue")


def test_half_precision_halves_the_file_and_loads_as_single(tiny_model, tmp_path):
    loaded = load_model(tiny_model)
    half = save_model(tmp_path / "half", loaded.model, loaded.tokenizer, half=True)
    size = (half / WEIGHTS_FILE).stat().st_size
    assert size < 0.6 * (tiny_model / WEIGHTS_FILE).stat().st_size
    weights = load_model(half).model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert weights[name].dtype == tensor.dtype
        torch.testing.assert_close(weights[name], tensor, atol=1e-3, rtol=1e-3)


def test_saving_again_keeps_other_files_and_leaves_no_temporary_ones(folder):
    (folder / "MODEL_CARD.md").write_text("card", encoding="utf-8")
    before = {path.name for path in folder.iterdir()}
    loaded = load_model(folder)
    save_model(folder, loaded.model, loaded.tokenizer, {"name": "second"})
    assert {path.name for path in folder.iterdir()} == before
    assert load_model(folder).name == "second"


def test_interrupted_save_leaves_old_model(folder, monkeypatch):
    loaded = load_model(folder)

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", disk_full)
    with pytest.raises(VsrError, match="no space left"):
        save_model(folder, loaded.model, loaded.tokenizer, {"name": "second"})
    assert load_model(folder).name == "tiny"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_missing_tensor_is_named(folder):
    change_weights(folder, lambda weights: weights.pop("ctc.bias"))
    assert "lacks 'ctc.bias'" in refusal(folder)


def test_unexpected_tensor_is_named(folder):
    change_weights(folder, lambda weights: weights.update(stranger=torch.zeros(1)))
    assert "has 'stranger'" in refusal(folder)


def test_wrong_shape_is_named_with_both_shapes(folder):
    change_weights(folder, lambda weights: weights.update({"ctc.bias": torch.zeros(3)}))
    assert "'ctc.bias' has shape (3,)" in refusal(folder)


def test_refuses_values_that_are_not_finite(folder):
    change_weights(folder, lambda weights: weights["ctc.bias"].fill_(float("nan")))
    assert "'ctc.bias'" in refusal(folder)


def test_refuses_tokenizer_of_another_size(folder):
    change_config(folder, lambda config: config["model"].update(vocab_size=7))
    assert "the model's head 7" in refusal(folder)


def test_unknown_setting_is_named(folder):
    change_config(folder, lambda config: config["model"].update(widht=7))
    assert "'widht'" in refusal(folder)


@pytest.mark.parametrize("value", ["many", -4, None, 10**12, [1]])
def test_refuses_impossible_size_before_memory_is_allocated(folder, value):
    change_config(folder, lambda config: config["model"].update(dim=value))
    refusal(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 99, "model": {}}'])
def test_refuses_broken_config(folder, content):
    (folder / CONFIG_FILE).write_text(content, encoding="utf-8")
    refusal(folder)


def test_refuses_pickled_weights_without_unpickling(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"model": Trap()}, folder / WEIGHTS_FILE)
    refusal(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE, "tokenizer.json"])
def test_refuses_cut_or_missing_file(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    refusal(folder)
    (folder / name).unlink()
    refusal(folder)


def test_missing_folder_is_told_from_folder_without_model(tmp_path):
    assert "no such model folder" in refusal(tmp_path / "nowhere")
    assert "not a model folder" in refusal(tmp_path)


def test_model_and_tokenizer_that_disagree_are_not_saved(tiny_model, tmp_path):
    from types import SimpleNamespace

    with pytest.raises(VsrError, match="the tokenizer has 3 entries"):
        save_model(tmp_path / "bad", load_model(tiny_model).model, SimpleNamespace(vocab_size=3))
    assert not (tmp_path / "bad").exists()


def test_loading_avoids_torch_compiler_and_random_numbers():
    """Shapes are compared without torch's compiler, whose import takes longer than all else."""
    check = (
        "import sys, torch, vsr; state = torch.random.get_rng_state(); vsr.load_model();"
        "assert 'torch._dynamo' not in sys.modules; assert torch.equal(state, torch.random.get_rng_state())"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
