"""`vsr combine`: weights are fitted, saved and used, a language model decides, options that do not fit are refused."""

import json
import random
from pathlib import Path

import pytest

from vsr.cli import main
from vsr.decoding.combination import feature_names


def refused(argv, capsys, status=1) -> str:
    """What a command says that refuses, in one line."""
    assert main(argv) == status
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    return said


@pytest.fixture
def lists(tmp_path):
    """Files of three readers of ten clips, of which the second never errs, and the manifest."""
    rng, names = random.Random(1), ["a", "b", "c"]
    truth = {f"clip{place}": " ".join(rng.choice(["set", "bin", "lay"]) for _ in range(4)) for place in range(10)}
    for name in names:
        own = {key: text if name == "b" else text.replace("set", "bin", 1) for key, text in truth.items()}
        lines = [json.dumps({"id": key, "text": text}) for key, text in own.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    lines = [json.dumps({"id": key, "video": "", "text": text, "speaker": ""}) for key, text in truth.items()]
    (tmp_path / "ref.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path, [str(tmp_path / f"{name}.jsonl") for name in names]


def test_the_verb_fits_saves_and_uses_weights(lists, capsys):
    folder, files = lists
    ref, weights = str(folder / "ref.jsonl"), str(folder / "w.json")
    fitted = ["combine", *files, "--out", str(folder / "f.jsonl"), "--fit", ref, "--save-weights", weights]
    assert main(fitted) == 0
    assert main(["combine", *files, "--out", str(folder / "u.jsonl"), "--weights", weights, "--ref", ref]) == 0
    said = capsys.readouterr().out
    assert "oracle  WER 0.00%" in said and "combined  WER 0.00%" in said and "gain on the best member 0.00" in said
    assert (folder / "f.jsonl").read_bytes() == (folder / "u.jsonl").read_bytes()
    line = json.loads((folder / "u.jsonl").read_text("utf-8").splitlines()[0])
    assert {"id", "text", "confidence", "words"} == line.keys() and line["words"][0].keys() == {
        "word", "confidence", "agreement",
    }  # fmt: skip


def test_a_language_model_decides_between_equals(lists):
    folder, _ = lists
    for name, text in (("one", "at blue"), ("two", "at blew")):
        (folder / f"{name}.jsonl").write_text(json.dumps({"id": "x", "text": text}) + "\n", "utf-8")
    (folder / "text.txt").write_text("at blue\nis blue\n" * 20, "utf-8")
    for order in (("one", "two"), ("two", "one")):
        out = folder / "lm.jsonl"
        given = [str(folder / f"{name}.jsonl") for name in order]
        weights = folder / "w.json"
        names = feature_names(2, ["lm"], False)
        weights.write_text(json.dumps({"weights": dict.fromkeys(names, 0.0) | {"lm": 1.0}}), "utf-8")
        options = ["--method", "lm", "--lm", str(folder / "text.txt"), "--weights", str(weights)]
        assert main(["combine", *given, "--out", str(out), *options]) == 0
        assert json.loads(out.read_text("utf-8"))["text"] == "at blue"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "lm"], "--method lm needs --lm"),
        (["--lm", "x"], "--lm is for --method lm"),
        (["--save-weights", "w.json"], "--save-weights needs --fit"),
        (["--method", "llm", "--llm", "nowhere"], "nowhere is no folder and no GGUF file"),
    ],
)
def test_options_that_do_not_fit_are_refused(lists, capsys, options, said):
    folder, files = lists
    status = 1 if "nowhere" in options else 2
    assert said in refused(["combine", *files, "--out", str(folder / "o.jsonl"), *options], capsys, status)
    assert not (folder / "o.jsonl").exists()


def test_lists_of_other_clips_and_one_list_are_refused(lists, capsys):
    folder, files = lists
    out = str(folder / "o.jsonl")
    assert "one list of hypotheses is nothing to combine" in refused(["combine", files[0], "--out", out], capsys, 2)
    (folder / "short.jsonl").write_text(json.dumps({"id": "clip1", "text": "set"}) + "\n", "utf-8")
    said = refused(["combine", files[0], str(folder / "short.jsonl"), "--out", out], capsys)
    assert "short.jsonl lacks 9 utterances" in said
    (folder / "w.json").write_text(json.dumps({"weights": {"member_0": 1.0}}), "utf-8")
    said = refused(["combine", *files, "--weights", str(folder / "w.json"), "--out", out], capsys)
    assert "the weights are of 1 members with plain votes, and this call has 3 members with plain votes" in said


def test_a_member_is_given_once_and_says_how_sure_it_is(lists, capsys):
    folder, files = lists
    call, weights = ["combine", *files, "--out", str(folder / "o.jsonl")], str(folder / "w.json")
    (folder / "link.jsonl").symlink_to(files[0])
    for again in (files[0], str(folder / "link.jsonl")):
        assert main([*call, again]) == 2 and f"{again} is given twice" in capsys.readouterr().err
    said = refused([*call, "--method", "confidence"], capsys)
    assert "a.jsonl has no confidence" in said and "--method vote" in said
    assert main([*call, "--fit", str(folder / "ref.jsonl"), "--save-weights", weights]) == 0
    for path in files:
        rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
        Path(path).write_text("".join(json.dumps(row | {"confidence": 0.5}) + "\n" for row in rows), "utf-8")
    assert main([*call, "--method", "confidence"]) == 0
    capsys.readouterr()
    said = refused([*call, "--method", "confidence", "--weights", weights], capsys)
    assert "w.json: the weights are of 3 members with plain votes" in said and "votes by confidence" in said
    for broken in ("{", '{"weights": {"member_0": NaN}}'):
        (folder / "w.json").write_text(broken, "utf-8")
        assert "holds no weights" in refused([*call, "--weights", weights], capsys)


def test_two_votes_never_outvote_the_first_and_that_is_said(lists, capsys):
    folder, (first, second, third) = lists
    call = ["combine", "--out", str(folder / "o.jsonl"), "--ref", str(folder / "ref.jsonl")]
    assert main([*call, first, second]) == 0
    said = capsys.readouterr().err
    assert f"neither is the more: this is {first} as it was" in said
    texts = [
        [json.loads(line)["text"] for line in Path(own).read_text("utf-8").splitlines()]
        for own in (first, folder / "o.jsonl")
    ]
    assert texts[0] == texts[1]
    assert main([*call, first, second, third]) == 0
    assert f"{second} (0.00%) is better than {first}" in capsys.readouterr().err
    assert main([*call, second, first, third]) == 0 and "vsr combine" not in capsys.readouterr().err
