"""LMDecoder's three stages, and the other systems that start from a trained model, on tiny clips."""

import math
from dataclasses import replace

import pytest
import torch

from tests.training.test_frame_units import with_units
from tests.training.test_head_sets import NONE, changed_model, trained
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest, write_manifest
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.modelstore.folder import load_model
from vsr.training.config import TrainConfig
from vsr.training.lipreader import LipReaderRun
from vsr.training.typed_yaml import build
from vsr.training.units import UnitRun, reads_units


def once(config, model, **trainer):
    return changed(changed_model(config, model), "trainer", max_epochs=1, **trainer)


def unit_run(config, folder):
    run, lines = UnitRun(config, folder), []
    run.say = lines.append
    run.fit()
    return load_model(folder / "model"), " ".join(lines)


def test_units_of_lips_and_text_of_units_become_text_of_lips(config, tmp_path):
    folder = with_units(config, tmp_path / "units")
    audio = {"audio": {"kind": "frame_units", "folder": folder, "size": 5, "per_frame": 2}}
    _, lips = trained(once(config, NONE | {"further_heads": audio}), tmp_path / "lips")
    lists = {path: read_manifest(path) for path in (*config.data.train, *config.data.dev)}
    for path, clips in lists.items():  # sound and text only
        write_manifest(path, [replace(clip, crop="", num_frames=0) for clip in clips])
    of_units = {"frontend": {"kind": "units", "folder": folder, "size": 5, "replaced": 0.1}, "alignment_weight": 0.0}
    reader, output = unit_run(once(config, of_units), tmp_path / "text")
    assert "dev_wer" in output and reader.model.modality == "units"
    bridged = {"frontend": bridge_of(lips, tmp_path / "lips/model"), "alignment_weight": 0.0}
    restored = once(config, bridged, init_from=str(tmp_path / "text/model"))
    for path, clips in lists.items():
        write_manifest(path, clips)
    figures, joined = trained(restored, tmp_path / "joined")
    assert "dev_wer" in figures
    records = decode_manifest(joined, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(joined))
    assert len(records) == len(read_manifest(config.data.tests[0]))
    model = LipReaderRun(restored, tmp_path / "again").model
    for name, tensor in lips.model.encoder.state_dict().items():
        torch.testing.assert_close(model.frontend.encoder.state_dict()[name], tensor)
    for part in ("frontend.embed", "encoder", "decoder"):
        for name, tensor in reader.model.get_submodule(part).state_dict().items():
            torch.testing.assert_close(model.get_submodule(part).state_dict()[name], tensor)


def bridge_of(lips, weights):
    c = lips.model.config
    return {
        "kind": "unit_bridge", "dim": c.dim, "size": 5, "weights": str(weights),
        "video": {"kind": "video_transformer", "width": c.frontend_width, "layers": c.frontend_layers,
                  "heads": c.frontend_heads, "frames": c.tubelet_frames, "patch": c.tubelet_patch,
                  "downscale": c.tubelet_downscale},
        "encoder": {"kind": "conformer", "layers": c.layers, "heads": c.heads, "hidden": c.hidden, "kernel": c.kernel},
    }  # fmt: skip


def test_refuses_weights_of_a_model_without_units(config, tmp_path):
    _, lips = trained(once(config, {}), tmp_path / "lips")
    with pytest.raises(VsrError, match="no head 'audio'"):
        trained(once(config, {"frontend": bridge_of(lips, tmp_path / "lips/model")}), tmp_path / "joined")


def test_refuses_clips_without_units(config, tmp_path):
    of_units = {"frontend": {"kind": "units", "folder": str(tmp_path / "nowhere"), "size": 5}}
    with pytest.raises(VsrError, match="holds no readable 'units'"):
        UnitRun(once(config, of_units), tmp_path / "run")


def test_long_clips_of_units_are_left_out(config, tmp_path):
    of_units = {"frontend": {"kind": "units", "folder": with_units(config, tmp_path / "units"), "size": 5}}
    whole = UnitRun(once(config, of_units), tmp_path / "whole").train.clips
    limit = min(clip.num_frames for clip in whole)
    short = changed(once(config, of_units), "data", max_frames=limit)
    kept = UnitRun(short, tmp_path / "short").train.clips
    assert {clip.id for clip in kept} == {clip.id for clip in whole if clip.num_frames <= limit} != set()
    assert len(kept) < len(whole)


def test_run_of_units_is_recognised_by_its_front_end():
    data = {"train": ["a"], "dev": ["b"], "tokenizer": "t"}
    results = [reads_units(build(TrainConfig, {"data": data, "model": {"frontend": frontend}}))
             for frontend in ("units", {"kind": "units", "size": 5}, "resnet3d")]  # fmt: skip
    assert results == [True, True, False]


@pytest.mark.parametrize("objective", [
    {"kind": "pcpg", "samples": 2}, {"kind": "mwer", "beam": 2}, {"kind": "scheduled_sampling", "p": 0.5},
])  # fmt: skip
def test_objectives_over_hypotheses_start_from_a_trained_model(config, tmp_path, objective):
    short = once(config, {})
    trained(short, tmp_path / "first")
    kind = objective.pop("kind")
    starting = replace(changed(short, "trainer", init_from=str(tmp_path / "first/model")), objective=kind)
    figures, loaded = trained(replace(starting, objective_settings=objective), tmp_path / "second")
    assert math.isfinite(float(figures["loss"])) and "dev_wer" in figures
    assert loaded.model.decoder is not None


def test_phones_of_two_languages_are_trained_and_decoded(config, tmp_path):
    for path in (*config.data.train, *config.data.dev, *config.data.tests):
        clips = read_manifest(path)
        phones = (("a", 0.0, 0.1), ("b", 0.1, 0.2))
        write_manifest(path, [replace(clip, phones=phones, language="esfr"[i % 2 * 2 :][:2])
                              for i, clip in enumerate(clips)])  # fmt: skip
    kind = {"kind": "bidirectional", "languages": ["es", "fr"], "layers": 1, "heads": 2, "hidden": 16}
    figures, loaded = trained(once(config, NONE | {"further_heads": {"sounds": kind}}), tmp_path / "run")
    assert 0 <= float(figures["dev_sounds"]) <= 1 and {"onward", "backward", "fill", "language"} <= figures.keys()
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert all(record["unit"] == "ipa" and record["head"] == "sounds" for record in records)
