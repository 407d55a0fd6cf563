"""A head that translates, by `vsr train`: its pieces become part of the model, the clips must have translations."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.training.test_audio_visual import corpus as corpus  # noqa: PLC0414  a fixture
from tests.training.test_audio_visual import train
from vsr.cli import main
from vsr.data.manifest import read_manifest, write_manifest
from vsr.modelstore.folder import load_model


@pytest.fixture()
def bilingual(corpus):
    """The clips with translations that one of their words decides, and a config with a head for them."""
    for name in ("train", "dev"):
        clips = [replace(own, translations={"es": "el perro" if "a" in own.text else "gato"})
                 for own in read_manifest(f"{name}.jsonl")]  # fmt: skip
        write_manifest(f"{name}.jsonl", clips)
    assert main(["tokens", "--manifest", "train.jsonl", "--translation", "es", "--kind", "unigram", "--size", "20",
                 "--out", "tokens_es"]) == 0  # fmt: skip
    settings = yaml.safe_load((corpus / "lips.yaml").read_text(encoding="utf-8"))
    head = {"kind": "translation", "language": "es", "tokenizer_folder": "tokens_es", "layers": 1, "heads": 2}
    settings["model"] |= {"decoder_layers": 0, "ctc_weight": 0.3, "alignment_weight": 0.0}
    settings["model"] |= {"further_heads": {"es": head | {"hidden": 24}}}
    (corpus / "es.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return corpus


def records(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_a_head_is_trained_exported_and_decodes_without_its_folder(bilingual, tmp_path):
    assert train("es") == 0
    (bilingual / "tokens_es").rename(bilingual / "elsewhere")
    loaded = load_model("es/model")
    assert loaded.model.config.further_heads["es"]["pieces"]
    given = ["--model", "es/model", "--manifest", "dev.jsonl", "--device", "cpu"]
    assert main(["decode", *given, "--head", "es", "--out", "es.jsonl"]) == 0
    assert main(["decode", *given, "--out", "all.jsonl"]) == 0
    own, others = (records(path) for path in ("es.jsonl", "all.jsonl"))
    assert [one["heads"].get("es", "") for one in others] == [one["text"] for one in own]
    assert main(["score", "--ref", "dev.jsonl", "--hyp", "es.jsonl", "--translation", "es"]) == 0


@pytest.mark.parametrize("change, said", [
    ("translations", "has no translation into es"), ("folder", "vsr tokens --translation es"),
])  # fmt: skip
def test_what_cannot_be_taught_is_refused(bilingual, capsys, change, said):
    if change == "translations":
        write_manifest("train.jsonl", [replace(own, translations={}) for own in read_manifest("train.jsonl")])
    else:
        (bilingual / "tokens_es").rename(bilingual / "elsewhere")
    assert train("es") == 1
    assert said in capsys.readouterr().err


def test_alone_it_is_validated_by_its_own_tokens(bilingual, capsys):
    assert train("es", "--set", "model.ctc_weight=0.0") == 0
    assert "dev_es" in capsys.readouterr().out
