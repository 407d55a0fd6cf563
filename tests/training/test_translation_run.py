"""A translation head by `vsr train`: its pieces become part of the model, and clips need translations."""

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
def bilingual_corpus(corpus):
    """Clips whose translation depends on one of their words, and a configuration with a head for it."""
    for name in ("train", "dev"):
        clips = [replace(clip, translations={"es": "el perro" if "a" in clip.text else "gato"})
                 for clip in read_manifest(f"{name}.jsonl")]  # fmt: skip
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


def test_head_is_trained_exported_and_decodes_without_its_folder(bilingual_corpus, tmp_path):
    assert train("es") == 0
    (bilingual_corpus / "tokens_es").rename(bilingual_corpus / "elsewhere")
    loaded = load_model("es/model")
    assert loaded.model.config.further_heads["es"]["pieces"]
    options = ["--model", "es/model", "--manifest", "dev.jsonl", "--device", "cpu"]
    assert main(["decode", *options, "--head", "es", "--out", "es.jsonl"]) == 0
    assert main(["decode", *options, "--out", "all.jsonl"]) == 0
    of_head, of_all = (records(path) for path in ("es.jsonl", "all.jsonl"))
    assert [record["heads"].get("es", "") for record in of_all] == [record["text"] for record in of_head]
    assert main(["score", "--ref", "dev.jsonl", "--hyp", "es.jsonl", "--translation", "es"]) == 0


@pytest.mark.parametrize("change, message", [
    ("translations", "has no translation into es"), ("folder", "vsr tokens --translation es"),
])  # fmt: skip
def test_refuses_missing_translations_or_pieces(bilingual_corpus, capsys, change, message):
    if change == "translations":
        write_manifest("train.jsonl", [replace(clip, translations={}) for clip in read_manifest("train.jsonl")])
    else:
        (bilingual_corpus / "tokens_es").rename(bilingual_corpus / "elsewhere")
    assert train("es") == 1
    assert message in capsys.readouterr().err


def test_translation_head_alone_is_validated_by_its_tokens(bilingual_corpus, capsys):
    assert train("es", "--set", "model.ctc_weight=0.0") == 0
    assert "dev_es" in capsys.readouterr().out
