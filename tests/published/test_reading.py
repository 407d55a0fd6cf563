"""Checkpoints are read without running anything in them; other files are refused in one line."""

import argparse
import collections
import enum
import os
import pickle

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.modelstore.importers.reading import Inert, plain_settings, read_checkpoint, weights_of


class Calls:
    """An object whose pickle asks for a function call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Kind(enum.Enum):
    GELU = "gelu"


def evil_eval(mark):
    return Calls(eval, f"open({str(mark)!r}, 'w')")


def evil_system(mark):
    return Calls(os.system, f"touch {mark}")


def evil_open(mark):
    return Calls(open, str(mark), "w")


@pytest.mark.parametrize("evil", [evil_eval, evil_system, evil_open])
@pytest.mark.parametrize("legacy", [False, True])
def test_malicious_file_runs_nothing(evil, legacy, tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "evil.pt"
    content = {"model": {"weight": torch.ones(2)}, "cfg": evil(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    try:
        weights_of(read_checkpoint(path), path)
    except VsrError as error:
        assert "read safely" in str(error)
    assert not mark.exists()
    pickle.loads(pickle.dumps(content["cfg"]))  # an ordinary unpickler does run the same object
    assert mark.exists()


def test_settings_of_any_class_become_plain_values(tmp_path):
    path = tmp_path / "model.pt"
    namespace = argparse.Namespace(layers=3, nested=argparse.Namespace(name="x"), pair=(1, 2), kind=Kind.GELU)
    torch.save({"args": namespace, "model": collections.OrderedDict(weight=torch.ones(2))}, path)
    checkpoint = read_checkpoint(path)
    assert type(checkpoint["args"]) is Inert
    assert plain_settings(checkpoint["args"]) == {"layers": 3, "nested": {"name": "x"}, "pair": [1, 2], "kind": "gelu"}
    assert weights_of(checkpoint, path)["weight"].tolist() == [1, 1]


def test_lightning_prefixes_are_removed(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"epoch": 3, "state_dict": {"model.ctc.bias": torch.zeros(3)}}, path)
    assert list(weights_of(read_checkpoint(path), path)) == ["ctc.bias"]


def missing(path):
    return "no such file"


def text(path):
    path.write_text("<html>Quota exceeded</html>")
    return "read safely: it is a web page"


def empty(path):
    path.touch()
    return "read safely"


def cut(path):
    torch.save({"weight": torch.ones(5000)}, path)
    path.write_bytes(path.read_bytes()[:9000])
    return "read safely"


def a_list(path):
    torch.save([torch.ones(2)], path)
    return "holds a list"


def no_tensors(path):
    torch.save({"epoch": 3}, path)
    return "no named tensors"


def sparse(path):
    torch.save({"weight": torch.ones(2).to_sparse()}, path)
    return "'weight' is not a tensor of plain numbers"


@pytest.mark.parametrize("make", [missing, text, empty, cut, a_list, no_tensors, sparse])
def test_file_without_a_checkpoint_is_one_line(make, tmp_path):
    path = tmp_path / "model.pth"
    reason = make(path)
    with pytest.raises(VsrError, match=reason) as caught:
        weights_of(read_checkpoint(path), path)
    assert caught.value.reason == "bad_model" and "\n" not in str(caught.value) and str(path) in str(caught.value)
