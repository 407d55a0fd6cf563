"""Adaptation to one face: only the chosen parameters change, the seed decides, no worse model is written silently."""

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
    folder = tmp_path_factory.mktemp("models")
    for name, settings, tokenizer in (("pixels", PIXELS, CharTokenizer()), ("tracks", TRACKS, WordTokenizer(WORDS))):
        torch.manual_seed(0)
        save_model(
            folder / name, LipReader(LipReaderConfig(tokenizer.vocab_size, **settings)), tokenizer, {"name": name}
        )
    fuse_models(folder / "pixels", folder / "tracks", folder / "fused")
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    clips = []
    for number, text in enumerate(("a", "b", "a and b", "b a")):
        crop, track = folder / f"c{number}.npy", folder / f"c{number}.track.npz"
        np.save(crop, rng.integers(0, 255, (20, 96, 96), np.uint8))
        points = rng.normal(0, 10, (20, 9, 2))
        points[:, 1, 0] += 60
        write_track(track, points, rng.random((20, 8)))
        clips.append(Clip(f"c{number}", str(crop), text, "x", 20, str(crop), track=str(track)))
    write_manifest(folder / "clips.jsonl", clips)
    return clips


def changed(before, after):
    """Names of the parameters that differ."""
    parameters = dict(before.model.named_parameters())
    return {name for name, parameter in after.model.named_parameters() if not torch.equal(parameter, parameters[name])}


def test_norms_and_adapters_change_only_their_own_parameters(folders, clips):
    loaded = load_model(folders / "fused")
    norms = {
        f"{module_name}.{name}" for module_name, module in loaded.model.named_modules() if isinstance(module, NORMS)
        for name, _ in module.named_parameters()
    }  # fmt: skip
    by_norms = changed(loaded, adapt_model(loaded, clips, AdaptationSettings("norms", 2)))
    assert by_norms and by_norms <= norms
    by_adapters = changed(loaded, adapt_model(loaded, clips, AdaptationSettings("adapters", 2)))
    sizes = dict(loaded.model.named_parameters())
    assert by_adapters and all(sizes[name].dim() == 2 for name in by_adapters)
    assert {name.split(".")[0] for name in by_adapters} == {"pixels", "tracks"}
    assert by_norms | by_adapters < changed(loaded, adapt_model(loaded, clips, AdaptationSettings("all", 2)))


def test_adapter_adds_a_product_of_low_rank_and_gathers_its_gradient():
    torch.manual_seed(0)
    layer = torch.nn.Linear(40, 40, bias=False)
    parts = LowRank(layer, rank=3)
    with torch.no_grad():
        parts.up[0].normal_()
    parts.update_model()
    first, inputs = parts.first[0], torch.randn(5, 40)
    layer(inputs).square().sum().backward()
    parts.gather()
    up, down = (factor[0].detach().clone().requires_grad_() for factor in (parts.up, parts.down))
    (inputs @ (first + up @ down).T).square().sum().backward()
    assert torch.allclose(parts.up[0].grad, up.grad, rtol=1e-3, atol=1e-3)
    assert torch.allclose(parts.down[0].grad, down.grad, rtol=1e-3, atol=1e-3)
    assert torch.linalg.matrix_rank(layer.weight.detach() - first, atol=1e-3) == 3


def test_seed_decides_and_the_given_model_is_unchanged(folders, clips):
    loaded = load_model(folders / "pixels")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    torch.manual_seed(1)
    first = adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=5))
    torch.manual_seed(2)
    drawn = torch.rand(1)
    torch.manual_seed(2)
    second = adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=5))
    assert torch.equal(torch.rand(1), drawn), "it draws from the caller's random numbers"
    assert not changed(first, second) and changed(
        first, adapt_model(loaded, clips, AdaptationSettings(steps=2, seed=6))
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert not first.model.training and all(tensor.requires_grad for tensor in first.model.parameters())


def test_adaptation_lowers_the_loss(folders, clips):
    loaded = load_model(folders / "pixels")
    personal_model = adapt_model(loaded, clips, AdaptationSettings("all", 60))
    batch = personal_batch(loaded, clips)

    def loss(model):
        from vsr.objectives.registry import objective_of

        with torch.no_grad():
            return float(objective_of(model.config, "")(model, batch)["loss"])

    assert loss(personal_model.model) < loss(loaded.model) - 0.1


def personal_batch(loaded, clips):
    from vsr.data.batch import CropDataset

    return CropDataset(clips, loaded.tokenizer, None).batch(range(len(clips)))


def test_words_unknown_to_the_tracks_adapt_only_the_pixels(folders, clips):
    loaded, lines = load_model(folders / "fused"), []
    others = [replace(clip, text="zebra") for clip in clips]
    personal_model = adapt_model(loaded, others, AdaptationSettings(steps=2), say=lines.append)
    assert {name.split(".")[0] for name in changed(loaded, personal_model)} == {"pixels"}
    assert any("4 of 4 clips" in line for line in lines)


def test_every_clip_is_left_out_once():
    for count, folds in ((4, 3), (5, 5), (3, 9), (20, 3)):
        groups = folds_of(count, folds, 1)
        assert sorted(sum(groups, [])) == list(range(count)) and len(groups) == min(count, folds)
        assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_no_clip_is_read_by_a_model_adapted_to_it(monkeypatch, clips):
    monkeypatch.setattr(
        cross_validation,
        "_read",
        lambda model, read_clips: {c.id: "a" if c.id not in model else "?" for c in read_clips},
    )
    gain = cross_validation.cross_validated_gain(
        {}, clips, 3, 0, lambda model, read_clips, progress: {clip.id for clip in read_clips}
    )
    assert gain.before == gain.after and not gain.worse


def test_adapt_writes_a_model_that_loads(folders, clips, tmp_path, capsys):
    manifest = str(Path(clips[0].crop).parent / "clips.jsonl")
    out = tmp_path / "anna"
    command = ["adapt", manifest, "--model", str(folders / "fused"), "-o", str(out), "--steps", "2", "--folds", "2"]
    assert main([*command, "--anyway"]) == 0
    assert "left-out WER" in capsys.readouterr().out
    personal_model = load_model(out)
    assert isinstance(personal_model.model, FusedReader) and personal_model.name == "anna"
    assert (
        personal_model.config["adapted"]["clips"] == 4
        and personal_model.config["adapted"]["left_out"]["before"]["scored"] == 4
    )
    assert "4 transcribed clips" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert main([*command, "--anyway"]) == 0, "an adapted model may be replaced by one"


def test_audio_visual_model_is_adapted_and_measured_by_lips(folders, clips, tmp_path, capsys):
    tokenizer, settings = CharTokenizer(), {"kind": "video_transformer", "width": 16, "layers": 1, "heads": 2}
    frontend = {
        "frontend": "audio_visual",
        "frontend_settings": {"video": settings, "sound": {"kind": "mel", "width": 8}},
    }
    save_model(
        tmp_path / "av", LipReader(LipReaderConfig(tokenizer.vocab_size, **SMALL | frontend)), tokenizer, {"name": "av"}
    )
    manifest = str(Path(clips[0].crop).parent / "clips.jsonl")
    options = [
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
    assert main(["adapt", manifest, *options, "--model", str(tmp_path / "av"), "-o", str(tmp_path / "m")]) == 0
    output = capsys.readouterr().out
    assert "left-out WER" in output and "1 clips without text" in output


def gain_of(before, after):
    references = {"x": "a b c d"}
    return Gain(score(references, {"x": before})[0], score(references, {"x": after})[0])


def test_worse_model_is_written_only_on_request(monkeypatch, folders, clips, tmp_path, capsys):
    monkeypatch.setattr(personal, "cross_validated_gain", lambda *arguments: gain_of("a b c d", "a b"))
    manifest = str(Path(clips[0].crop).parent / "clips.jsonl")
    command = ["adapt", manifest, "--model", str(folders / "pixels"), "-o", str(tmp_path / "m"), "--steps", "1"]
    assert main(command) == 1 and not (tmp_path / "m").exists()
    output = capsys.readouterr()
    assert "left-out WER 0.0% before, 50.0% after (0 and 2 of 4 words wrong" in output.out and "--anyway" in output.err
    assert main([*command, "--anyway"]) == 0 and (tmp_path / "m" / "config.json").exists()


def test_adaptation_to_few_clips_is_not_measured(folders, clips, tmp_path, capsys):
    write_manifest(tmp_path / "two.jsonl", clips[:2])
    command = ["adapt", str(tmp_path / "two.jsonl"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]
    assert main([*command, "--steps", "1"]) == 0
    assert "not measured" in capsys.readouterr().out
    assert json.loads((tmp_path / "m" / "config.json").read_text())["adapted"]["left_out"] is None


def test_folder_needs_exactly_one_video_for_each_text(tmp_path):
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


@pytest.mark.parametrize("case", ["text without words", "no such list", "tracks alone", "another model's place"])
def test_bad_input_is_one_line_and_writes_nothing(case, folders, clips, tmp_path, capsys):
    manifest, model, out = tmp_path / "l.jsonl", folders / "pixels", tmp_path / "m"
    write_manifest(manifest, [replace(clip, text="...") if "words" in case else clip for clip in clips])
    manifest = tmp_path / "gone.jsonl" if "list" in case else manifest
    model = folders / "tracks" if "tracks" in case else model
    out = folders / "fused" if "place" in case else out
    before = sorted(out.iterdir()) if out.exists() else None
    assert main(["adapt", str(manifest), "--model", str(model), "-o", str(out), "--folds", "0", "--steps", "1"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert (sorted(out.iterdir()) if out.exists() else None) == before


def test_videos_without_lips_are_named_and_nothing_is_written(folders, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "in" / "a.txt").write_text("a")
    assert main(["adapt", str(tmp_path / "in"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]) == 1
    assert "0000_a is left out" in capsys.readouterr().err and not (tmp_path / "m").exists()


def test_left_out_video_is_an_error_status(folders, clips, tmp_path, capsys):
    """The status was 0 once, as if the model had learnt from all videos."""
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    write_manifest(tmp_path / "l.jsonl", [*clips[:2], Clip("bad", str(tmp_path / "bad.mp4"), clips[0].text)])
    command = ["adapt", str(tmp_path / "l.jsonl"), "--model", str(folders / "pixels"), "-o", str(tmp_path / "m")]
    assert main([*command, "--steps", "1", "--folds", "0"]) == 1 and (tmp_path / "m" / "config.json").exists()
    errors = capsys.readouterr().err
    assert "bad is left out: " in errors and errors.endswith(
        "1 of 3 videos left out, as said above: the others count\n"
    )


def test_recipe_never_measures_a_clip_that_it_adapted_to(clips):
    path = Path(__file__).parents[2] / "egs" / "grid" / "vsr" / "local" / "adaptation.py"
    rotations_of = runpy.run_path(str(path))["rotations_of"]
    rotations = rotations_of(clips, 2, 5, 0)
    assert len(rotations) == 2 and {clip.id for adapted_clips, _ in rotations for clip in adapted_clips} == {
        clip.id for clip in clips
    }
    for adapted_clips, others in rotations:
        assert sorted(clip.id for clip in adapted_clips + others) == sorted(clip.id for clip in clips)
    assert rotations_of(clips, 4, 1, 0) == [], "nothing would be left to read"
