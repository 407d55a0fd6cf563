"""`vsr combine` fits, saves and uses weights, lets a language model decide, and refuses options that do not fit."""

import json
import random
from pathlib import Path

import pytest

from vsr.cli import main
from vsr.decoding.combination import feature_names


def refusal(arguments, capsys, status=1) -> str:
    """The single line on stderr of a command that refuses."""
    assert main(arguments) == status
    message = capsys.readouterr().err
    assert len(message.strip().splitlines()) == 1
    return message


@pytest.fixture
def lists(tmp_path):
    """Hypotheses of three readers of ten clips, of which the second never errs, and their manifest."""
    rng, names = random.Random(1), ["a", "b", "c"]
    references = {f"clip{index}": " ".join(rng.choice(["set", "bin", "lay"]) for _ in range(4)) for index in range(10)}
    for name in names:
        hypotheses = {key: text if name == "b" else text.replace("set", "bin", 1) for key, text in references.items()}
        lines = [json.dumps({"id": key, "text": text}) for key, text in hypotheses.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    lines = [json.dumps({"id": key, "video": "", "text": text, "speaker": ""}) for key, text in references.items()]
    (tmp_path / "ref.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path, [str(tmp_path / f"{name}.jsonl") for name in names]


def test_combine_fits_saves_and_uses_weights(lists, capsys):
    folder, files = lists
    ref, weights = str(folder / "ref.jsonl"), str(folder / "w.json")
    command = ["combine", *files, "--out", str(folder / "f.jsonl"), "--fit", ref, "--save-weights", weights]
    assert main(command) == 0
    assert main(["combine", *files, "--out", str(folder / "u.jsonl"), "--weights", weights, "--ref", ref]) == 0
    output = capsys.readouterr().out
    assert (
        "oracle  WER 0.00%" in output and "combined  WER 0.00%" in output and "gain on the best member 0.00" in output
    )
    assert (folder / "f.jsonl").read_bytes() == (folder / "u.jsonl").read_bytes()
    line = json.loads((folder / "u.jsonl").read_text("utf-8").splitlines()[0])
    assert {"id", "text", "confidence", "words"} == line.keys() and line["words"][0].keys() == {
        "word", "confidence", "agreement",
    }  # fmt: skip


def test_language_model_decides_a_tie(lists):
    folder, _ = lists
    for name, text in (("one", "at blue"), ("two", "at blew")):
        (folder / f"{name}.jsonl").write_text(json.dumps({"id": "x", "text": text}) + "\n", "utf-8")
    (folder / "text.txt").write_text("at blue\nis blue\n" * 20, "utf-8")
    for order in (("one", "two"), ("two", "one")):
        out = folder / "lm.jsonl"
        hypotheses = [str(folder / f"{name}.jsonl") for name in order]
        weights = folder / "w.json"
        names = feature_names(2, ["lm"], False)
        weights.write_text(json.dumps({"weights": dict.fromkeys(names, 0.0) | {"lm": 1.0}}), "utf-8")
        options = ["--method", "lm", "--lm", str(folder / "text.txt"), "--weights", str(weights)]
        assert main(["combine", *hypotheses, "--out", str(out), *options]) == 0
        assert json.loads(out.read_text("utf-8"))["text"] == "at blue"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "lm"], "--method lm needs --lm"),
        (["--lm", "x"], "--lm is for --method lm"),
        (["--save-weights", "w.json"], "--save-weights needs --fit"),
        (["--method", "llm", "--llm", "nowhere"], "nowhere is no folder and no GGUF file"),
    ],
)
def test_refuses_options_that_do_not_fit(lists, capsys, options, message):
    folder, files = lists
    status = 1 if "nowhere" in options else 2
    assert message in refusal(["combine", *files, "--out", str(folder / "o.jsonl"), *options], capsys, status)
    assert not (folder / "o.jsonl").exists()


def test_refuses_lists_of_other_clips_and_a_single_list(lists, capsys):
    folder, files = lists
    out = str(folder / "o.jsonl")
    assert "one list of hypotheses is nothing to combine" in refusal(["combine", files[0], "--out", out], capsys, 2)
    (folder / "short.jsonl").write_text(json.dumps({"id": "clip1", "text": "set"}) + "\n", "utf-8")
    message = refusal(["combine", files[0], str(folder / "short.jsonl"), "--out", out], capsys)
    assert "short.jsonl lacks 9 utterances" in message
    (folder / "w.json").write_text(json.dumps({"weights": {"member_0": 1.0}}), "utf-8")
    message = refusal(["combine", *files, "--weights", str(folder / "w.json"), "--out", out], capsys)
    assert "the weights are of 1 members with plain votes, and this call has 3 members with plain votes" in message


def test_refuses_a_member_given_twice_or_without_confidence(lists, capsys):
    folder, files = lists
    call, weights = ["combine", *files, "--out", str(folder / "o.jsonl")], str(folder / "w.json")
    (folder / "link.jsonl").symlink_to(files[0])
    for repeated in (files[0], str(folder / "link.jsonl")):
        assert main([*call, repeated]) == 2 and f"{repeated} is given twice" in capsys.readouterr().err
    message = refusal([*call, "--method", "confidence"], capsys)
    assert "a.jsonl has no confidence" in message and "--method vote" in message
    assert main([*call, "--fit", str(folder / "ref.jsonl"), "--save-weights", weights]) == 0
    for path in files:
        rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
        Path(path).write_text("".join(json.dumps(row | {"confidence": 0.5}) + "\n" for row in rows), "utf-8")
    assert main([*call, "--method", "confidence"]) == 0
    capsys.readouterr()
    message = refusal([*call, "--method", "confidence", "--weights", weights], capsys)
    assert "w.json: the weights are of 3 members with plain votes" in message and "votes by confidence" in message
    for broken in ("{", '{"weights": {"member_0": NaN}}'):
        (folder / "w.json").write_text(broken, "utf-8")
        assert "holds no weights" in refusal([*call, "--weights", weights], capsys)


def test_two_members_give_the_first_and_a_note(lists, capsys):
    folder, (first, second, third) = lists
    call = ["combine", "--out", str(folder / "o.jsonl"), "--ref", str(folder / "ref.jsonl")]
    assert main([*call, first, second]) == 0
    errors = capsys.readouterr().err
    assert f"neither is the more: this is {first} as it was" in errors
    texts = [
        [json.loads(line)["text"] for line in Path(path).read_text("utf-8").splitlines()]
        for path in (first, folder / "o.jsonl")
    ]
    assert texts[0] == texts[1]
    assert main([*call, first, second, third]) == 0
    assert f"{second} (0.00%) is better than {first}" in capsys.readouterr().err
    assert main([*call, second, first, third]) == 0 and "vsr combine" not in capsys.readouterr().err
