"""Synchrony of lips and sound: known offsets are found, the speaker is found, and folders of embeddings load."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.conftest import talking_face
from tests.models.test_contrast import SMALL, reader
from vsr.cli import main
from vsr.cli.commands.sync import offset_text
from vsr.core.errors import VsrError
from vsr.decoding.synchrony import Synchrony, agreements, best_offset, load_synchrony, offset_of, save_synchrony
from vsr.inference import synchrony
from vsr.inference.synchrony import Track, Window, decided, summary, windows_of
from vsr.models.contrastive_fusion import ContrastSettings
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import WordTokenizer


def embeddings(frames, seed=0):
    return F.normalize(torch.randn(frames, 16, generator=torch.Generator().manual_seed(seed)), dim=-1)


@pytest.mark.parametrize("frames", [-9, -1, 0, 2, 15])
def test_known_shift_is_found_exactly(frames):
    both = embeddings(120)
    lip_embeddings, sound_embeddings = both[40:100], both[40 - frames : 100 - frames]
    offset = offset_of(lip_embeddings, sound_embeddings)
    assert offset.frames == frames and offset.agreement == pytest.approx(1, abs=1e-5) and offset.confidence > 0.7
    assert offset.seconds == pytest.approx(frames * 0.04)


def test_agreement_is_the_mean_cosine_and_confidence_the_lead_over_the_median():
    lip_embeddings, sound_embeddings = embeddings(12), embeddings(12, 1)
    agreement = agreements(lip_embeddings, sound_embeddings, 9)
    for index, steps in enumerate(range(-9, 10)):
        cosines = [float(lip_embeddings[t] @ sound_embeddings[t + steps]) for t in range(12) if 0 <= t + steps < 12]
        expected = np.mean(cosines) if len(cosines) >= 6 else -1.0
        assert float(agreement[index]) == pytest.approx(expected, abs=1e-5)
    possible = agreement[agreement > -1]
    assert best_offset(agreement).confidence == pytest.approx(float(agreement.max() - possible.median()), abs=1e-6)


@pytest.mark.parametrize("most, is_clear", [(15, True), (2, True)])
def test_offset_is_known_by_its_lead_over_distant_shifts(most, is_clear):
    agreement = torch.full((2 * most + 1,), 0.1)
    agreement[most + 1], agreement[most + 2] = 0.6, 0.5
    offset = best_offset(agreement)
    assert (offset.frames, offset.is_clear) == (1, is_clear) and offset.lead == pytest.approx(0.5)
    assert offset_text(offset) == "sound late by 1 frame (+0.04 s), confidence 0.50"


def test_offset_that_does_not_stand_out_is_unknown():
    """Unknown speakers were once reported to be in sync at a confidence of 0.02."""
    agreement = torch.full((31,), 0.1)
    agreement[15], agreement[30] = 0.12, 0.11
    offset = best_offset(agreement)
    assert not offset.is_clear and offset.lead == pytest.approx(0.01, abs=1e-6)
    assert offset_text(offset) == "offset not known; best guess in time (+0.00 s), confidence 0.02"


def test_few_frames_that_agree_by_chance_give_no_offset():
    """GRID clips of 75 frames were once reported to be late by more than 60, with five frames left to compare."""
    both = embeddings(75)
    lip_embeddings = both + 0.4 * embeddings(75, 1)
    lip_embeddings[:6] = 0.9 * both[-6:]  # beginning and end are alike, as at rest
    assert offset_of(F.normalize(lip_embeddings, dim=-1), both, 72).frames == 0


def test_short_track_does_not_rule_out_large_shifts(monkeypatch):
    both, short = embeddings(160), embeddings(26, 1)
    tracks = [Track(0, both[40:120], both[20:100], np.zeros(81)), Track(1, short, short.roll(1, 0), np.zeros(27))]
    monkeypatch.setattr(synchrony, "tracks_of", lambda *arguments: iter(tracks))
    offset = synchrony.offset_in(None, "clip.mp4", most=30)
    assert offset.frames == 20 and offset.agreement == pytest.approx(1, abs=1e-5)


@pytest.fixture
def folders(tmp_path):
    """Folders of a model with plain fusion, and of one built for contrastive training."""
    paths = {}
    for name, fusion in (("plain", "concat"), ("contrast", {"kind": "contrast", **SMALL})):
        tokenizer = WordTokenizer(["one", "two", "six"])
        save_model(tmp_path / name, reader(fusion), tokenizer, {"name": name})
        paths[name] = str(tmp_path / name)
    return paths


def test_synchrony_folder_gives_the_same_embeddings(folders, tmp_path):
    loaded = load_model(folders["plain"])
    original = Synchrony.of_reader(loaded, folders["plain"], ContrastSettings(**SMALL))
    original.fusion.eval()
    save_synchrony(tmp_path / "sync", original, {"training": {}})
    reloaded = load_synchrony(tmp_path / "sync")
    crop = np.random.default_rng(0).integers(0, 255, (30, 96, 96), np.uint8)
    wave = np.random.default_rng(0).normal(size=640 * 30).astype(np.float32)
    assert torch.allclose(original.see(crop), reloaded.see(crop), atol=1e-2)
    assert torch.allclose(original.hear(wave), reloaded.hear(wave), atol=1e-2) and reloaded.hear(wave).shape == (30, 8)
    table = json.loads((tmp_path / "sync" / "config.json").read_text())
    table["front_ends"]["sha256"] = "0" * 64
    (tmp_path / "sync" / "config.json").write_text(json.dumps(table))
    with pytest.raises(VsrError, match="was trained on other front ends"):
        load_synchrony(tmp_path / "sync")


def test_contrastive_model_is_accepted_and_others_refused(folders, tiny_model):
    synchrony_model = load_synchrony(folders["contrast"])
    assert synchrony_model.score(embeddings(9), embeddings(9)) == pytest.approx(10 - 3, abs=1e-3)
    with pytest.raises(VsrError, match="was not trained by contrast"):
        load_synchrony(folders["plain"])
    with pytest.raises(VsrError, match="does not read lips and sound together"):
        load_synchrony(str(tiny_model))


def test_face_with_the_best_positive_score_speaks():
    windows = [Window(0, 0.0, 2.0, 1.0), Window(1, 0.0, 2.0, 3.0), Window(0, 2.0, 4.0, -1.0), Window(1, 2.0, 4.0, -2.0)]
    speaking = {(w.face, w.start): w.speaks for w in decided(windows)}
    assert speaking == {(0, 0.0): False, (1, 0.0): True, (0, 2.0): False, (1, 2.0): False}
    shares = summary(decided(windows))
    assert shares[1] == {"score": pytest.approx(0.5), "speaks": 0.5} and shares[0]["speaks"] == 0


def test_windows_use_the_offset_of_the_sound(folders):
    """For sound three frames late, the embeddings match with that offset."""
    model, both = load_synchrony(folders["contrast"]), embeddings(103)
    track = Track(0, both[3:], both[:-3], np.arange(101) / 25)
    late = [window.score for window in windows_of(model, track, 3)]
    assert all(score == pytest.approx(7, abs=1e-3) for score in late)
    assert max(window.score for window in windows_of(model, track)) < 5
    assert [round(window.start, 2) for window in windows_of(model, track)][:3] == [0.0, 0.48, 0.96]


def with_sound(path, frames):
    """A talking face with noise as sound."""
    import av

    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16_000, layout="mono")
        video.width = video.height = 256
        for image in talking_face(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        wave = np.random.default_rng(0).normal(size=(1, 640 * frames)).astype(np.float32) * 0.1
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return str(path)


def test_sync_and_speakers_continue_after_a_silent_video(folders, tmp_path, face_clip, capsys):
    path, out = with_sound(tmp_path / "speech.mp4", 40), tmp_path / "o.jsonl"
    assert main(["sync", str(face_clip), path, "--model", folders["contrast"], "--out", str(out)]) == 1
    output = capsys.readouterr()
    assert "has no sound: there is nothing to compare the lips with" in output.err and "confidence" in output.out
    (record,) = map(json.loads, out.read_text().splitlines())
    assert record["file"] == path and abs(record["best"]) <= 15
    assert record["frames"] is record["seconds"] is None and "offset not known" in output.out  # it is noise
    assert main(["speakers", path, "--model", folders["contrast"], "--out", str(out)]) == 0
    assert "face 0 speaks in" in capsys.readouterr().out
    (record,) = map(json.loads, out.read_text().splitlines())
    assert list(record["faces"]) == ["0"] and record["windows"][0]["face"] == 0  # as in transcripts


def test_shipped_synchrony_model_has_a_name(tmp_path, monkeypatch):
    """Help names it as the default; --model grid-sync was once no model."""
    monkeypatch.chdir(tmp_path)
    assert load_synchrony("grid-sync").sha256 == load_synchrony().sha256
