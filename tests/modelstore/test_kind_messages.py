"""A folder of another kind of model is refused in a sentence."""

import json

import pytest

from vsr import load_model
from vsr.core.errors import VsrError


def test_kind_of_a_wrong_model_has_its_article(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"kind": "autoregressive", "model": {}, "format": 1}))
    with pytest.raises(VsrError, match="an autoregressive where a lip reader is needed"):
        load_model(str(tmp_path))
