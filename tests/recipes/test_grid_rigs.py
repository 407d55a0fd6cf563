"""GRID rigs that describe shipped models: errors by slot and speaker, and parts of a fused model."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.decoding.defaults import options_for
from vsr.modelstore.folder import load_model

LOCAL = Path(__file__).resolve().parents[2] / "egs/grid/vsr/local"
SLOTS = runpy.run_path(str(LOCAL / "slots.py"))
ABLATION = runpy.run_path(str(LOCAL / "ablation.py"))


def test_errors_are_counted_by_slot_and_speaker(tmp_path):
    references = ["bin blue at f two now", "set red in m nine soon"]
    clips = [Clip(f"c{k}", f"c{k}.mp4", text, speaker=f"s{k}") for k, text in enumerate(references)]
    write_manifest(tmp_path / "ref.jsonl", clips)
    hypotheses = ["Bin blue by s two now", "set red in m"]
    lines = [json.dumps({"id": f"c{k}", "text": text}) for k, text in enumerate(hypotheses)]
    (tmp_path / "hyp.jsonl").write_text("\n".join(lines) + "\n")
    line = SLOTS["summary"](tmp_path / "ref.jsonl", tmp_path / "hyp.jsonl")
    assert "preposition 2, letter 2" in line and "command 1, colour 1" in line and line.endswith("s0 2 of 6, s1 6 of 6")
    (tmp_path / "hyp.jsonl").write_text(lines[0] + "\n")
    with pytest.raises(VsrError, match="nothing of c1"):
        SLOTS["summary"](tmp_path / "ref.jsonl", tmp_path / "hyp.jsonl")


def test_each_part_reads_and_leaves_the_model_unchanged():
    loaded = load_model("grid-tracks")
    config, rng = loaded.model.config, np.random.default_rng(0)
    crop = rng.integers(0, 255, (20, 96, 96)).astype(np.uint8)
    mouth = (rng.normal(size=(14, 2)) * 20 + 100 + rng.normal(size=(20, 14, 2))).astype(np.float32)
    texts = {}
    for name in ("pixels alone", "tracks alone", "both, always 3"):
        way = ABLATION["WAYS"][name]
        texts[name] = ABLATION["text_of"](loaded, [(crop, mouth)], way, options_for(loaded, dict(way.search)))
        assert loaded.model.config == config
    assert set(" ".join(texts["tracks alone"].split()).split()) <= set(config.words)
    loaded.model.config = replace(config, track_weights=(0.0, 0.0))
    way = ABLATION["WAYS"]["as it ships"]
    assert ABLATION["text_of"](loaded, [(crop, mouth)], way, options_for(loaded)) == texts["pixels alone"]
