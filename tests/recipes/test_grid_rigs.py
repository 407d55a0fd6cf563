"""Rigs of GRID that tell what ships: words wrong by slot and speaker, and the ways of reading a fused reader."""

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


def test_slots_and_speakers_are_counted(tmp_path):
    said = ["bin blue at f two now", "set red in m nine soon"]
    clips = [Clip(f"c{k}", f"c{k}.mp4", text, speaker=f"s{k}") for k, text in enumerate(said)]
    write_manifest(tmp_path / "ref.jsonl", clips)
    read = ["Bin blue by s two now", "set red in m"]
    lines = [json.dumps({"id": f"c{k}", "text": text}) for k, text in enumerate(read)]
    (tmp_path / "hyp.jsonl").write_text("\n".join(lines) + "\n")
    line = SLOTS["summary"](tmp_path / "ref.jsonl", tmp_path / "hyp.jsonl")
    assert "preposition 2, letter 2" in line and "command 1, colour 1" in line and line.endswith("s0 2 of 6, s1 6 of 6")
    (tmp_path / "hyp.jsonl").write_text(lines[0] + "\n")
    with pytest.raises(VsrError, match="nothing of c1"):
        SLOTS["summary"](tmp_path / "ref.jsonl", tmp_path / "hyp.jsonl")


def test_each_way_reads_and_leaves_the_model_as_it_was():
    loaded = load_model("grid-tracks")
    own, dice = loaded.model.config, np.random.default_rng(0)
    crop = dice.integers(0, 255, (20, 96, 96)).astype(np.uint8)
    mouth = (dice.normal(size=(14, 2)) * 20 + 100 + dice.normal(size=(20, 14, 2))).astype(np.float32)
    texts = {}
    for name in ("pixels alone", "tracks alone", "both, always 3"):
        way = ABLATION["WAYS"][name]
        texts[name] = ABLATION["text_of"](loaded, [(crop, mouth)], way, options_for(loaded, dict(way.search)))
        assert loaded.model.config == own
    assert set(" ".join(texts["tracks alone"].split()).split()) <= set(own.words)
    loaded.model.config = replace(own, track_weights=(0.0, 0.0))
    way = ABLATION["WAYS"]["as it ships"]
    assert ABLATION["text_of"](loaded, [(crop, mouth)], way, options_for(loaded)) == texts["pixels alone"]
