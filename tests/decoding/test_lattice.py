"""k2 graphs agree with enumeration, in the environment of tools/k2.sh; and the folder of their input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.decoding.posteriors import lexicon_of
from vsr.decoding.rescore import attention_scores, rescore_manifest
from vsr.modelstore.folder import load_model
from vsr.text.grammar import arpa_words, slots_as_arpa
from vsr.text.tokenizer import CharTokenizer, train_tokenizer

TOP = Path(__file__).parents[2]
PROGRAM = TOP / "vsr" / "decoding" / "lattice.py"


@pytest.fixture(scope="session")
def k2_python():
    """The interpreter that has k2: $K2_VENV, else .venv-k2 at the root; made by tools/k2.sh."""
    python = Path(os.environ.get("K2_VENV", TOP / ".venv-k2")) / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {python}: make it with tools/k2.sh (needs a Python 3.9), or name it with K2_VENV")
    return python


@pytest.fixture(scope="module")
def checks(k2_python):
    command = [k2_python, Path(__file__).with_name("lattice_checks.py"), PROGRAM.parent]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_best_path_through_the_topology_is_the_collapsed_greedy_path(checks):
    assert checks["greedy"] is True


@pytest.mark.parametrize("kind", ["hlg", "rescored"])
def test_graphs_agree_with_enumeration_of_sentences(checks, kind):
    assert len(checks["rows"]) == 5
    for row in checks["rows"]:
        assert row[kind][0] == row[f"{kind}_expected"][0]
        assert row[kind][1] == pytest.approx(row[f"{kind}_expected"][1], abs=1e-3)


def test_n_best_are_the_best_sentences_with_their_scores(checks):
    for row in checks["rows"]:
        for (words, score), (expected, expected_score) in zip(row["nbest"], row["nbest_expected"], strict=True):
            assert words == expected
            assert score == pytest.approx(expected_score, abs=1e-3)


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    clips = []
    for name, frames in (("a", 30), ("b", 20)):
        np.save(folder / f"{name}.npy", rng.integers(0, 255, (frames, 96, 96), np.uint8))
        clips.append(Clip(name, "none", "bin blue", "s", frames, str(folder / f"{name}.npy")))
    write_manifest(folder / "manifest.jsonl", clips)
    return folder / "manifest.jsonl"


def test_posteriors_become_hypotheses_that_score_reads(tiny_model, crops, k2_python, tmp_path, capsys):
    from vsr.cli import main
    from vsr.evaluation.wer import read_hypotheses

    common = ["--manifest", str(crops), "--model", str(tiny_model)]
    assert main(["posteriors", *common, "--grammar", "grid", "--out", str(tmp_path / "p")]) == 0
    assert main(["decode", *common, "--method", "ctc_greedy", "--out", str(tmp_path / "greedy")]) == 0
    for method in ("ctc", "hlg"):
        command = [k2_python, PROGRAM, tmp_path / "p", "--method", method, "--out", tmp_path / method]
        subprocess.run(command, check=True, capture_output=True)
    assert read_hypotheses(tmp_path / "ctc") == read_hypotheses(tmp_path / "greedy")
    assert all(len(text.split()) in (0, 6) for text in read_hypotheses(tmp_path / "hlg").values())
    (tmp_path / "p" / "tokens.json").write_text("no")
    broken = subprocess.run(
        [k2_python, PROGRAM, tmp_path / "p", "--out", tmp_path / "x"], capture_output=True, text=True, check=False
    )
    assert broken.returncode == 1 and len(broken.stderr.splitlines()) == 1 and not (tmp_path / "x").exists()


def test_attention_scores_of_a_batch_equal_each_alone(tiny_model):
    loaded = load_model(tiny_model)
    states = torch.randn(12, loaded.model.config.dim, generator=torch.Generator().manual_seed(0))
    texts = [loaded.tokenizer.encode(text) for text in ("bin blue", "a", "")]
    together = attention_scores(loaded.model, states, texts, loaded.tokenizer.eos_id)
    for text, score in zip(texts, together, strict=True):
        path, expected = [loaded.tokenizer.eos_id, *text], 0.0
        with torch.inference_mode():
            logits = loaded.model.decoder(torch.tensor([path]), states[None], torch.tensor([12]))[0].log_softmax(-1)
        for position, target in enumerate([*text, loaded.tokenizer.eos_id]):
            expected += float(logits[position, target])
        assert score == pytest.approx(expected, abs=1e-4)


def test_rescoring_keeps_the_order_at_weight_one(tiny_model, crops, tmp_path):
    nbest = [{"text": "b", "score": -1.0}, {"text": "a", "score": -2.0}]
    (tmp_path / "n").write_text(json.dumps({"id": "a", "nbest": nbest}) + "\n")
    loaded = load_model(tiny_model)
    assert rescore_manifest(loaded, crops, tmp_path / "n", tmp_path / "o", 1.0) == 0
    assert json.loads((tmp_path / "o").read_text())["nbest"] == nbest
    (tmp_path / "n").write_text('{"id": "a"}\n')
    with pytest.raises(VsrError, match="line 1"):
        rescore_manifest(loaded, crops, tmp_path / "n", tmp_path / "o", 1.0)


def test_grammar_of_slots_and_its_lexicon():
    arpa = slots_as_arpa([["bin", "lay"], ["now", "soon", "again"]])
    assert arpa_words(arpa) == ["bin", "lay", "now", "soon", "again"]
    assert f"{-np.log10(3):.6f}\tbin soon" in arpa and "bin lay" not in arpa
    with pytest.raises(VsrError, match="two slots"):
        slots_as_arpa([["a"], ["a"]])
    characters = CharTokenizer()
    assert lexicon_of(characters, ["bin"]) == {"separator": characters.encode("a b")[1], "words": {
        "bin": characters.encode("bin")}}  # fmt: skip
    pieces = train_tokenizer("unigram", ["bin blue at f two now", "lay red by a one soon"] * 5, 40)
    assert lexicon_of(pieces, ["bin", "soon"])["separator"] is None
    with pytest.raises(VsrError, match="spelled"):
        lexicon_of(characters, ["é"])


@pytest.mark.parametrize("name", ["lattice", "k2_graphs", "k2_search"])
def test_k2_programs_keep_to_python_39_and_import_only_torch_and_k2(name):
    import ast

    tree = ast.parse(PROGRAM.with_name(f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    allowed = {"torch", "k2", "k2_graphs", "k2_search"} | set(sys.stdlib_module_names)
    assert {module.split(".")[0] for module in names} <= allowed
