"""Any set of heads is trained, validated by its first head, and decoded."""

import math

import pytest

from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.data.manifest import read_manifest
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import WordTokenizer
from vsr.training.lipreader import LipReaderRun

NONE = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}
WHICH = {"which": {"kind": "word_classes", "words": ["a", "b"]}}
SETS = {
    "ctc": NONE | {"ctc_weight": 1.0}, "attention": NONE | {"decoder_layers": 1},
    "alignment": NONE | {"alignment_weight": 1.0}, "further": NONE | {"further_heads": WHICH},
}  # fmt: skip


def trained(config, folder):
    """The figures reported by a run's single epoch, and its model."""
    run, lines = LipReaderRun(config, folder), []
    run.say = lines.append
    run.fit()
    return dict(zip((words := " ".join(lines).split()), words[1:], strict=False)), load_model(folder / "model")


@pytest.mark.parametrize("name", SETS)
def test_single_head_is_trained_and_decoded(config, tmp_path, name):
    short = changed(config, "trainer", max_epochs=1)
    figures, loaded = trained(changed_model(short, SETS[name]), tmp_path / "run")
    assert math.isfinite(float(figures["dev_wer"])) and math.isfinite(float(figures["loss"]))
    assert list(loaded.model.heads) == ["which" if name == "further" else name]
    clips = read_manifest(config.data.tests[0])
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert [record["id"] for record in records] == [clip.id for clip in clips]
    assert all(isinstance(record["text"], str) and record["nbest"] for record in records)


def test_word_classes_are_trained_beside_ctc_and_decoder(config, tmp_path):
    """The tokenizer lists the words; CTC and decoder spell with them, and the first head validates."""
    WordTokenizer(["a", "b"]).save(tmp_path / "tokens")
    from vsr.data.manifest import write_manifest

    for path in (*config.data.train, *config.data.dev):
        write_manifest(path, [type(clip)(clip.id, clip.video, clip.text[0], clip.speaker, clip.num_frames, clip.crop)
                              for clip in read_manifest(path)])  # fmt: skip
    short = changed_model(changed(config, "trainer", max_epochs=1), {"classes": 2})
    figures, loaded = trained(short, tmp_path / "run")
    assert {"loss", "ctc", "attention", "words", "words_accuracy", "dev_wer"} <= figures.keys()
    assert list(loaded.model.heads) == ["ctc", "attention", "alignment", "words"]
    records = decode_manifest(
        loaded, config.data.dev[0], tmp_path / "hyp.jsonl", options_for(loaded, {"nbest": 2}), head="words"
    )
    assert all({ranked["text"] for ranked in record["nbest"]} == {"a", "b"} for record in records)


def changed_model(config, settings):
    from dataclasses import replace

    return replace(config, model=config.model | settings)
