"""The rigs of spoken units, and of units read from lips: grammar, sources, shapes."""

import math
import runpy
from pathlib import Path

import pytest
import torch

from lip2speech.evaluation.asr_scorers import PocketSphinxGrid, grammar_of
from vsr.corpora.puppet.parallel import SIZES, vocabulary_of
from vsr.data.manifest import Clip, write_manifest

LOCAL = Path(__file__).parents[2] / "egs/puppet/lip2speech/local"
ROWS, LIPS = (runpy.run_path(str(LOCAL / name)) for name in ("sound_rows.py", "lips_units.py"))


def test_grammar_has_every_english_sentence_and_no_other():
    slots = ROWS["PocketSphinxParallel"].slots
    assert math.prod(map(len, slots)) == math.prod(SIZES) == vocabulary_of("en").size
    assert all(w in slot for w, slot in zip(["now", "the", "red", "bull", "waits", "at home"], slots, strict=True))
    assert "<slot1> = the;" in grammar_of(slots) and "<slot5> = at home | here |" in grammar_of(slots)
    assert "<slot0> = bin | lay | place | set;" in grammar_of(PocketSphinxGrid.slots)


def test_sources_are_taken_from_the_other_languages_in_turn(tmp_path):
    clips_by_language = [
        [Clip(f"{name}{n}", "x.wav", "a", language=name) for n in range(3)] for name in ("en", "es", "de")
    ]
    assert [clip.id for clip in ROWS["sources_of"](clips_by_language, 1, 3)] == ["en0", "de1", "en2"]
    for clips in clips_by_language:
        write_manifest(tmp_path / f"{clips[0].language}.jsonl", clips)
    lists = [tmp_path / f"{name}.jsonl" for name in ("en", "es", "de")]
    with pytest.raises(SystemExit, match="en.jsonl: clip n of each list of --heard and --said must say the same"):
        ROWS["translated"](None, lists, clips_by_language, {})


def test_units_are_read_from_lips_two_per_frame():
    torch.manual_seed(0)
    model, states = LIPS["LipsToUnits"](8, 5), torch.randn(6, 8)
    units = model.units(states)
    assert units.shape == (6, 2) and units.max() < 5
    batch = LIPS["batch_of"]([(rows, torch.zeros(len(rows), 2, 1, dtype=torch.long)) for rows in (states, states[:4])])
    beside = model.head(model.states(batch))[1, :4, :, 0].argmax(-1)
    assert torch.equal(beside, model.units(states[:4]))
    assert LIPS["accuracy"]([torch.tensor([[1, 2]])], [torch.tensor([[1, 3]])]) == 50
