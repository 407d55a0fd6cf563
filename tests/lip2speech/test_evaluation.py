"""Measures of voices: known answers, failures counted and never averaged, recognisers, tables."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from lip2speech.evaluation import asr_scorers, metrics
from lip2speech.evaluation import corpus as evaluation
from lip2speech.evaluation.alignment import offset, shifted
from lip2speech.evaluation.corpus import evaluate, evaluate_clip
from lip2speech.evaluation.intelligibility import stoi
from lip2speech.evaluation.summary import summarise, table, write_evaluation
from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave


def noisy(wave, level, seed=0):
    return wave + level * np.random.default_rng(seed).normal(size=len(wave)).astype(np.float32)


def test_wave_compared_with_itself_is_perfect(voice_like):
    figures = metrics.measure(voice_like, voice_like)
    assert figures.stoi == pytest.approx(1, abs=1e-6) and figures.estoi == pytest.approx(1, abs=1e-6)
    assert figures.mcd == 0 and figures.f0 == 0 and figures.voicing == 0 and figures.offset_ms == 0
    assert figures.speaker == pytest.approx(1, abs=1e-4)


def test_stoi_does_not_touch_the_global_random_state(voice_like, monkeypatch):
    other = noisy(voice_like, 0.02)
    other[30_000:] = 0
    with ThreadPoolExecutor(4) as threads:
        scores = set(threads.map(lambda _: stoi(voice_like, other, extended=True), range(8)))
    monkeypatch.setattr(np.random, "seed", lambda seed: pytest.fail("the state of numpy is every thread's"))
    before = np.random.get_state()[1].tolist()
    assert scores == {stoi(voice_like, other, extended=True)}
    assert np.random.get_state()[1].tolist() == before


def test_more_noise_scores_worse(voice_like):
    good, bad = (metrics.measure(voice_like, noisy(voice_like, level)) for level in (0.003, 0.05))
    for name in ("stoi", "estoi", "pesq_nb", "pesq_wb"):
        assert getattr(good, name) > getattr(bad, name), name
    assert good.mcd < bad.mcd


@pytest.mark.parametrize("lag", [-1600, -160, 0, 80, 320, 3000])
def test_shift_is_found_and_undone(voice_like, lag):
    late = np.roll(noisy(voice_like, 0.001), lag)
    assert abs(offset(voice_like, late) - lag) <= 16
    natural, voice = shifted(voice_like, late, lag)
    assert len(natural) == len(voice) == len(voice_like) - abs(lag)
    assert stoi(natural, voice) > 0.99


def test_narrow_and_wide_band_pesq_differ(voice_like):
    noisy_wave = noisy(voice_like, 0.01)
    assert metrics.pesq(voice_like, noisy_wave, "nb") != metrics.pesq(voice_like, noisy_wave, "wb")


@pytest.mark.parametrize(
    ("natural", "voice", "reason"),
    [
        (np.ones(3200), np.ones(3200), "too_short"),
        (np.ones(16_000), np.zeros(16_000), "silent"),
        (np.zeros(16_000), np.ones(16_000), "silent"),
        (np.ones(16_000), np.full(16_000, np.nan), "not_finite"),
    ],
)
def test_refuses_voices_that_cannot_be_scored(natural, voice, reason):
    with pytest.raises(VsrError) as caught:
        metrics.measure(natural.astype(np.float32), voice.astype(np.float32))
    assert caught.value.reason == reason


@pytest.fixture
def corpus(tmp_path, voice_like, monkeypatch):
    """Three clips whose natural sound is `voice_like`, and a row in which one is good, one silent, one missing."""
    clips = [Clip(name, str(tmp_path / f"{name}.mp4"), "bin blue at f two now", "s", 75) for name in "abc"]
    row = tmp_path / "row"
    row.mkdir()
    write_wave(row / "a.wav", noisy(voice_like, 0.003))
    write_wave(row / "b.wav", np.zeros(48_000, np.float32))
    monkeypatch.setattr(evaluation, "natural_wave", lambda clip: voice_like)
    return clips, row


def test_failures_are_counted_and_not_averaged(corpus, tmp_path, monkeypatch):
    clips, row = corpus

    class Echo:
        name = "echo"

        def transcribe(self, wave):
            return "bin blue at f two now" if np.abs(wave).max() > 0 else ""

    monkeypatch.setattr(evaluation, "open_scorer", lambda name: Echo())
    outcomes = evaluate(clips, {"natural": None, "system": str(row)}, "echo")
    rows = summarise(clips, outcomes, with_asr=True)
    assert rows["natural"]["scored"] == 3 and rows["natural"]["asr"]["wer"] == 0
    system = rows["system"]
    assert (system["scored"], system["failed"], system["too_short"]) == (1, 2, 0)
    assert system["reasons"] == {"silent": 1, "missing": 1}
    assert 0.9 < system["figures"]["stoi"]["mean"] <= 1 and system["figures"]["stoi"]["n"] == 1
    assert system["asr"]["wer"] == pytest.approx(2 / 3), "what was not said is counted as deleted"
    result = write_evaluation(tmp_path / "out", clips, outcomes, "cross", "echo")
    assert read_json(tmp_path / "out/result.json") == result
    lines = (tmp_path / "out/utterances.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7 and len({line.count("\t") for line in lines}) == 1
    page = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "another recording of the same speaker" in page and table(rows) in page


def test_clip_without_sound_is_a_failure(tmp_path):
    from tests.conftest import talking_face, write_video

    video = write_video(tmp_path / "silent.mp4", talking_face(25, 64))
    outcome = evaluate_clip(Clip("x", str(video), "a", "s", 25), "natural", None, None)
    assert outcome.reason == "no_sound" and outcome.figures is None


def test_f0_of_unvoiced_sound_is_left_out_of_the_mean(corpus, voice_like):
    clips, _ = corpus
    figures = metrics.measure(voice_like, voice_like)
    outcomes = [evaluation.Outcome("r", "a", replace(figures, f0=float("nan"))), evaluation.Outcome("r", "b", figures)]
    assert summarise(clips[:2], outcomes, with_asr=False)["r"]["figures"]["f0"]["n"] == 1


def test_grammar_of_grid():
    grammar = asr_scorers.grammar_of(asr_scorers.PocketSphinxGrid.slots)
    assert grammar.startswith("#JSGF") and "| x |" in grammar and " w " not in grammar


def test_pocketsphinx_recognises_sentences_of_the_grammar():
    from scipy.signal import resample_poly

    from vsr.corpora.puppet.speech import Voice, synthesiser

    words = ["place", "blue", "by", "m", "five", "please"]
    spoken = synthesiser().speak(words, words, Voice())
    recogniser = asr_scorers.open_scorer("pocketsphinx-grid")
    wave = resample_poly(spoken.samples / 32768, 16_000, spoken.rate).astype(np.float32)
    first = recogniser.transcribe(wave)
    assert len(first.split()) == 6 and "five" in first
    assert recogniser.transcribe(wave) == first, "the order of the clips must not matter"


@pytest.mark.parametrize("name", ["pocketsphinx", "whisper", "whisper:", "google:x", ""])
def test_refuses_unknown_recogniser(name):
    with pytest.raises(VsrError, match="recogniser"):
        asr_scorers.open_scorer(name)


def test_missing_recogniser_is_refused_before_any_work(tmp_path):
    with pytest.raises(VsrError, match="no recogniser"):
        evaluate([], {"natural": None}, f"whisper:{tmp_path}")


def test_wav2vec2_from_a_folder_transcribes(tmp_path, voice_like):
    import json

    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    torch.manual_seed(0)
    words = {"<pad>": 0, "|": 1, "<unk>": 2, "A": 3, "B": 4}
    (tmp_path / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(tmp_path)
    config = Wav2Vec2Config(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(tmp_path)
    transcript = asr_scorers.open_scorer(f"wav2vec2:{tmp_path}").transcribe(voice_like)
    assert isinstance(transcript, str) and transcript == transcript.lower()


def test_results_with_earlier_keys_are_read():
    """The key "asr" was "judge" before, in a result and in each of its rows."""
    from pathlib import Path

    from lip2speech.evaluation.results import page
    from lip2speech.evaluation.summary import with_new_keys

    stored = Path(__file__).parents[2] / "egs/grid/lip2speech/result.json"
    current = json.loads(stored.read_text("utf-8"))
    earlier = json.loads(stored.read_text("utf-8").replace('"asr"', '"judge"'))
    assert earlier != current and with_new_keys(earlier) == current == with_new_keys(current)
    assert page([with_new_keys(earlier)]) == page([current]) and "16.7" in page([current])
