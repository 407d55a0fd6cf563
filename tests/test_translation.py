"""Translations: BLEU and chrF as sacrebleu has them, their intervals, and the verbs that make, read and score them."""

import json
from dataclasses import replace

import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, translations_of, write_manifest
from vsr.decoding.options import DecodeOptions
from vsr.evaluation import translation
from vsr.evaluation.translation import load_metric, paired_gain, score_of_statistics, score_translations, statistics
from vsr.inference.single_head import spread_words

COLOURS = ("rojo", "blanco", "negro", "azul")
TRUE = {f"u{i}": f"el perro {colour} duerme en casa hoy" for i, colour in enumerate(COLOURS)}
ROUGH = {key: text.replace("duerme", "come") for key, text in TRUE.items()}


def clips():
    return [Clip(key, "a.mp4", "x", language="en", translations={"es": text}) for key, text in TRUE.items()]


def needs_sacrebleu():
    return pytest.importorskip("sacrebleu", reason="pip install sacrebleu to score translations")


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_figures_are_those_of_sacrebleu(metric):
    sacrebleu = needs_sacrebleu()
    ids = sorted(TRUE)
    corpus = getattr(sacrebleu, f"corpus_{metric}")([ROUGH[i] for i in ids], [[TRUE[i] for i in ids]])
    found = score_translations(TRUE, ROUGH, metric)
    assert found.value == pytest.approx(corpus.score) and found.low <= found.value <= found.high
    assert "version" in found.signature and str(found).startswith({"bleu": "BLEU", "chrf": "chrF"}[metric])
    assert score_translations(TRUE, TRUE, metric).value == pytest.approx(100)
    counted = load_metric(metric)
    rows = statistics(counted, [ROUGH[i] for i in ids], [TRUE[i] for i in ids])
    assert score_of_statistics(counted, rows) == pytest.approx(corpus.score)


def test_a_gain_is_that_of_the_figures_and_none_of_a_list_over_itself():
    needs_sacrebleu()
    gain, low, high = paired_gain(TRUE, ROUGH, TRUE)
    assert gain == pytest.approx(100 - score_translations(TRUE, ROUGH).value) and low <= gain <= high
    assert paired_gain(TRUE, ROUGH, ROUGH) == (0, 0, 0)


def test_what_cannot_be_scored_is_refused(monkeypatch):
    with pytest.raises(VsrError, match="no reference"):
        score_translations(TRUE, {"z": "x"})
    with pytest.raises(VsrError, match="nothing to score"):
        score_translations(TRUE, {})
    with pytest.raises(VsrError, match="known: bleu, chrf"):
        load_metric("ter")
    monkeypatch.setattr(
        translation, "required_package", lambda name, purpose, how: (_ for _ in ()).throw(VsrError("x", how))
    )
    with pytest.raises(VsrError, match="pip install sacrebleu"):
        load_metric("bleu")


def test_the_text_of_a_clip_in_a_language():
    some = [*clips(), replace(clips()[0], id="own", text="hola", language="es", translations={})]
    assert translations_of(some, "es") == TRUE | {"own": "hola"} and translations_of(some, "en") == dict.fromkeys(
        TRUE, "x"
    )
    with pytest.raises(VsrError, match="into fr; there is es"):
        translations_of(some, "fr")


def test_manifests_keep_translations_and_refuse_others(tmp_path):
    write_manifest(tmp_path / "a.jsonl", clips())
    assert read_manifest(tmp_path / "a.jsonl") == clips()
    for odd, said in (([], "not texts by language"), ({"es": 3}, "'es' is no text")):
        line = {"id": "a", "video": "a.mp4", "text": "x", "translations": odd}
        (tmp_path / "b.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        with pytest.raises(VsrError, match=said):
            read_manifest(tmp_path / "b.jsonl")


@pytest.fixture()
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_manifest("ref.jsonl", clips())
    lines = [json.dumps({"id": key, "text": text}) for key, text in ROUGH.items()]
    (tmp_path / "hyp.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_score_by_bleu_and_by_words(files, capsys):
    needs_sacrebleu()
    base = ["score", "--ref", "ref.jsonl", "--hyp", "hyp.jsonl", "--translation", "es"]
    assert main([*base, "--metric", "bleu", "--json", "b.json"]) == 0
    assert "BLEU" in capsys.readouterr().out
    assert json.loads((files / "b.json").read_text())["value"] == pytest.approx(score_translations(TRUE, ROUGH).value)
    assert main(base) == 0
    assert "WER 14.29%" in capsys.readouterr().out
    assert main(["score", "--ref", "ref.jsonl", "--prior", "ref.jsonl", "--translation", "es", "--metric", "chrf"]) == 0


@pytest.mark.parametrize("options, said", [
    (["--metric", "bleu", "--unit", "char"], "do not go with --metric bleu"),
    (["--metric", "chrf", "--normaliser", "none"], "leave --normaliser out"),
    (["--metric", "bleu", "--translation", "fr"], "there is es"),
])  # fmt: skip
def test_score_refuses_what_does_not_go_together(files, capsys, options, said):
    assert main(["score", "--ref", "ref.jsonl", "--hyp", "hyp.jsonl", *options]) == (1 if said == "there is es" else 2)
    assert said in capsys.readouterr().err


def test_a_tokenizer_of_translations(files, capsys):
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "es", "--kind", "word", "--out", "t"]) == 0
    assert json.loads((files / "t/tokenizer.json").read_text())["words"] == sorted(set(" ".join(TRUE.values()).split()))
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "fr", "--kind", "word", "--out", "n"]) == 1
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "es", "--kind", "phoneme", "--out", "n"]) == 2
    assert "not with --kind phoneme" in capsys.readouterr().err and not (files / "n").exists()


def test_words_of_a_head_are_spread_by_their_letters():
    words = spread_words("el perro", 1.0, 8.0, 0.5)
    assert [(own.word, own.start, own.end) for own in words] == [("el", 1.0, 3.0), ("perro", 3.0, 8.0)]
    assert spread_words("", 1.0, 2.0, 0.5) == ()


def test_a_head_and_the_usual_search_do_not_mix():
    assert DecodeOptions(head="es").head == "es"
    for other in ({"lm": "x"}, {"method": "ctc_beam"}, {"hotwords": "w"}, {"ngram": "a"}):
        with pytest.raises(VsrError, match="leave them or head out"):
            DecodeOptions(head="es", **other)
