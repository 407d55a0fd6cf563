"""Voices from faces: learnt from synthetic people, spoken with, and matched with a recording."""

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
from lip2speech.training.face_voice import FaceClips
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers
from vsr.core.errors import VsrError
from vsr.data.crop_files import file_name, write_crop
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave

TINY = FaceVoiceConfig(frames=4, side=16, width=4, layers=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return FaceVoice(TINY).eval()


@pytest.fixture
def face_and_voice(tiny_voice_folder, tmp_path, model):
    """A voice with a face encoder."""
    folder = tmp_path / "voice"
    shutil.copytree(tiny_voice_folder, folder)
    save_part(folder / "acoustic/face", model)
    return folder


def test_face_vector_resembles_voice_vectors_and_ignores_padding(model):
    crops = torch.rand(2, 4, 96, 96) * 255
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    vectors = model(crops, mask)
    assert (
        vectors.shape == (2, 256)
        and (vectors >= 0).all()
        and torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    )
    assert torch.allclose(vectors[1:], model(crops[1:, :2], mask[1:, :2]), atol=1e-5)
    brighter = model(crops * 0.5 + 40, mask)
    assert torch.allclose(vectors, brighter, atol=0.02)  # brightness is normalised


def test_crops_may_be_stored_as_videos_and_a_lost_one_is_named(tmp_path):
    """They are in any store of `vsr crop`; a video ended in a traceback."""
    pytest.importorskip("decord", reason="decord is not installed")
    crop = np.random.default_rng(0).integers(0, 255, (6, 96, 96), np.uint8)
    clips = []
    for store in ("npy", "lossless"):
        path = tmp_path / file_name("a", store)
        write_crop(path, crop, store)
        clips.append(Clip("a", "a.mp4", "", "s", 6, str(path)))
    save_file({"speaker": speakers(1)[0].clone()}, str(tmp_path / "a.safetensors"))
    batches = [FaceClips([clip], str(tmp_path), 4).batch([0]).crops for clip in clips]
    assert torch.equal(*batches) and batches[0].shape == (1, 4, 96, 96)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(VsrError, match="cannot read the crop of a"):
        FaceClips(clips[:1], str(tmp_path), 4).batch([0])


def test_clips_of_one_speaker_are_no_negatives():
    from_faces, vectors = speakers(4), speakers(4)
    numbers = torch.tensor([0, 0, 1, 2])
    loss = contrastive_loss(from_faces, vectors, numbers)
    vectors[1] = from_faces[0]  # as near as can be to the first, but of the same speaker
    moved = contrastive_loss(from_faces, vectors, numbers)
    same = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0], [0] * 4, [0] * 4]).bool()
    rows = (from_faces @ vectors.T / 0.07).masked_fill(same, -1e9)
    by_hand = -(rows.log_softmax(1).diagonal().mean() + rows.log_softmax(0).diagonal().mean()) / 2
    assert torch.allclose(moved, by_hand, atol=1e-4) and not torch.allclose(loss, moved)
    assert contrastive_loss(from_faces[:2], vectors[:2], torch.zeros(2)) == 0  # nobody to tell apart


@pytest.mark.parametrize("count", [1, 3, 4, 5, 100])
def test_frames_are_spread_evenly_over_a_clip(count):
    indices = evenly_spaced(count, 4).tolist()
    assert (
        len(indices) == min(4, count)
        and indices == sorted(set(indices))
        and indices[0] == 0
        and indices[-1] == count - 1
    )


def people(folder):
    """Write clips of people with bright or dark mouths, whose voices are two vectors, and their features."""
    (folder / "features").mkdir()
    for name, numbers in (("train", range(8)), ("dev", range(8, 12))):
        clips = []
        for number in numbers:
            clip = Clip(f"c{number}", f"c{number}.mp4", "a", f"p{number}", 6, str(folder / f"c{number}.npy"))
            crop = np.random.default_rng(number).integers(90, 110, (6, 96, 96)).astype(np.uint8)
            crop[:, 48:] += 100 * (number % 2)
            np.save(folder / f"c{number}.npy", crop)
            features_of_clip = {
                "wave": torch.zeros(6 * 640, dtype=torch.int16), "mel": torch.zeros(24, 80),
                "units": torch.zeros(12, dtype=torch.int16), "speaker": speakers(2)[number % 2],
            }  # fmt: skip
            save_file(features_of_clip, str(folder / f"features/c{number}.safetensors"))
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


def test_voice_of_a_face_is_learnt(tmp_path, capsys):
    config = people(tmp_path)
    assert main(["face", "--config", str(tmp_path / "face.yaml"), "--out", str(tmp_path / "run")]) == 0
    model_of_run = load_face_voice(tmp_path / "run/model")
    for number in (8, 9):
        crop = torch.from_numpy(np.load(tmp_path / f"c{number}.npy"))[None, :3]
        vector = model_of_run(crop, torch.ones(1, 3, dtype=torch.bool))[0].detach()
        right, wrong = speakers(2)[number % 2], speakers(2)[1 - number % 2]
        assert vector @ right > vector @ wrong + 0.05
    config["data"]["dev"] = config["data"]["train"]
    (tmp_path / "same.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    capsys.readouterr()
    assert main(["face", "--config", str(tmp_path / "same.yaml"), "--out", str(tmp_path / "no")]) == 1
    assert "dev" in capsys.readouterr().err


def test_face_speaks_with_the_voice_of_its_vector(face_and_voice, tmp_path):
    video = write_video(tmp_path / "clip.mp4", talking_face(50))
    loaded = load_model(face_and_voice)
    vectors = face_vectors(loaded.face_voice, video)
    assert list(vectors) == [0] and np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)
    of_face = speak(loaded, video, "face").wave
    assert np.array_equal(of_face, speak(loaded, video, vectors[0]).wave)
    assert not np.array_equal(of_face, speak(loaded, video).wave)
    command = ["speak", str(video), "--text", "none", "-o", str(tmp_path / "out.wav")]
    assert main([*command, "--model", str(face_and_voice), "--reference", "face", "--consent"]) == 0


def test_voice_without_a_face_encoder_is_refused(tiny_voice_folder, face_and_voice, tmp_path, capsys):
    video = write_video(tmp_path / "clip.mp4", talking_face(30))
    command = ["speak", str(video), "--model", str(tiny_voice_folder), "-o", str(tmp_path / "out.wav")]
    assert main([*command, "--reference", "face"]) == 1 and "knows no voices of faces" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()
    with pytest.raises(VsrError, match="knows no voices"):
        face_folder(tiny_voice_folder / "acoustic")
    assert face_folder(face_and_voice) == face_folder(face_and_voice / "acoustic") == face_and_voice / "acoustic/face"


class Embeddings:
    """What `best_shift` uses of a synchrony model."""

    class fusion:  # noqa: N801
        scale, bias = torch.tensor(10.0), torch.tensor(-5.0)


@pytest.mark.parametrize("start", [0, 7, -9, 40])
def test_sound_is_found_at_its_shift(start):
    generator = torch.Generator().manual_seed(0)
    sound = torch.nn.functional.normalize(torch.randn(120, 16, generator=generator), dim=1)
    lips_elsewhere = torch.nn.functional.normalize(torch.randn(60, 16, generator=generator), dim=1)
    lips = lips_elsewhere.clone()
    inside = range(max(0, -start), min(60, 120 - start))
    lips[list(inside)] = sound[[index + start for index in inside]]
    shift, score = best_shift(Embeddings, lips, sound)
    assert shift == start and score == pytest.approx(5 * len(inside) / 60, abs=0.01) and score > SPEAKS
    assert best_shift(Embeddings, lips_elsewhere, sound)[1] < SPEAKS and MIN_FRAMES <= 60


def test_match_finds_the_speaker(face_and_voice, tmp_path, voice_like, capsys):
    write_wave(tmp_path / "said.wav", voice_like)
    videos = [str(write_video(tmp_path / f"{n}.mp4", talking_face(40)[:, :, ::step])) for n, step in ((0, 1), (1, -1))]
    command = ["match", "--voice", str(tmp_path / "said.wav"), *videos]
    assert main([*command, "--model", str(face_and_voice), "--out", str(tmp_path / "m.jsonl")]) == 0
    lines = capsys.readouterr().out.splitlines()
    records = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text("utf-8").splitlines()]
    assert {entry["video"] for entry in records} == set(videos) and all("looks" in line for line in lines[:2])
    if not records[0]["speaks"]:
        assert records[0]["cosine"] >= records[1]["cosine"] and "once in 2" in lines[2]
    assert main(command) == 0 and "looks" not in capsys.readouterr().out.splitlines()[0]
    (tmp_path / "bad.mp4").write_text("no video")
    assert main([*command, str(tmp_path / "bad.mp4"), "none.mp4"]) == 1
    output = capsys.readouterr()
    assert all(name in output.err for name in ("bad.mp4", "none.mp4")) and len(output.err.splitlines()) == 2
    assert all(any(video in line for line in output.out.splitlines()) for video in videos)
    assert main([*command[:3], "none.mp4"]) == 1 and "none.mp4: no such file" in capsys.readouterr().err
    for wrong, message in ((["--model", str(tmp_path)], "knows no voices"), (["--out", videos[0]], "is what is read")):
        assert main([*command, *wrong]) == 1 and message in capsys.readouterr().err
    write_wave(tmp_path / "said.wav", voice_like[:9000])
    assert main(command) == 1 and "a second" in capsys.readouterr().err


def test_dry_run_builds_the_network(tmp_path, capsys, monkeypatch):
    people(tmp_path)
    assert main(["face", "--config", str(tmp_path / "face.yaml"), "--dry-run"]) == 0
    assert "contrast with other speakers" in capsys.readouterr().out and not (tmp_path / "run").exists()


def test_synthetic_people_differ_and_are_in_one_list_each(tmp_path):
    pytest.importorskip("espeakng_loader")
    from vsr.corpora.puppet.identities import PITCHES, WIDTHS, draw_identity, prepare_identities
    from vsr.data.manifest import read_manifest

    identities = [draw_identity(0, number) for number in range(40)]
    assert (
        identities == [draw_identity(0, number) for number in range(40)]
        and len({identity.width for identity in identities}) == 40
    )
    assert all(WIDTHS[0] <= identity.width <= WIDTHS[1] for identity in identities)
    pitches = [identity.voice().pitch for identity in sorted(identities, key=lambda identity: identity.width)]
    assert pitches == sorted(pitches, reverse=True) and PITCHES[1] <= pitches[-1] <= pitches[0] <= PITCHES[0]
    frame = np.full((288, 288, 3), 200, np.uint8)
    looks = [identity.look()(frame) for identity in identities[:2]]
    assert looks[0].min() > 195 and looks[1].min() < 120  # the second has a beard
    assert prepare_identities(tmp_path, 6, 1) == {"train": 4, "dev": 1, "test": 1}
    lists = {name: read_manifest(tmp_path / f"{name}.jsonl") for name in ("train", "dev", "test")}
    who = [clip.speaker for clips in lists.values() for clip in clips]
    assert len(set(who)) == len(who) == 6 and all(clip.text for clips in lists.values() for clip in clips)
    with pytest.raises(VsrError, match="6 at least"):
        prepare_identities(tmp_path, 5, 1)
