"""A language model from text to the search: training, its folder, and the commands that use it."""

import json

import numpy as np
import pytest

from tests.training.test_machines import Noted, Paired, ranks
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.decoding.options import DecodeOptions
from vsr.decoding.shallow_fusion import NeuralLanguage, languages_of
from vsr.modelstore.folder import load_language_model, load_model
from vsr.text.tokenizer import CharTokenizer
from vsr.training.config import dump_config, load_config
from vsr.training.language import LanguageRun, LanguageTrainConfig, TextDataConfig

pytestmark = pytest.mark.slow

FAST = [
    "trainer.threads=1", "trainer.precision=32-true", "trainer.accelerator=cpu", "trainer.max_epochs=12",
    "optim.lr=0.01", "optim.warmup_steps=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A language model of texts in which b always follows a."""
    folder = tmp_path_factory.mktemp("lm")
    rng = np.random.default_rng(0)
    lines = [" ".join("ab" for _ in range(rng.integers(1, 5))) for _ in range(200)]
    (folder / "train.txt").write_text("\n".join([*lines, "", "c c c"]), encoding="utf-8")
    (folder / "dev.txt").write_text("\n".join(lines[:20]), encoding="utf-8")
    write_manifest(folder / "test.jsonl", [Clip("t", "t.mp4", "c c c", "s", 5)])
    (folder / "tokens").mkdir()
    CharTokenizer().save(folder / "tokens")
    train, dev, tests = ((str(folder / name),) for name in ("train.txt", "dev.txt", "test.jsonl"))
    data = TextDataConfig(train, dev, str(folder / "tokens"), tests, tokens_per_batch=400, max_tokens=60)
    config = LanguageTrainConfig(data, {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "dropout": 0.0})
    (folder / "lm.yaml").write_text(dump_config(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(trained):
    """The folder of that model, trained by the command."""
    command = ["lm", "train", "--config", str(trained / "lm.yaml"), "--out", str(trained / "run"), "--set", *FAST]
    assert main(command) == 0
    return trained / "run" / "model"


def test_training_learns_the_order_of_letters_and_leaves_test_texts_out(trained, folder, capsys):
    loaded = load_language_model(folder)
    encode = loaded.tokenizer.encode
    likely, unlikely = NeuralLanguage(loaded.model).sentences([encode("ab ab"), encode("ba ba")])
    assert likely > -6 and unlikely < likely - 6
    run = LanguageRun(load_config(trained / "lm.yaml", FAST, kind=LanguageTrainConfig), trained / "other")
    assert len(run.train) == 200 and run.validate()["dev_perplexity"] > 20
    assert "left out: 1 of the tests, 1 empty or long" in capsys.readouterr().out


class Watched(Noted, LanguageRun):
    pass


class Whole(Paired, LanguageRun):
    pass


def test_two_ranks_do_what_one_does_with_the_whole_batch(trained, tmp_path):
    config = load_config(trained / "lm.yaml", [*FAST, "trainer.max_epochs=1"], kind=LanguageTrainConfig)
    alone = Whole(config, tmp_path / "alone")
    alone.fit()
    first, second = ranks(config, [tmp_path / "0", tmp_path / "1"], kind=Watched)
    assert first[3] == second[3] == pytest.approx(alone.losses_seen, rel=1e-4)
    assert sorted(i for rank in (first, second) for _, step in rank[2] for i in step) == [*range(200)]
    load_language_model(tmp_path / "0" / "model")


def test_refuses_options_and_models_that_do_not_fit(folder, tiny_model, tmp_path, capsys):
    def refusal(*arguments):
        assert main(list(arguments)) == (1 if arguments[0] == "transcribe" else 2)
        return capsys.readouterr().err.splitlines()[-1]

    write_manifest(tmp_path / "m.jsonl", [])
    reading = ["decode", "--manifest", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "o")]
    assert "--lm-weight needs --lm" in refusal(*reading, "--lm-weight", "1")
    assert "--lm works only with --method joint" in refusal(*reading, "--lm", str(folder), "--method", "ctc_beam")
    assert "not below 0" in refusal(*reading, "--lm", str(folder), "--lm-weight", "-1")
    assert "a lip reader where a language model is needed" in refusal("transcribe", __file__, "--lm", str(tiny_model))
    assert "a language model where a lip reader is needed" in refusal("transcribe", __file__, "--model", str(folder))


def test_refuses_language_model_of_other_tokens(folder, tiny_model):
    loaded = load_model(tiny_model)
    assert len(languages_of(loaded, DecodeOptions(lm=str(folder)))) == 1
    loaded.tokenizer = CharTokenizer(loaded.tokenizer.characters[::-1])
    loaded.languages.clear()
    with pytest.raises(VsrError, match="other tokens than the lip reader"):
        languages_of(loaded, DecodeOptions(lm=str(folder)))


def test_decoding_and_rescoring_a_corpus_with_a_language_model(folder, tiny_model, tmp_path):
    crop = np.random.default_rng(0).integers(0, 255, (12, 96, 96)).astype(np.uint8)
    np.save(tmp_path / "c.npy", crop)
    write_manifest(tmp_path / "m.jsonl", [Clip("c", "c.mp4", "ab", "s", 12, str(tmp_path / "c.npy"))])
    paths = ["--model", str(tiny_model), "--manifest", str(tmp_path / "m.jsonl")]

    def best(*arguments):
        assert main([*arguments[:1], *paths, *arguments[1:], "--out", str(tmp_path / "out.jsonl")]) == 0
        return json.loads((tmp_path / "out.jsonl").read_text())

    alone = best("decode", "--nbest", "5", "--beam", "5")
    fused = best("decode", "--nbest", "5", "--beam", "5", "--lm", str(folder), "--lm-weight", "3")
    assert alone["text"] != fused["text"]
    (tmp_path / "nbest.jsonl").write_text(json.dumps(alone), encoding="utf-8")
    lists = ["--nbest", str(tmp_path / "nbest.jsonl"), "--weight", "1"]
    rescored = best("rescore", *lists, "--lm", str(folder), "--lm-weight", "2")
    loaded = load_language_model(folder)
    language_scores = NeuralLanguage(loaded.model).sentences(
        [loaded.tokenizer.encode(h["text"]) for h in alone["nbest"]]
    )
    expected = {h["text"]: h["score"] + 2 * score for h, score in zip(alone["nbest"], language_scores, strict=True)}
    assert {h["text"]: h["score"] for h in rescored["nbest"]} == pytest.approx(expected, abs=1e-4)
    assert rescored["text"] == max(expected, key=expected.get)


def test_transcribing_with_a_language_model(folder, tiny_model, face_clip, capsys):
    def text(*options):
        assert main(["transcribe", str(face_clip), "--model", str(tiny_model), *options]) == 0
        return capsys.readouterr().out

    assert text() != text("--lm", str(folder), "--lm-weight", "3")
