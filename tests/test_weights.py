"""The models in the package: each is listed, has its card, and reads the demo clip."""

from pathlib import Path

import pytest

from vsr.inference.reader import load_model
from vsr.modelstore.catalogue import CATALOGUE
from vsr.modelstore.entry import SHIPPED
from vsr.modelstore.folder import NAMES

DEMO = Path(__file__).parents[1] / "demo" / "clip.mp4"


def test_all_shipped_models_are_listed():
    assert {known.name for known in CATALOGUE if known.state == SHIPPED} == set(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_shipped_model_has_a_card_and_reads_the_demo(name):
    assert (NAMES[name] / "MODEL_CARD.md").read_text("utf-8").startswith("#")
    assert sum(file.stat().st_size for file in NAMES[name].glob("*.safetensors")) <= 25e6
    loaded = load_model(name)
    assert loaded.name == name, "records, pages and messages call it as --model does"
    segment = loaded.transcribe(DEMO).segments[0]
    assert segment.text == "place blue by m five please" and segment.in_domain > 0.5
