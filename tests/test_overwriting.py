"""No verb replaces what it reads, nor foreign files."""

import json
import os
import shutil

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.files import check_output, check_outputs, ignores_case, read_json, write_json
from vsr.data.manifest import Clip, write_manifest
from vsr.modelstore.folder import load_model


@pytest.fixture
def inputs(tmp_path, tiny_model, monkeypatch):
    """A folder with a little of everything that verbs read."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((25, 96, 96), np.uint8))
    clip = Clip("a", "a.mp4", "bin", num_frames=25, crop="a.npy")
    write_manifest("manifest.jsonl", [clip])
    for name in ("hyp.jsonl", "nbest.jsonl"):
        record = {"id": "a", "text": "bin", "score": -1.0, "nbest": [{"text": "bin", "score": -1.0}]}
        (tmp_path / name).write_text(json.dumps(record) + "\n", encoding="utf-8")
    for name in ("model", "second"):
        shutil.copytree(tiny_model, name)
    (tmp_path / "words.arpa").write_text("\\data\\", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("seed: 1\n", encoding="utf-8")
    os.link("hyp.jsonl", "hard.jsonl")
    os.symlink("hyp.jsonl", "soft.jsonl")
    return tmp_path


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


READ = [
    "score --ref manifest.jsonl --hyp hyp.jsonl --json manifest.jsonl",
    "score --ref manifest.jsonl --hyp hyp.jsonl --tsv hyp.jsonl",
    "score --ref manifest.jsonl --hyp hyp.jsonl --json hard.jsonl",
    "score --ref manifest.jsonl --hyp hyp.jsonl --json soft.jsonl",
    "score --ref manifest.jsonl --hyp hyp.jsonl --json model/../hyp.jsonl",
    "score --ref manifest.jsonl --hyp hyp.jsonl --json new --tsv new",
    "validate --manifest manifest.jsonl --report manifest.jsonl",
    "validate --manifest hyp.jsonl manifest.jsonl --report manifest.jsonl",
    "rescore --manifest manifest.jsonl --nbest nbest.jsonl --out nbest.jsonl --model model",
    "rescore --manifest manifest.jsonl --nbest nbest.jsonl --out manifest.jsonl --model model",
    "decode --manifest manifest.jsonl --model model --ngram words.arpa --out words.arpa",
    "decode --manifest manifest.jsonl --model model --out manifest.jsonl",
    "posteriors --manifest manifest.jsonl --model model --grammar out/grammar.arpa --out out",
    "crop --manifest manifest.jsonl --out .",
    "convert --from manifest --to manifest --input manifest.jsonl --out .",
    "encode model/model.mp4 -o model --model model",
    "transcribe config.mp4 --format json -o model --model model --force",
    "transcribe words.mp4 --hotwords words.txt -o . --model model --force",
    "live clip.srt -o clip.srt --model model",
    "tokens --manifest out/tokenizer.json --out out",
    "train --config config.yaml --out .",
    "lm train --config config.yaml --out .",
    "average --models model second --out model",
    "import auto_avsr model/tokenizer.model -o model",
    "prepare puppet --vocabulary out/train.jsonl --out out",
    "fuse --pixels model --tracks other --out model",
    "fuse --pixels other --tracks another --out model",
]


@pytest.mark.parametrize("line", READ)
def test_inputs_are_not_replaced(inputs, line, capsys):
    outputs = ("out/grammar.arpa", "out/tokenizer.json", "out/train.jsonl")
    for name in (*outputs, "words.txt", "model/model.mp4", "model/tokenizer.model", "clip.srt"):
        (inputs / name).parent.mkdir(exist_ok=True)
        (inputs / name).write_text('{"id": "a", "video": "a.mp4", "text": "bin"}\n', encoding="utf-8")
    before = contents(inputs)
    assert main(line.split()) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert "is what is read" in message or "twice" in message or "holds a" in message, message
    assert contents(inputs) == before


VOICES = [
    "inspect a.mp4 --reference someone.wav -o someone.wav",
    "train --config config.yaml --out .",
    "vocoder --config config.yaml --out .",
    "units --manifest manifest.jsonl --out manifest.jsonl",
    "sync --manifest manifest.jsonl --features . --out manifest.jsonl",
    "synthesize --manifest manifest.jsonl --features . --out .",
    "evaluate --manifest out/result.json --out out",
    "evaluate --manifest manifest.jsonl --row a=out/pauses/natural --other-pauses natural --out out",
    "evaluate --manifest manifest.jsonl --row ../../x=out --out out",
]


@pytest.mark.parametrize("line", VOICES)
def test_inputs_of_lip2speech_are_not_replaced(inputs, line, capsys):
    from lip2speech.cli import main

    (inputs / "out/pauses/natural").mkdir(parents=True)
    for name in ("someone.wav", "out/pauses/natural/a.wav"):
        (inputs / name).write_bytes(b"RIFF")
    if "out/result.json" in line:
        shutil.copy("manifest.jsonl", "out/result.json")
    before = contents(inputs)
    assert main(line.split()) == (2 if "--row" in line else 1)
    (message,) = capsys.readouterr().err.splitlines()
    refusals = ("is what is read", "holds the features", "would replace", "no / in it")
    assert any(refusal in message for refusal in refusals), message
    assert contents(inputs) == before


def test_tokenizer_of_a_model_is_not_replaced(inputs, capsys):
    arguments = ["tokens", "--manifest", "manifest.jsonl", "--out", "tokens"]
    assert main(arguments) == 0 and main(arguments) == 0, "the same again"
    assert main([*arguments, "--kind", "word"]) == 1 and "holds another tokenizer" in capsys.readouterr().err
    assert read_json("tokens/tokenizer.json")["kind"] == "char"
    assert main([*arguments, "--kind", "word", "--force"]) == 0 and read_json("tokens/tokenizer.json")["kind"] == "word"
    assert main([*arguments[:4], "model", "--force"]) == 1 and "is a model" in capsys.readouterr().err
    write_json("tokens/tokenizer.json", {"version": "1.0", "model": {"type": "BPE"}})
    assert main(arguments) == 1 and read_json("tokens/tokenizer.json")["version"] == "1.0"


def test_average_replaces_only_the_average_of_its_run(inputs):
    from vsr.training.averaging import check_place

    check_place("new", ["model"], None)
    check_place("model", None, ".")  # ./model is of this run
    with pytest.raises(VsrError, match="no average"):
        check_place("model", None, "another_run")
    write_json("model/config.json", read_json("model/config.json") | {"averaged": ["0001"]})
    check_place("model", ["other", "another"], None)
    with pytest.raises(VsrError, match="no average"):
        check_place("model", ["model", "other"], None)


def test_import_replaces_no_other_model(inputs):
    from vsr.modelstore.importers.importing import check_place
    from vsr.modelstore.importers.published import Published

    published = Published("auto_avsr", "base.pth")
    with pytest.raises(VsrError, match="holds another model, tiny"):
        check_place(published, "model")
    write_json("model/config.json", read_json("model/config.json") | published.about)
    check_place(published, "model")


def test_results_page_refuses_scores_of_other_hypotheses_or_weights(inputs, tiny_model, capsys):
    decode = ["decode", "--manifest", "manifest.jsonl", "--model", "model", "--out", "hyp2.jsonl", "--beam"]
    score = ["score", "--ref", "manifest.jsonl", "--hyp", "hyp2.jsonl", "--json", "result/test.json"]
    page = ["results", "--run", ".", "--command", "run.sh --beam 3", "--out", "page/RESULTS.md"]
    assert main([*decode, "2"]) == main(score) == main(page) == 0
    text = (inputs / "page/RESULTS.md").read_text("utf-8")
    assert "Search: method joint, beam 2, ctc_weight 0.1 (test)" in text
    assert "scored_from" in read_json("page/result.json")["scores"]["test"]
    assert main([*decode, "3"]) == 0 and main(page) == 1
    assert "result/test.json scores an earlier hyp2.jsonl: run vsr score again" in capsys.readouterr().err
    assert main(score) == main(page) == 0 and "beam 3" in (inputs / "page/RESULTS.md").read_text("utf-8")
    with open("model/model.safetensors", "r+b") as file:
        file.seek(-2, 2)
        file.write(b"\0\0")
    assert main(page) == 1 and "other weights than model/" in capsys.readouterr().err
    assert main([*page[:-1], "result/RESULTS.md"]) == 1 and not (inputs / "result/result.json").exists()


def test_provenance_names_the_language_model(inputs, tiny_model):
    from vsr.decoding.options import DecodeOptions
    from vsr.decoding.provenance import search_record

    first = search_record(load_model("model").folder, DecodeOptions(ngram="words.arpa"))["languages"]["ngram"]
    (inputs / "words.arpa").write_text("\\DATA\\", encoding="utf-8")
    assert search_record(inputs / "model", DecodeOptions(ngram="words.arpa"))["languages"]["ngram"] != first
    shutil.copytree("model", "lm")
    lm = search_record(inputs / "model", DecodeOptions(lm="lm"))["languages"]["lm"]
    assert lm["model.safetensors"]["sha256"] and "languages" not in search_record(inputs / "model", DecodeOptions())


def test_outputs_are_compared_as_files_not_by_name(tmp_path):
    source = tmp_path / "one"
    source.touch()
    os.link(source, tmp_path / "hard")
    for path in (source, tmp_path / "hard", tmp_path / "." / "one"):
        with pytest.raises(VsrError, match="is what is read"):
            check_output(path, tmp_path / "absent", source)
    with pytest.raises(VsrError, match="is what is read"):
        check_output(tmp_path / "x" / ".." / "new", tmp_path / "new")
    check_outputs([tmp_path / "a", tmp_path / "b"], source)
    with pytest.raises(VsrError, match="written twice"):
        check_outputs([tmp_path / "a", tmp_path / "." / "a"], source)
    with pytest.raises(VsrError, match="File name too long"):
        check_output(tmp_path / ("x" * 300), source)
    assert ignores_case(tmp_path) is (tmp_path / "ONE").exists()
