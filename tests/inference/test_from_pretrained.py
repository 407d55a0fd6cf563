"""`from_pretrained` of readers and voices: folders, known names, and the hub without a network."""

from pathlib import Path

import pytest

from lip2speech.inference.voice import SpeakingVoice
from tests import local_hub
from vsr.core.errors import VsrError
from vsr.inference.reader import Reader

ROOT = Path(__file__).parents[2]


def test_reader_loads_by_folder_by_name_and_from_the_hub(tiny_model, face_clip, tmp_path, monkeypatch):
    hub = local_hub.install(monkeypatch, tmp_path / "hub")
    hub.add("org/name", tiny_model)
    local, fetched = Reader.from_pretrained(tiny_model), Reader.from_pretrained("org/name")
    assert isinstance(local, Reader) and local.transcribe(face_clip).text == fetched.transcribe(face_clip).text
    assert Reader.from_pretrained("grid-tracks").weights_sha256 == Reader.from_pretrained().weights_sha256
    with pytest.raises(VsrError, match="near: lrs3"):
        Reader.from_pretrained("lsr3")


def test_voice_from_the_hub_is_a_voice(tmp_path, monkeypatch):
    hub = local_hub.install(monkeypatch, tmp_path / "hub")
    hub.add("org/voice", ROOT / "lip2speech" / "weights")
    assert isinstance(SpeakingVoice.from_pretrained("org/voice"), SpeakingVoice)
    with pytest.raises(VsrError):
        SpeakingVoice.from_pretrained(tmp_path / "nowhere")
