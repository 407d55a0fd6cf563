"""Adaptation to one face: only what is chosen changes, the seed decides, no worse model is written silently."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.data.speaker_clips import transcribed_clips
from vsr.evaluation.wer import score
from vsr.face.mouth_features import write_track
from vsr.models.fusion import FusedReader
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import CharTokenizer, WordTokenizer
from vsr.training import cross_validation, personal
from vsr.training.adapting import AdaptationSettings, adapt_model
from vsr.training.cross_validation import Gain, folds_of
from vsr.training.fusing import fuse_models
from vsr.training.tuned_parts import NORMS, LowRank

SMALL = {"dim": 32, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32}
PIXELS = {"frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2} | SMALL
TRACKS = {"frontend": "landmarks", "encoder": "recurrent"} | SMALL | {"decoder_layers": 0}
WORDS = ("a", "and", "b")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    for name, settings, own in (("pixels", PIXELS, CharTokenizer()), ("tracks", TRACKS, WordTokenizer(WORDS))):
        torch.manual_seed(0)
        save_model(where / name, LipReader(LipReaderConfig(own.vocab_size, **settings)), own, {"name": name})
    fuse_models(where / "pixels", where / "tracks", where / "fused")
    return where


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    where, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    made = []
    for number, text in enumerate(("a", "b", "a and b", "b a")):
        crop, track = where / f"c{number}.npy", where / f"c{number}.track.npz"
        np.save(crop, rng.integers(0, 255, (20, 96, 96), np.uint8))
        points = rng.normal(0, 10, (20, 9, 2))
        points[:, 1, 0] += 60
        write_track(track, points, rng.random((20, 8)))
        made.append(Clip(f"c{number}", str(crop), text, "x", 20, str(crop), track=str(track)))
    write_manifest(where / "clips.jsonl", made)
    return made


def changed(before, after):
    """Names of the parameters that are others now."""
    given = dict(before.model.named_parameters())
    return {name for name, own in after.model.named_parameters() if not torch.equal(own, given[name])}


def test_norms_change_norms_alone_and_adapters_matrices_alone(folders, clips):
    loaded = load_model(folders / "fused")
    norms = {
        f"{place}.{name}" for place, module in loaded.model.named_modules() if isinstance(module, NORMS)
        for name, _ in module.named_parameters()
    }  # fmt: skip
    by_norms = changed(loaded, adapt_model(loaded, clips, AdaptationSettings("norms", 2)))
    assert by_norms and by_norms <= norms
    by_adapters = changed(loaded, adapt_model(loaded, clips, AdaptationSettings("adapters", 2)))
    sizes = dict(loaded.model.named_parameters())
    assert by_adapters and all(sizes[name].dim() == 2 for name in by_adapters)
    assert {name.split(".")[0] for name in by_adapters} == {"pixels", "tracks"}
    assert by_norms | by_adapters < changed(loaded, adapt_model(loaded, clips, AdaptationSettings("all", 2)))


def test_an_adapter_adds_a_product_of_low_rank_with_its_own_gradient():
    torch.manual_seed(0)
    layer = torch.nn.Linear(40, 40, bias=False)
    parts = LowRank(layer, rank=3)
    with torch.no_grad():
        parts.up[0].normal_()
    parts.update_model()
    first, seen = parts.first[0], torch.randn(5, 40)
    layer(seen).square().sum().backward()
    parts.gather()
    up, down = (own[0].detach().clone().requires_grad_() for own in (parts.up, parts.down))
    (seen @ (first + up @ down).T).square().sum().backward()
    assert torch.allclose(parts.up[0].grad, up.grad, rtol=1e-3, atol=1e-3)
    assert torch.allclose(parts.down[0].grad, down.grad, rtol=1e-3, atol=1e-3)
    assert torch.linalg.matrix_rank(layer.weight.detach() - first, atol=1e-3) == 3


def test_the_seed_decides_and_the_given_model_stays(folders, clips):
    loaded = load_model(folders / "pixels")
    before = {name: own.clone() for name, own in loaded.model.state_dict().items()}
    torch.manual_seed(1)
    one = adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=5))
    torch.manual_seed(2)
    drawn = torch.rand(1)
    torch.manual_seed(2)
    two = adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=5))
    assert torch.equal(torch.rand(1), drawn), "it draws from the caller's random numbers"
    assert not changed(one, two) and changed(one, adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=6)))
    assert all(torch.equal(own, before[name]) for name, own in loaded.model.state_dict().items())
    assert not one.model.training and all(own.requires_grad for own in one.model.parameters())


def test_it_learns_what_it_is_given(folders, clips):
    loaded = load_model(folders / "pixels")
    own = adapt_model(loaded, clips, AdaptationSettings("all", 60))
    batch = personal_batch(loaded, clips)

    def loss(model):
        from vsr.objectives.registry import objective_of

        with torch.no_grad():
            return float(objective_of(model.config, "")(model, batch)["loss"])

    assert loss(own.model) < loss(loaded.model) - 0.1


def personal_batch(loaded, clips):
    from vsr.data.batch import CropDataset

    return CropDataset(clips, loaded.tokenizer, None).batch(range(len(clips)))


def test_words_that_the_tracks_lack_teach_the_pixels_alone(folders, clips):
    loaded, shown = load_model(folders / "fused"), []
    others = [replace(clip, text="zebra") for clip in clips]
    own = adapt_model(loaded, others, AdaptationSettings(steps=2), say=shown.append)
    assert {name.split(".")[0] for name in changed(loaded, own)} == {"pixels"}
    assert any("4 of 4 clips" in line for line in shown)


def test_every_clip_is_left_out_once():
    for count, folds in ((4, 3), (5, 5), (3, 9), (20, 3)):
        dealt = folds_of(count, folds, 1)
        assert sorted(sum(dealt, [])) == list(range(count)) and len(dealt) == min(count, folds)
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_no_clip_is_read_by_a_model_that_was_adapted_to_it(monkeypatch, clips):
    monkeypatch.setattr(
        cross_validation, "_read", lambda model, some: {c.id: "a" if c.id not in model else "?" for c in some}
    )
    gain = cross_validation.cross_validated_gain({}, clips, 3, 0, lambda model, some, shown: {clip.id for clip in some})
    assert gain.before == gain.after and not gain.worse


def test_the_command_writes_a_model_that_reads(folders, clips, tmp_path, capsys):
    listed = str(Path(clips[0].crop).parent / "clips.jsonl")
    out = tmp_path / "anna"
    command = ["adapt", listed, "--model", str(folders / "fused"), "-o", str(out), "--steps", "2", "--folds", "2"]
    assert main([*command, "--anyway"]) == 0
    assert "left-out WER" in capsys.readouterr().out
    own = load_model(out)
    assert isinstance(own.model, FusedReader) and own.name == "anna"
    assert own.config["adapted"]["clips"] == 4 and own.config["adapted"]["left_out"]["before"]["scored"] == 4
    assert "4 transcribed clips" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert main([*command, "--anyway"]) == 0, "an adapted model may be replaced by one"


def test_a_model_that_hears_is_adapted_and_measured_by_its_lips(folders, clips, tmp_path, capsys):
    own, settings = CharTokenizer(), {"kind": "video_transformer", "width": 16, "layers": 1, "heads": 2}
    both = {"frontend": "audio_visual", "frontend_settings": {"video": settings, "sound": {"kind": "mel", "width": 8}}}
    save_model(tmp_path / "av", LipReader(LipReaderConfig(own.vocab_size, **SMALL | both)), own, {"name": "av"})
    listed = str(Path(clips[0].crop).parent / "clips.jsonl")
    more = [
        "--untranscribed",
        str(tmp_path / "more.jsonl"),
        "--rounds",
        "1",
        "--steps",
        "1",
        "--folds",
        "2",
        "--anyway",
    ]
    write_manifest(tmp_path / "more.jsonl", [replace(clips[0], id="x", start=0.2, end=0.8)])
    assert main(["adapt", listed, *more, "--model", str(tmp_path / "av"), "-o", str(tmp_path / "m")]) == 0
    shown = capsys.readouterr().out
    assert "left-out WER" in shown and "1 clips without text" in shown


def gain_of(before, after):
    references = {"x": "a b c d"}
    return Gain(score(references, {"x": before})[0], score(references, {"x": after})[0])


def test_a_worse_model_is_not_written_unless_asked_for(monkeypatch, folders, clips, tmp_path, capsys):
    monkeypatch.setattr(personal, "cross_validated_gain", lambda *given: gain_of("a b c d", "a b"))
    listed = str(Path(clips[0].crop).parent / "clips.jsonl")
    command = ["adapt", listed, "--model", str(folders / "pixels"), "-o", str(tmp_path / "m"), "--steps", "1"]
    assert main(command) == 1 and not (tmp_path / "m").exists()
    shown = capsys.readouterr()
    assert "left-out WER 0.0% before, 50.0% after (0 and 2 of 4 words wrong" in shown.out and "--anyway" in shown.err
    assert main([*command, "--anyway"]) == 0 and (tmp_path / "m" / "config.json").exists()


def test_few_clips_are_said_to_be_unmeasured(folders, clips, tmp_path, capsys):
    write_manifest(tmp_path / "two.jsonl", clips[:2])
    command = ["adapt", str(tmp_path / "two.jsonl"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]
    assert main([*command, "--steps", "1"]) == 0
    assert "not measured" in capsys.readouterr().out
    assert json.loads((tmp_path / "m" / "config.json").read_text())["adapted"]["left_out"] is None


def test_a_folder_needs_one_video_for_each_text(tmp_path):
    with pytest.raises(VsrError, match="no transcripts"):
        transcribed_clips(tmp_path)
    (tmp_path / "a b.txt").write_text("bin  blue\nat\n")
    with pytest.raises(VsrError, match="no video"):
        transcribed_clips(tmp_path)
    (tmp_path / "a b.mp4").touch()
    (clip,) = transcribed_clips(tmp_path)
    assert clip.text == "bin blue at" and clip.video.endswith("a b.mp4") and clip.id == "0000_a_b"
    (tmp_path / "a b.mkv").touch()
    with pytest.raises(VsrError, match="2 files"):
        transcribed_clips(tmp_path)
    (tmp_path / "a b.mkv").unlink()
    (tmp_path / "a b.txt").write_text(" \n")
    with pytest.raises(VsrError, match="empty"):
        transcribed_clips(tmp_path)


@pytest.mark.parametrize("what", ["text without words", "no such list", "tracks alone", "another model's place"])
def test_bad_input_is_one_line_and_writes_nothing(what, folders, clips, tmp_path, capsys):
    listed, model, out = tmp_path / "l.jsonl", folders / "pixels", tmp_path / "m"
    write_manifest(listed, [replace(clip, text="...") if "words" in what else clip for clip in clips])
    listed = tmp_path / "gone.jsonl" if "list" in what else listed
    model = folders / "tracks" if "tracks" in what else model
    out = folders / "fused" if "place" in what else out
    there = sorted(out.iterdir()) if out.exists() else None
    assert main(["adapt", str(listed), "--model", str(model), "-o", str(out), "--folds", "0", "--steps", "1"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert (sorted(out.iterdir()) if out.exists() else None) == there


def test_videos_without_lips_are_named_and_nothing_is_written(folders, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "in" / "a.txt").write_text("a")
    assert main(["adapt", str(tmp_path / "in"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]) == 1
    assert "0000_a is left out" in capsys.readouterr().err and not (tmp_path / "m").exists()


def test_a_video_that_is_left_out_is_told_by_the_exit_status(folders, clips, tmp_path, capsys):
    """It was 0, as if the model were of all that was given."""
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    write_manifest(tmp_path / "l.jsonl", [*clips[:2], Clip("bad", str(tmp_path / "bad.mp4"), clips[0].text)])
    command = ["adapt", str(tmp_path / "l.jsonl"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]
    assert main([*command, "--steps", "1", "--folds", "0"]) == 1 and (tmp_path / "m" / "config.json").exists()
    told = capsys.readouterr().err
    assert "bad is left out: " in told and told.endswith("1 of 3 videos left out, as said above: the others count\n")


def test_the_measure_never_reads_a_clip_that_it_adapted_to(clips):
    path = Path(__file__).parents[2] / "egs" / "grid" / "vsr" / "local" / "adaptation.py"
    rotations_of = runpy.run_path(str(path))["rotations_of"]
    found = rotations_of(clips, 2, 5, 0)
    assert len(found) == 2 and {clip.id for own, _ in found for clip in own} == {clip.id for clip in clips}
    for own, others in found:
        assert sorted(clip.id for clip in own + others) == sorted(clip.id for clip in clips)
    assert rotations_of(clips, 4, 1, 0) == [], "nothing would be left to read"
