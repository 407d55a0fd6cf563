"""Lips and sound: offsets that are put in are found, who speaks, and folders of embeddings."""

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
def test_a_shift_is_found_to_the_frame(frames):
    both = embeddings(120)
    see, hear = both[40:100], both[40 - frames : 100 - frames]
    found = offset_of(see, hear)
    assert found.frames == frames and found.agreement == pytest.approx(1, abs=1e-5) and found.confidence > 0.7
    assert found.seconds == pytest.approx(frames * 0.04)


def test_agreements_are_means_of_cosines_and_confidence_is_above_the_median():
    see, hear = embeddings(12), embeddings(12, 1)
    found = agreements(see, hear, 9)
    for place, steps in enumerate(range(-9, 10)):
        own = [float(see[t] @ hear[t + steps]) for t in range(12) if 0 <= t + steps < 12]
        expected = np.mean(own) if len(own) >= 6 else -1.0
        assert float(found[place]) == pytest.approx(expected, abs=1e-5)
    known = found[found > -1]
    assert best_offset(found).confidence == pytest.approx(float(found.max() - known.median()), abs=1e-6)


@pytest.mark.parametrize("most, known", [(15, True), (2, True)])
def test_an_offset_is_known_by_its_lead_over_shifts_that_are_not_near(most, known):
    found = torch.full((2 * most + 1,), 0.1)
    found[most + 1], found[most + 2] = 0.6, 0.5
    own = best_offset(found)
    assert (own.frames, own.is_clear) == (1, known) and own.lead == pytest.approx(0.5)
    assert offset_text(own) == "sound late by 1 frame (+0.04 s), confidence 0.50"


def test_an_offset_that_does_not_stand_out_is_not_known():
    """Clips of people whom the embeddings do not know were told to be in time at a confidence of 0.02."""
    found = torch.full((31,), 0.1)
    found[15], found[30] = 0.12, 0.11
    own = best_offset(found)
    assert not own.is_clear and own.lead == pytest.approx(0.01, abs=1e-6)
    assert offset_text(own) == "offset not known; best guess in time (+0.00 s), confidence 0.02"


def test_a_few_frames_that_agree_by_chance_are_no_offset():
    """GRID clips of 75 frames were told to be late by more than 60: five frames were left to tell it by."""
    both = embeddings(75)
    see = both + 0.4 * embeddings(75, 1)
    see[:6] = 0.9 * both[-6:]  # beginning and end look alike, as rest does
    assert offset_of(F.normalize(see, dim=-1), both, 72).frames == 0


def test_a_short_track_does_not_speak_against_shifts_that_it_cannot_show(monkeypatch):
    both, short = embeddings(160), embeddings(26, 1)
    tracks = [Track(0, both[40:120], both[20:100], np.zeros(81)), Track(1, short, short.roll(1, 0), np.zeros(27))]
    monkeypatch.setattr(synchrony, "tracks_of", lambda *given: iter(tracks))
    found = synchrony.offset_in(None, "clip.mp4", most=30)
    assert found.frames == 20 and found.agreement == pytest.approx(1, abs=1e-5)


@pytest.fixture
def folders(tmp_path):
    """Folders of a reader with a plain fusion, and of one that was built for contrast."""
    found = {}
    for name, fusion in (("plain", "concat"), ("contrast", {"kind": "contrast", **SMALL})):
        tokenizer = WordTokenizer(["one", "two", "six"])
        save_model(tmp_path / name, reader(fusion), tokenizer, {"name": name})
        found[name] = str(tmp_path / name)
    return found


def test_a_folder_gives_back_its_embeddings(folders, tmp_path):
    loaded = load_model(folders["plain"])
    made = Synchrony.of_reader(loaded, folders["plain"], ContrastSettings(**SMALL))
    made.fusion.eval()
    save_synchrony(tmp_path / "sync", made, {"training": {}})
    found = load_synchrony(tmp_path / "sync")
    crop = np.random.default_rng(0).integers(0, 255, (30, 96, 96), np.uint8)
    wave = np.random.default_rng(0).normal(size=640 * 30).astype(np.float32)
    assert torch.allclose(made.see(crop), found.see(crop), atol=1e-2)
    assert torch.allclose(made.hear(wave), found.hear(wave), atol=1e-2) and found.hear(wave).shape == (30, 8)
    table = json.loads((tmp_path / "sync" / "config.json").read_text())
    table["front_ends"]["sha256"] = "0" * 64
    (tmp_path / "sync" / "config.json").write_text(json.dumps(table))
    with pytest.raises(VsrError, match="was trained on other front ends"):
        load_synchrony(tmp_path / "sync")


def test_a_reader_trained_by_contrast_is_taken_and_others_are_refused(folders, tiny_model):
    own = load_synchrony(folders["contrast"])
    assert own.score(embeddings(9), embeddings(9)) == pytest.approx(10 - 3, abs=1e-3)
    with pytest.raises(VsrError, match="was not trained by contrast"):
        load_synchrony(folders["plain"])
    with pytest.raises(VsrError, match="does not read lips and sound together"):
        load_synchrony(str(tiny_model))


def test_the_face_with_the_best_score_above_nothing_speaks():
    windows = [Window(0, 0.0, 2.0, 1.0), Window(1, 0.0, 2.0, 3.0), Window(0, 2.0, 4.0, -1.0), Window(1, 2.0, 4.0, -2.0)]
    found = {(w.face, w.start): w.speaks for w in decided(windows)}
    assert found == {(0, 0.0): False, (1, 0.0): True, (0, 2.0): False, (1, 2.0): False}
    told = summary(decided(windows))
    assert told[1] == {"score": pytest.approx(0.5), "speaks": 0.5} and told[0]["speaks"] == 0


def test_windows_take_the_offset_of_the_sound(folders):
    """Sound that comes three frames late: with the offset its own embeddings meet."""
    model, both = load_synchrony(folders["contrast"]), embeddings(103)
    track = Track(0, both[3:], both[:-3], np.arange(101) / 25)
    late = [own.score for own in windows_of(model, track, 3)]
    assert all(score == pytest.approx(7, abs=1e-3) for score in late)
    assert max(own.score for own in windows_of(model, track)) < 5
    assert [round(own.start, 2) for own in windows_of(model, track)][:3] == [0.0, 0.48, 0.96]


def with_sound(path, frames):
    """A talking face with noise for sound."""
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


def test_the_verbs_read_videos_and_go_on_after_one_that_is_silent(folders, tmp_path, face_clip, capsys):
    path, out = with_sound(tmp_path / "speech.mp4", 40), tmp_path / "o.jsonl"
    assert main(["sync", str(face_clip), path, "--model", folders["contrast"], "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "has no sound: there is nothing to compare the lips with" in said.err and "confidence" in said.out
    (record,) = map(json.loads, out.read_text().splitlines())
    assert record["file"] == path and abs(record["best"]) <= 15
    assert record["frames"] is record["seconds"] is None and "offset not known" in said.out  # it is noise
    assert main(["speakers", path, "--model", folders["contrast"], "--out", str(out)]) == 0
    assert "face 0 speaks in" in capsys.readouterr().out
    (record,) = map(json.loads, out.read_text().splitlines())
    assert list(record["faces"]) == ["0"] and record["windows"][0]["face"] == 0  # as in transcripts


def test_the_model_that_ships_has_a_name(tmp_path, monkeypatch):
    """Help pages name it as the default, and --model grid-sync was no model."""
    monkeypatch.chdir(tmp_path)
    assert load_synchrony("grid-sync").sha256 == load_synchrony().sha256
