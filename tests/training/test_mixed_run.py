"""MixSpeech by `vsr train`: the schedule advances and is stored, and the model reads by lips, and by sound."""

import pytest

from tests.training.test_audio_visual import LIPS, decode, texts, train
from tests.training.test_audio_visual import corpus as corpus  # noqa: PLC0414  a fixture
from vsr.modelstore.folder import load_model

MIX = "{start: 0.9, end: 0.1, steps: 4, span: 2}"


@pytest.fixture()
def mixspeech_corpus(corpus):
    text = (corpus / "av.yaml").read_text(encoding="utf-8").splitlines()
    frontend = f"{{kind: mixed_streams, video: {LIPS}, sound: {{kind: mel, width: 8}}, mix: {MIX}}}"
    lines = [line.partition("{frontend:")[0] + "{frontend: " + frontend + ", dim:" + line.partition(", dim:")[2]
             if line.startswith("model:") else line for line in text]  # fmt: skip
    settings = "\n".join(lines).replace(
        "frames_per_batch: 60", "frames_per_batch: 60, modality_dropout: {video: 0.0, sound: 0.0}"
    )
    (corpus / "mixed.yaml").write_text(settings + "\nobjective: mixspeech\n", encoding="utf-8")
    return corpus


def test_lips_and_a_mixed_stream_are_trained(mixspeech_corpus, capsys):
    assert train("mixed", "--set", "trainer.max_epochs=3") == 0
    output = capsys.readouterr().out
    assert all(f"{name} " in output for name in ("mixed", "kl", "share", "dev_wer_video", "dev_wer_sound"))
    streams = load_model("mixed/model").model.frontend
    assert float(streams.share) == pytest.approx(0.1, abs=0.02) and streams.mix.steps == 4
    for name in ("video", "sound", "both"):
        assert decode("mixed", f"{name}.jsonl", "--modality", name) == 0
    assert texts("both.jsonl") == texts("video.jsonl")  # nothing is mixed when decoding


def test_objective_is_refused_for_other_models(mixspeech_corpus, capsys):
    assert train("lips", "--set", "objective=mixspeech") == 1
    assert "needs the front end mixed_streams" in capsys.readouterr().err
