"""An option without effect is refused before anything is read, and files may follow options."""

import pytest

from vsr.cli import VSR

SEARCH = "transcribe clip.mp4", "decode --manifest m.jsonl --out o.jsonl"
UNUSED = [
    *(f"{verb} {options}" for verb in SEARCH for options in (
        "--method ctc_greedy --beam 20", "--method ctc_greedy --nbest 2", "--method ctc_beam --ctc-weight 0.3",
        "--method attention --lm x", "--method attention --length-bonus 1", "--lexicon x --hotwords y",
        "--method ctc_beam --ngram x", "--method joint --lexicon x",
    )),
    "inspect clip.mp4 -o page.html --method ctc_greedy --beam 3",
    "transcribe clip.mp4 --force",
    "average --models a b --last 3 --out c",
    "average --models a b --best 3 --out c",
    "tokens --manifest m.jsonl --out t --kind char --size 30",
    "tokens --manifest m.jsonl --out t --kind unigram --word-mark no",
    "restore --model m --llm l --manifest m.jsonl --out o.jsonl --ngram-weight 1",
    "score --ref r.jsonl --hyp h.jsonl --dictionary cmu",
    "score --ref r.jsonl --hyp h.jsonl --accuracy --normaliser alnum",
    "corrupt m.jsonl --out o --occlude 0.5 --babble-from b.jsonl",
    "corrupt m.jsonl --out o --occlude 0.5 --crops --lossless",
    "convert --from manifest --to kaldi --input m.jsonl --out o --tokens t",
    "convert --from av_hubert --to kaldi --input m.tsv --out o --features f",
    "prepare grid --corpus c --out o --train 5",
    "prepare grid --corpus c --out o --test-only",
    "prepare puppet --out o --lists l",
    "prepare lrs3 --corpus c --out o --test-only --max-seconds 4",
    "phrases list.txt clip.mp4 --speak said.wav",
    "phrases enrol hello clip.mp4 --nbest 2",
    "phrases own clip.mp4 --voice de",
    "phrases remove hello --nbest 2",
    "phrases remove hello --model grid",
    "phrases enrolled --cropped",
    "phrases list.txt clip.mp4 --cropped --faces 1",
    "align clip.mp4 --text ab --cropped --faces 1",
    "find ab clip.mp4 --cropped --faces 2",
    "encode clip.mp4 -o o --cropped --faces all",
    "phrases list.txt clip.mp4 --seconds 2",
]  # fmt: skip
SPOKEN = [
    "speak clip.mp4 -o o.mp4 --tokens t --solver heun",
    "synthesize --manifest m.jsonl --features f --out o --copy --steps 3",
    "synthesize --manifest m.jsonl --features f --out o --tokens t --guidance 2",
    "voices list --consent",
    "inspect clip.mp4 -o page.html --method ctc_greedy --beam 3",
]


@pytest.mark.parametrize("line", UNUSED)
def test_option_without_effect_is_refused(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    check_refused(VSR.main, line, capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", SPOKEN)
def test_option_without_effect_is_refused_by_lip2speech(line, tmp_path, monkeypatch, capsys):
    from lip2speech.cli import main

    monkeypatch.chdir(tmp_path)
    check_refused(main, line, capsys)
    assert not list(tmp_path.iterdir())


def check_refused(main, line, capsys):
    assert main(line.split()) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert " works only with " in message and "leave it out" in message


def test_method_of_the_model_decides_which_options_have_effect(tiny_model):
    from vsr.core.errors import VsrError
    from vsr.decoding.defaults import options_in

    config = {"model": {"heads": {"ctc": {}}}}
    with pytest.raises(VsrError, match="ctc_weight works only with .* joint, .* searched by ctc_beam") as caught:
        options_in(tiny_model, config, {"ctc_weight": 0.3})
    assert caught.value.reason == "bad_options"
    assert options_in(tiny_model, config, {"nbest": 3}).method == "ctc_beam"


@pytest.mark.parametrize(
    "line",
    [
        "phrases list.txt --model none a.mp4 b.mp4",
        "find hello --threshold 0.3 a.mp4 b.mp4",
        "transcribe a.mp4 -o out b.mp4",
        "combine a.jsonl --out o.jsonl b.jsonl",
    ],
)
def test_files_may_follow_options(line, monkeypatch):
    calls = []
    verb = line.split()[0]
    monkeypatch.setattr(f"vsr.cli.commands.{verb}.run", lambda args: calls.append(args) or 0)
    assert VSR.main(line.split()) == 0
    files = calls[0].hypotheses if verb == "combine" else calls[0].videos
    assert [file[0] for file in files] == ["a", "b"]
