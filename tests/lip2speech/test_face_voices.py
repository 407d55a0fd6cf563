"""A voice from a face: what is learned of made people, spoken with, and matched with a recording."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from lip2speech.cli import main
from lip2speech.inference.dubbing import speak
from lip2speech.inference.face_voices import face_folder, face_vectors, load_face_voice
from lip2speech.inference.folder import load_model
from lip2speech.inference.matching import MIN_FRAMES, SPEAKS, best_shift
from lip2speech.models.face_voice import FaceVoice, FaceVoiceConfig, contrastive_loss, evenly_spaced
from lip2speech.models.parts import save_part
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

TINY = FaceVoiceConfig(frames=4, side=16, width=4, layers=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return FaceVoice(TINY).eval()


@pytest.fixture
def face_and_voice(tiny_voice_folder, tmp_path, model):
    """A voice that has learnt faces."""
    folder = tmp_path / "voice"
    shutil.copytree(tiny_voice_folder, folder)
    save_part(folder / "acoustic/face", model)
    return folder


def test_a_vector_is_like_those_of_voices_and_padding_is_not_seen(model):
    crops = torch.rand(2, 4, 96, 96) * 255
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    made = model(crops, mask)
    assert made.shape == (2, 256) and (made >= 0).all() and torch.allclose(made.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(made[1:], model(crops[1:, :2], mask[1:, :2]), atol=1e-5)
    brighter = model(crops * 0.5 + 40, mask)
    assert torch.allclose(made, brighter, atol=0.02)  # light is taken out


def test_other_clips_of_a_speaker_are_no_negatives():
    made, vectors = speakers(4), speakers(4)
    numbers = torch.tensor([0, 0, 1, 2])
    loss = contrastive_loss(made, vectors, numbers)
    vectors[1] = made[0]  # as near as can be to the first, but of the same speaker
    moved = contrastive_loss(made, vectors, numbers)
    same = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0], [0] * 4, [0] * 4]).bool()
    rows = (made @ vectors.T / 0.07).masked_fill(same, -1e9)
    by_hand = -(rows.log_softmax(1).diagonal().mean() + rows.log_softmax(0).diagonal().mean()) / 2
    assert torch.allclose(moved, by_hand, atol=1e-4) and not torch.allclose(loss, moved)
    assert contrastive_loss(made[:2], vectors[:2], torch.zeros(2)) == 0  # nobody to tell apart


@pytest.mark.parametrize("count", [1, 3, 4, 5, 100])
def test_frames_are_spread_over_a_clip(count):
    places = evenly_spaced(count, 4).tolist()
    assert len(places) == min(4, count) and places == sorted(set(places)) and places[0] == 0 and places[-1] == count - 1


def people(folder):
    """Clips of bright-mouthed and dark-mouthed people, whose voices are two vectors; their features."""
    (folder / "features").mkdir()
    for name, numbers in (("train", range(8)), ("dev", range(8, 12))):
        clips = []
        for number in numbers:
            clip = Clip(f"c{number}", f"c{number}.mp4", "a", f"p{number}", 6, str(folder / f"c{number}.npy"))
            crop = np.random.default_rng(number).integers(90, 110, (6, 96, 96)).astype(np.uint8)
            crop[:, 48:] += 100 * (number % 2)
            np.save(folder / f"c{number}.npy", crop)
            kept = {
                "wave": torch.zeros(6 * 640, dtype=torch.int16), "mel": torch.zeros(24, 80),
                "units": torch.zeros(12, dtype=torch.int16), "speaker": speakers(2)[number % 2],
            }  # fmt: skip
            save_file(kept, str(folder / f"features/c{number}.safetensors"))
            clips.append(clip)
        write_manifest(folder / f"{name}.jsonl", clips)
    config = {
        "data": {"train": [str(folder / "train.jsonl")], "dev": [str(folder / "dev.jsonl")],
                 "features": str(folder / "features"), "clips": 4},
        "model": {"frames": 3, "side": 16, "width": 4, "layers": 2},
        "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 30, "precision": "32-true", "threads": 1},
    }  # fmt: skip
    (folder / "face.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return config


def test_looks_that_say_the_voice_are_learned(tmp_path, capsys):
    config = people(tmp_path)
    assert main(["face", "--config", str(tmp_path / "face.yaml"), "--out", str(tmp_path / "run")]) == 0
    found = load_face_voice(tmp_path / "run/model")
    for number in (8, 9):
        crop = torch.from_numpy(np.load(tmp_path / f"c{number}.npy"))[None, :3]
        made = found(crop, torch.ones(1, 3, dtype=torch.bool))[0].detach()
        own, other = speakers(2)[number % 2], speakers(2)[1 - number % 2]
        assert made @ own > made @ other + 0.05
    config["data"]["dev"] = config["data"]["train"]
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    capsys.readouterr()
    assert main(["face", "--config", str(tmp_path / "same.yaml"), "--out", str(tmp_path / "no")]) == 1
    assert "dev" in capsys.readouterr().err


def test_a_face_speaks_with_the_voice_of_its_looks(face_and_voice, tmp_path):
    film = write_video(tmp_path / "clip.mp4", talking_face(50))
    loaded = load_model(face_and_voice)
    vectors = face_vectors(loaded.face_voice, film)
    assert list(vectors) == [0] and np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)
    by_looks = speak(loaded, film, "face").wave
    assert np.array_equal(by_looks, speak(loaded, film, vectors[0]).wave)
    assert not np.array_equal(by_looks, speak(loaded, film).wave)
    given = ["speak", str(film), "--text", "none", "-o", str(tmp_path / "out.wav")]
    assert main([*given, "--model", str(face_and_voice), "--reference", "face", "--consent"]) == 0


def test_a_voice_without_looks_is_refused(tiny_voice_folder, face_and_voice, tmp_path, capsys):
    film = write_video(tmp_path / "clip.mp4", talking_face(30))
    given = ["speak", str(film), "--model", str(tiny_voice_folder), "-o", str(tmp_path / "out.wav")]
    assert main([*given, "--reference", "face"]) == 1 and "knows no voices of faces" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()
    with pytest.raises(VsrError, match="knows no voices"):
        face_folder(tiny_voice_folder / "acoustic")
    assert face_folder(face_and_voice) == face_folder(face_and_voice / "acoustic") == face_and_voice / "acoustic/face"


class Embeddings:
    """What `best_shift` asks of a model of synchrony."""

    class fusion:  # noqa: N801
        scale, bias = torch.tensor(10.0), torch.tensor(-5.0)


@pytest.mark.parametrize("start", [0, 7, -9, 40])
def test_sound_is_found_where_it_belongs(start):
    generator = torch.Generator().manual_seed(0)
    hear = torch.nn.functional.normalize(torch.randn(120, 16, generator=generator), dim=1)
    around = torch.nn.functional.normalize(torch.randn(60, 16, generator=generator), dim=1)
    see = around.clone()
    inside = range(max(0, -start), min(60, 120 - start))
    see[list(inside)] = hear[[place + start for place in inside]]
    shift, score = best_shift(Embeddings, see, hear)
    assert shift == start and score == pytest.approx(5 * len(inside) / 60, abs=0.01) and score > SPEAKS
    assert best_shift(Embeddings, around, hear)[1] < SPEAKS and MIN_FRAMES <= 60


def test_match_through_the_command(face_and_voice, tmp_path, voice_like, capsys):
    write_wave(tmp_path / "said.wav", voice_like)
    films = [str(write_video(tmp_path / f"{n}.mp4", talking_face(40)[:, :, ::step])) for n, step in ((0, 1), (1, -1))]
    given = ["match", "--voice", str(tmp_path / "said.wav"), *films]
    assert main([*given, "--model", str(face_and_voice), "--out", str(tmp_path / "m.jsonl")]) == 0
    said = capsys.readouterr().out.splitlines()
    records = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text("utf-8").splitlines()]
    assert {own["video"] for own in records} == set(films) and all("looks" in line for line in said[:2])
    if not records[0]["speaks"]:
        assert records[0]["cosine"] >= records[1]["cosine"] and "once in 2" in said[2]
    assert main(given) == 0 and "looks" not in capsys.readouterr().out.splitlines()[0]
    (tmp_path / "bad.mp4").write_text("no video")
    assert main([*given, str(tmp_path / "bad.mp4"), "none.mp4"]) == 1
    printed = capsys.readouterr()
    assert all(name in printed.err for name in ("bad.mp4", "none.mp4")) and len(printed.err.splitlines()) == 2
    assert all(any(own in line for line in printed.out.splitlines()) for own in films)
    assert main([*given[:3], "none.mp4"]) == 1 and "none.mp4: no such file" in capsys.readouterr().err
    for wrong, why in ((["--model", str(tmp_path)], "knows no voices"), (["--out", films[0]], "is what is read")):
        assert main([*given, *wrong]) == 1 and why in capsys.readouterr().err
    write_wave(tmp_path / "said.wav", voice_like[:9000])
    assert main(given) == 1 and "a second" in capsys.readouterr().err


def test_a_dry_run_builds_the_network(tmp_path, capsys, monkeypatch):
    people(tmp_path)
    assert main(["face", "--config", str(tmp_path / "face.yaml"), "--dry-run"]) == 0
    assert "contrast with other speakers" in capsys.readouterr().out and not (tmp_path / "run").exists()


def test_made_people_differ_and_nobody_is_in_two_lists(tmp_path):
    pytest.importorskip("espeakng_loader")
    from vsr.corpora.puppet.identities import PITCHES, WIDTHS, draw_identity, prepare_identities
    from vsr.data.manifest import read_manifest

    some = [draw_identity(0, number) for number in range(40)]
    assert some == [draw_identity(0, number) for number in range(40)] and len({own.width for own in some}) == 40
    assert all(WIDTHS[0] <= own.width <= WIDTHS[1] for own in some)
    pitches = [own.voice().pitch for own in sorted(some, key=lambda own: own.width)]
    assert pitches == sorted(pitches, reverse=True) and PITCHES[1] <= pitches[-1] <= pitches[0] <= PITCHES[0]
    frame = np.full((288, 288, 3), 200, np.uint8)
    looks = [own.look()(frame) for own in some[:2]]
    assert looks[0].min() > 195 and looks[1].min() < 120  # the second has a beard
    assert prepare_identities(tmp_path, 6, 1) == {"train": 4, "dev": 1, "test": 1}
    lists = {name: read_manifest(tmp_path / f"{name}.jsonl") for name in ("train", "dev", "test")}
    who = [clip.speaker for own in lists.values() for clip in own]
    assert len(set(who)) == len(who) == 6 and all(clip.text for own in lists.values() for clip in own)
    with pytest.raises(VsrError, match="6 at least"):
        prepare_identities(tmp_path, 5, 1)
