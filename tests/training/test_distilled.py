"""Training with stored targets of a teacher: every loss is reported, and decoding needs no targets."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.training.test_head_sets import NONE, changed_model, trained
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.data.codebook import write_codebook
from vsr.data.manifest import read_manifest
from vsr.data.teacher_targets import units_of
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.text.tokenizer import load_tokenizer

WIDTH = 6
LIBS = {
    "sequence": {"kind": "sequence_distillation", "width": WIDTH, "per_frame": 2},
    "context": {"kind": "context_distillation", "width": WIDTH},
    "frame": {"kind": "frame_distillation", "width": WIDTH, "per_frame": 2, "align": "attention"},
    "posterior": {"kind": "posterior_distillation"},
    "next": {"kind": "posterior_distillation", "of": "attention", "temperature": 2.0},
}


def with_targets(config, folder, heads):
    """The heads, with random targets for all clips of a run."""
    folder.mkdir(exist_ok=True)
    rng, tokenizer = np.random.default_rng(0), load_tokenizer(config.data.tokenizer)
    vocabulary, about = tokenizer.vocab_size, {"units": units_of(tokenizer), "teacher": "chance"}
    for clip in (clip for path in (*config.data.train, *config.data.dev) for clip in read_manifest(path)):
        steps, frames = len(tokenizer.encode(clip.text)) + 1, clip.num_frames
        arrays = {
            "states": rng.standard_normal((frames, 2, WIDTH)), "context": rng.standard_normal((steps, WIDTH)),
            "ctc": np.log(rng.dirichlet(np.ones(vocabulary), frames)),
            "attention": np.log(rng.dirichlet(np.ones(vocabulary), steps)),
        }  # fmt: skip
        stored = {name: array.astype(np.float16) for name, array in arrays.items()}
        common = np.where(np.arange(steps) % 2, 1, -1).astype(np.int8)
        save_file(stored | {"common": common}, folder / f"{clip.id}.safetensors", about | {"text": clip.text})
    write_codebook(folder / "codebook.safetensors", rng.standard_normal((5, WIDTH)).astype(np.float32), {})
    return {name: head | {"folder": str(folder)} for name, head in heads.items()}


def test_all_levels_are_trained_and_decoding_needs_no_teacher(config, tmp_path):
    heads = with_targets(config, tmp_path / "taught", LIBS)
    one = changed(config, "trainer", max_epochs=1)
    settings = {"ctc_weight": 0.3, "alignment_weight": 0.0, "further_heads": heads}
    figures, loaded = trained(changed_model(one, settings), tmp_path / "run")
    assert LIBS.keys() | {"ctc", "attention", "cosine", "dev_wer"} <= figures.keys()
    parts = sum(float(figures[name]) for name in LIBS) + 0.3 * float(figures["ctc"]) + 0.7 * float(figures["attention"])
    assert float(figures["loss"]) == pytest.approx(parts, abs=0.02)
    (tmp_path / "taught").rename(tmp_path / "elsewhere")
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert records and all("heads" not in record for record in records)
    assert all({"ctc", "attention"} <= one.keys() for record in records for one in record["nbest"])


def test_states_alone_can_be_learnt_and_a_reader_starts_from_them(config, tmp_path):
    heads = with_targets(config, tmp_path / "taught", {"states": LIBS["frame"] | {"align": "frames"}})
    one = changed(config, "trainer", max_epochs=1)
    figures, _ = trained(changed_model(one, NONE | {"further_heads": heads}), tmp_path / "first")
    assert 0 < float(figures["dev_states"]) < 2 and "dev_wer" not in figures
    starting = changed(one, "trainer", init_from=str(tmp_path / "first/model"))
    assert "dev_wer" in trained(changed_model(starting, NONE | {"ctc_weight": 1.0}), tmp_path / "second")[0]


@pytest.mark.parametrize("kind", ["memory_address", "memory_recall"])
def test_memory_is_added_to_a_trained_reader(config, tmp_path, kind):
    one = changed(config, "trainer", max_epochs=1)
    trained(changed_model(one, NONE | {"ctc_weight": 1.0}), tmp_path / "plain")
    codebook = str(tmp_path / "taught/codebook.safetensors")
    head = {"kind": kind, "width": WIDTH, "per_frame": 2} | ({"codebook": codebook} if "address" in kind else {})
    heads = with_targets(config, tmp_path / "taught", {"taught": head})
    conformer = {"kind": "conformer", "layers": 1, "heads": 2, "hidden": 24, "kernel": 5}
    encoder = {"kind": "memory", "encoder": conformer, "slots": 5, "width": WIDTH, "heads": 2, "key_dim": 4}
    encoder |= {"codebook": codebook} if "address" in kind else {}
    starting = changed(one, "trainer", init_from=str(tmp_path / "plain/model"))
    settings = NONE | {"ctc_weight": 1.0, "encoder": encoder, "further_heads": heads}
    figures, loaded = trained(changed_model(starting, settings), tmp_path / "run")
    assert {"taught", "dev_wer"} <= figures.keys()
    (tmp_path / "taught").rename(tmp_path / "elsewhere")  # the values are in the model's folder
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert records


def test_clip_without_targets_is_named(config, tmp_path):
    heads = with_targets(config, tmp_path / "taught", {"frame": LIBS["frame"]})
    missing = tmp_path / "taught" / f"{read_manifest(config.data.train[0])[0].id}.safetensors"
    missing.unlink()
    with pytest.raises(VsrError, match=f"{missing.name} is not there: run vsr teach"):
        trained(changed_model(config, NONE | {"ctc_weight": 1.0, "further_heads": heads}), tmp_path / "run")
