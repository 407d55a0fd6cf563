"""Any set of heads is trained, validated by its first one, and decoded."""

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
    """What the one epoch of a run reports, and its model."""
    run, printed = LipReaderRun(config, folder), []
    run.say = printed.append
    run.fit()
    return dict(zip((words := " ".join(printed).split()), words[1:], strict=False)), load_model(folder / "model")


@pytest.mark.parametrize("name", SETS)
def test_one_head_alone_is_enough(config, tmp_path, name):
    one = changed(config, "trainer", max_epochs=1)
    figures, loaded = trained(changed_model(one, SETS[name]), tmp_path / "run")
    assert math.isfinite(float(figures["dev_wer"])) and math.isfinite(float(figures["loss"]))
    assert list(loaded.model.heads) == ["which" if name == "further" else name]
    clips = read_manifest(config.data.tests[0])
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert [own["id"] for own in records] == [clip.id for clip in clips]
    assert all(isinstance(own["text"], str) and own["nbest"] for own in records)


def test_classes_of_words_stand_beside_ctc_and_decoder(config, tmp_path):
    """The tokenizer lists the words; CTC and decoder spell with them, and the first head validates."""
    WordTokenizer(["a", "b"]).save(tmp_path / "tokens")
    from vsr.data.manifest import write_manifest

    for path in (*config.data.train, *config.data.dev):
        write_manifest(path, [type(own)(own.id, own.video, own.text[0], own.speaker, own.num_frames, own.crop)
                              for own in read_manifest(path)])  # fmt: skip
    one = changed_model(changed(config, "trainer", max_epochs=1), {"classes": 2})
    figures, loaded = trained(one, tmp_path / "run")
    assert {"loss", "ctc", "attention", "words", "words_accuracy", "dev_wer"} <= figures.keys()
    assert list(loaded.model.heads) == ["ctc", "attention", "alignment", "words"]
    records = decode_manifest(
        loaded, config.data.dev[0], tmp_path / "hyp.jsonl", options_for(loaded, {"nbest": 2}), head="words"
    )
    assert all({own["text"] for own in record["nbest"]} == {"a", "b"} for record in records)


def changed_model(config, settings):
    from dataclasses import replace

    return replace(config, model=config.model | settings)
