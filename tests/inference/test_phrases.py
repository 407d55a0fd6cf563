"""A closed list of phrases: scores are those of the search, the spoken phrase is chosen, unlisted ones rejected."""

import json
import math
from pathlib import Path

import pytest
import torch

from vsr.cli import main
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.inference.live import recording
from vsr.inference.phrases import choose, read_phrases, score_phrases
from vsr.inference.speech import encoded_windows
from vsr.modelstore.folder import load_model

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
SAID = "place blue by m five please"
OTHERS = ["bin red at z nine again", "set green in b one now", "lay white with f two soon", "place blue by l four now"]


@pytest.fixture(scope="module")
def loaded():
    return load_model()


@pytest.fixture(scope="module")
def states(loaded):
    return torch.cat([window.states for window in encoded_windows(loaded, CLIP)])


def test_scores_are_those_of_the_joint_search(loaded, states):
    options = DecodeOptions(nbest=5)
    (ranked,) = decode(loaded.model, states[None], torch.tensor([len(states)]), options, loaded.tokenizer.eos_id)
    scores = score_phrases(loaded.model, states, [h.tokens for h in ranked], options.ctc_weight)
    assert scores == pytest.approx([h.score for h in ranked], abs=1e-3)
    for weight, name in ((1.0, "ctc_score"), (0.0, "attention_score")):
        weighted = score_phrases(loaded.model, states, [h.tokens for h in ranked], weight)
        assert weighted == pytest.approx([getattr(h, name) for h in ranked], abs=1e-3)


def test_many_phrases_score_as_each_alone(loaded, states):
    phrases = [loaded.tokenizer.encode(text) for text in [SAID, *OTHERS, "now"]] * 15
    together = score_phrases(loaded.model, states, phrases, 0.3)
    alone = [score_phrases(loaded.model, states, [phrase], 0.3)[0] for phrase in phrases[:6]]
    assert together == pytest.approx(alone * 15, rel=1e-4)


def test_spoken_phrase_is_chosen_and_others_rejected(loaded):
    choices = choose(loaded, CLIP, [*OTHERS, SAID])
    assert choices[0].phrase == SAID and choices[0].fit == pytest.approx(1, abs=1e-6)
    assert choose(loaded, CLIP, OTHERS)[0].fit < 0.5
    assert [c.fit for c in choices] == sorted((c.fit for c in choices), reverse=True)
    assert choices[0].in_domain > 0.9


def test_phrase_too_long_for_the_clip_fits_nothing(loaded):
    long = choose(loaded, CLIP, [SAID, "place blue " * 40])[-1]
    assert long.score == -math.inf and long.fit == 0


def test_phrases_command_prints_three_choices_or_none(tmp_path, capsys):
    (tmp_path / "list.txt").write_text("# what is asked for\n\n" + "\n".join([*OTHERS, SAID]) + "\n")
    assert main(["phrases", str(tmp_path / "list.txt"), str(CLIP)]) == 0
    rows = [row.split("\t") for row in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows] == ["1", "2", "3"] and rows[0][3] == SAID
    (tmp_path / "list.txt").write_text("\n".join([*OTHERS, "place blue " * 40]))
    assert main(["phrases", str(tmp_path / "list.txt"), str(CLIP), "--json"]) == 0
    output = capsys.readouterr()
    record = json.loads(output.out)
    assert record["phrase"] is None and len(record["phrases"]) == 5 and "too short for" in output.err
    assert main(["phrases", str(tmp_path / "list.txt"), str(CLIP), "--json", "--nbest", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["phrases"] == record["phrases"][:2], "it took no heed of --nbest"


def test_camera_is_recorded_and_read(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("\n".join([*OTHERS, SAID]) + "\n")

    def record_clip(source, path, seconds, begun):
        begun()
        return CLIP

    monkeypatch.setattr(recording, "record", record_clip)
    assert main(["phrases", "list.txt", "0", "--seconds", "2"]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[0].startswith("0\t1\t") and output.out.splitlines()[0].endswith(SAID)
    assert "camera 0: say it now, for 2 s" in output.err
    monkeypatch.undo()
    assert main(["phrases", str(tmp_path / "list.txt"), "63"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "vsr: camera 63 does not open" in err, "nobody speaks to a camera that is not there"


@pytest.mark.parametrize(
    "text, options, message",
    [
        (None, [], "No such file"),
        ("", [], "there is no phrase"),
        ("# only a comment\n", [], "there is no phrase"),
        ("bin blue\nBin  blue!\n", [], "stands in it twice"),
        ("пять\n", [], "cannot write the phrase 'пять'"),
        ("bin\n", ["--nbest", "0"], "--nbest is a number from 1"),
        ("bin\n", ["--threshold", "nan"], "from 0 to 1"),
        ("bin\n", ["--faces", "all"], "what one face says"),
    ],
)
def test_bad_input_is_one_line(text, options, message, tmp_path, capsys):
    if text is not None:
        (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    assert main(["phrases", str(tmp_path / "list.txt"), str(CLIP), *options]) == (2 if options else 1)
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vsr: ")]
    assert message in error


def test_list_is_read_as_people_write_it(tmp_path):
    (tmp_path / "list.txt").write_bytes("\ufeff I am  cold \r\n\r\n# water\r\nWater, please\r\n".encode())
    assert read_phrases(tmp_path / "list.txt") == ["I am cold", "Water, please"]
