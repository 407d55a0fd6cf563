"""Translations: BLEU and chrF agree with sacrebleu, and the verbs that make, read and score them."""

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
def test_figures_agree_with_sacrebleu(metric):
    sacrebleu = needs_sacrebleu()
    ids = sorted(TRUE)
    corpus = getattr(sacrebleu, f"corpus_{metric}")([ROUGH[i] for i in ids], [[TRUE[i] for i in ids]])
    result = score_translations(TRUE, ROUGH, metric)
    assert result.value == pytest.approx(corpus.score) and result.low <= result.value <= result.high
    assert "version" in result.signature and str(result).startswith({"bleu": "BLEU", "chrf": "chrF"}[metric])
    assert score_translations(TRUE, TRUE, metric).value == pytest.approx(100)
    scorer = load_metric(metric)
    rows = statistics(scorer, [ROUGH[i] for i in ids], [TRUE[i] for i in ids])
    assert score_of_statistics(scorer, rows) == pytest.approx(corpus.score)


def test_gain_is_the_difference_of_figures_and_zero_for_equal_lists():
    needs_sacrebleu()
    gain, low, high = paired_gain(TRUE, ROUGH, TRUE)
    assert gain == pytest.approx(100 - score_translations(TRUE, ROUGH).value) and low <= gain <= high
    assert paired_gain(TRUE, ROUGH, ROUGH) == (0, 0, 0)


def test_refuses_texts_and_metrics_that_cannot_be_scored(monkeypatch):
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


def test_text_of_a_clip_in_a_language():
    mixed = [*clips(), replace(clips()[0], id="own", text="hola", language="es", translations={})]
    assert translations_of(mixed, "es") == TRUE | {"own": "hola"} and translations_of(mixed, "en") == dict.fromkeys(
        TRUE, "x"
    )
    with pytest.raises(VsrError, match="into fr; there is es"):
        translations_of(mixed, "fr")


def test_manifest_keeps_translations_and_refuses_wrong_ones(tmp_path):
    write_manifest(tmp_path / "a.jsonl", clips())
    assert read_manifest(tmp_path / "a.jsonl") == clips()
    for wrong, message in (([], "not texts by language"), ({"es": 3}, "'es' is no text")):
        line = {"id": "a", "video": "a.mp4", "text": "x", "translations": wrong}
        (tmp_path / "b.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        with pytest.raises(VsrError, match=message):
            read_manifest(tmp_path / "b.jsonl")


@pytest.fixture()
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_manifest("ref.jsonl", clips())
    lines = [json.dumps({"id": key, "text": text}) for key, text in ROUGH.items()]
    (tmp_path / "hyp.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_score_by_bleu_by_words_and_of_a_prior(files, capsys):
    needs_sacrebleu()
    command = ["score", "--ref", "ref.jsonl", "--hyp", "hyp.jsonl", "--translation", "es"]
    assert main([*command, "--metric", "bleu", "--json", "b.json"]) == 0
    assert "BLEU" in capsys.readouterr().out
    assert json.loads((files / "b.json").read_text())["value"] == pytest.approx(score_translations(TRUE, ROUGH).value)
    assert main(command) == 0
    assert "WER 14.29%" in capsys.readouterr().out
    assert main(["score", "--ref", "ref.jsonl", "--prior", "ref.jsonl", "--translation", "es", "--metric", "chrf"]) == 0


@pytest.mark.parametrize("options, message", [
    (["--metric", "bleu", "--unit", "char"], "do not go with --metric bleu"),
    (["--metric", "chrf", "--normaliser", "none"], "leave --normaliser out"),
    (["--metric", "bleu", "--translation", "fr"], "there is es"),
])  # fmt: skip
def test_score_refuses_options_that_do_not_go_together(files, capsys, options, message):
    assert main(["score", "--ref", "ref.jsonl", "--hyp", "hyp.jsonl", *options]) == (
        1 if message == "there is es" else 2
    )
    assert message in capsys.readouterr().err


def test_tokenizer_of_translations(files, capsys):
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "es", "--kind", "word", "--out", "t"]) == 0
    assert json.loads((files / "t/tokenizer.json").read_text())["words"] == sorted(set(" ".join(TRUE.values()).split()))
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "fr", "--kind", "word", "--out", "n"]) == 1
    assert main(["tokens", "--manifest", "ref.jsonl", "--translation", "es", "--kind", "phoneme", "--out", "n"]) == 2
    assert "not with --kind phoneme" in capsys.readouterr().err and not (files / "n").exists()


def test_words_share_the_time_by_their_letters():
    words = spread_words("el perro", 1.0, 8.0, 0.5)
    assert [(word.word, word.start, word.end) for word in words] == [("el", 1.0, 3.0), ("perro", 3.0, 8.0)]
    assert spread_words("", 1.0, 2.0, 0.5) == ()


def test_head_and_standard_search_options_do_not_mix():
    assert DecodeOptions(head="es").head == "es"
    for options in ({"lm": "x"}, {"method": "ctc_beam"}, {"hotwords": "w"}, {"ngram": "a"}):
        with pytest.raises(VsrError, match="leave them or head out"):
            DecodeOptions(head="es", **options)
