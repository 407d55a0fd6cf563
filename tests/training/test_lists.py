"""What would spoil a run of days is told at its start, and what is lost ends it; alphabets never mix."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sampler import planned_batches
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import CharTokenizer, WordTokenizer, pieces_of
from vsr.training import finite
from vsr.training.config import TrainConfig, dump_config
from vsr.training.initialisation import copy_weights, token_pairs
from vsr.training.lipreader import LipReaderRun as Run
from vsr.training.texts import frames_needed
from vsr.training.typed_yaml import build

TINY = {
    "frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2, "dim": 16, "heads": 2, "hidden": 24, "layers": 1,
    "kernel": 5, "decoder_layers": 1, "decoder_hidden": 24,
}  # fmt: skip


def make_clip(folder, name, text, frames=10):
    crop = np.random.default_rng(len(name)).integers(0, 255, (frames, 96, 96)).astype(np.uint8)
    np.save(folder / f"{name}.npy", crop)
    return Clip(name, f"{name}.mp4", text, "s", frames, str(folder / f"{name}.npy"))


@pytest.fixture
def config(tmp_path):
    clips = [make_clip(tmp_path, f"t{i}", text) for i, text in enumerate(["a b", "b", "ba", "ab"])]
    write_manifest(tmp_path / "train.jsonl", clips)
    write_manifest(tmp_path / "dev.jsonl", [make_clip(tmp_path, "d", "a b")])
    (tmp_path / "tokens").mkdir()
    CharTokenizer("ab ").save(tmp_path / "tokens")
    settings = {
        "data": {"tokenizer": str(tmp_path / "tokens"), "frames_per_batch": 24}
        | {name: [str(tmp_path / f"{name}.jsonl")] for name in ("train", "dev")},
        "model": TINY, "optim": {"lr": 3e-3, "warmup_steps": 2},
        "trainer": {"max_epochs": 2, "precision": "32-true", "accelerator": "cpu", "threads": 1},
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(dump_config(build(TrainConfig, settings)), encoding="utf-8")
    return build(TrainConfig, settings)


def texts(tmp_path, **changed):
    clips = [replace(clip, text=changed.get(clip.id, clip.text)) for clip in read_manifest(tmp_path / "train.jsonl")]
    write_manifest(tmp_path / "train.jsonl", clips)


def train(tmp_path, capsys, *words):
    code = main(["train", "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run"), *words])
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()


def test_what_the_texts_are_worth_is_told_at_the_start(config, tmp_path, capsys):
    texts(tmp_path, t0="[...]", t1="bébé", t2="abba" * 4)
    code, shown, _ = train(tmp_path, capsys)
    assert code == 0 and shown[:3] == [
        "1 of 4 training clips have no words and are left out, such as t0",
        "1 of 4 training clips have text that the tokenizer does not know, such as t1",
        "1 of 4 training clips have fewer frames than CTC needs for their text, and teach it nothing, such as t2",
    ]
    assert load_model(tmp_path / "run" / "model").config["training"]["epochs"] == 2


def test_a_list_without_one_word_is_refused_in_one_line(config, tmp_path, capsys):
    texts(tmp_path, t0="...", t1="!", t2="-", t3="")
    code, _, complaint = train(tmp_path, capsys)
    assert code == 1 and complaint == ["vsr: not one training clip has a text with tokens of the tokenizer"]


def test_ctc_needs_a_frame_more_between_equal_tokens():
    assert [frames_needed(own) for own in ([], [2], [2, 2], [2, 3, 3, 3])] == [0, 1, 3, 6]


def test_a_run_that_is_lost_says_so_and_leaves_no_model(config, tmp_path, capsys):
    code, shown, complaint = train(tmp_path, capsys, "--set", "optim.lr=1e30", "trainer.max_epochs=5")
    assert code == 1 and len(complaint) == 1 and "the training is lost" in complaint[0]
    assert not (tmp_path / "run" / "model" / "config.json").exists()
    assert any("steps skipped: no finite gradient" in line for line in shown)
    assert not any("nan" in line for line in shown if "skipped" not in line)


def test_single_bad_steps_are_skipped_and_counted(config, tmp_path, capsys):
    run, seen = Run(config, tmp_path / "run"), []
    losses = run.losses

    def spoiled(batch):
        seen.append(1)
        found = losses(batch)
        return found | {"loss": found["loss"] * (float("nan") if len(seen) == 1 else 1.0)}

    run.losses = spoiled
    model = load_model(run.fit())
    assert model.config["training"]["skipped"] == 1
    assert "1 of 2 steps skipped: no finite gradient" in capsys.readouterr().out


def test_patience_ends():
    steps = finite.Finite()
    for _ in range(finite.PATIENCE - 1):
        steps.note(False)
    assert not steps.is_lost(1000) and steps.is_lost(10)
    steps.note(False)
    assert steps.is_lost(1000) and steps.pop_skipped() == finite.PATIENCE and steps.pop_skipped() == 0
    steps.note(True)
    assert not steps.is_lost(1)


def test_no_model_is_written_with_numbers_that_half_precision_lacks(tmp_path):
    model = LipReader(LipReaderConfig(6, **TINY))
    for value in (float("nan"), float("inf"), 1e30):
        model.ctc.bias.data[0] = value
        with pytest.raises(VsrError, match="no model is written: 'ctc.bias' holds NaN") as caught:
            save_model(tmp_path / "m", model, CharTokenizer("ab "), {}, half=True)
        assert caught.value.reason == "not_finite" and not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "change, what",
    [
        ({"optim.lr": 1e-2}, r"optim.lr \(0.003, not 0.01\)"),
        ({"seed": 1}, r"seed \(0, not 1\)"),
        ({"model.dropout": 0.3}, "model.dropout"),
        ({"data.augmentation.flip": 0.0}, r"data.augmentation.flip \(0.5, not 0.0\)"),
        ({"data.frames_per_batch": 20}, r"data.frames_per_batch \(24, not 20\)"),
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(config, tmp_path, change, what, capsys):
    assert train(tmp_path, capsys)[0] == 0
    settings = [f"{name}={value}" for name, value in change.items()]
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    code, _, (line,) = train(tmp_path, capsys, "--resume", "--set", *settings)
    assert code == 1 and line.startswith(f"vsr: {tmp_path / 'run'} holds a run that was begun with other ")
    assert re.search(what, line) and (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_a_run_goes_on_with_its_own_alphabet_and_clips_alone(config, tmp_path, capsys):
    assert train(tmp_path, capsys)[0] == 0
    assert train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=3", "trainer.threads=2")[0] == 0
    CharTokenizer("ac ").save(tmp_path / "tokens")  # of the same size
    texts(tmp_path, t0="a c", t1="c", t2="ca", t3="ac")
    code, _, (line,) = train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=4")
    assert code == 1 and "was begun with other data.train, data.tokenizer" in line
    CharTokenizer("ab ").save(tmp_path / "tokens")
    write_manifest(tmp_path / "train.jsonl", [make_clip(tmp_path, f"u{i}", "a b") for i in range(4)])
    code, _, (line,) = train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=4")
    assert code == 1 and "was begun with other data.train" in line


@pytest.mark.parametrize("old, new", [("ab ", "ba "), ("ab ", "b ca"), ("abc ", " c")])
def test_tokens_keep_their_weights_wherever_they_stand(old, new):
    old, new = CharTokenizer(old), CharTokenizer(new)
    torch.manual_seed(0)
    source, target = (LipReader(LipReaderConfig(own.vocab_size, **TINY)) for own in (old, new))
    fresh = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    shown = copy_weights(source, target, old, new)
    ids = dict(zip(pieces_of(old)[1:-1], range(1, old.eos_id), strict=True))
    both = [piece for piece in pieces_of(new)[2:-1] if piece in ids]
    assert f"the {len(both) + 3} tokens that both alphabets have" in shown
    given, own = source.state_dict(), target.state_dict()
    for name in ("ctc.weight", "ctc.bias", "alignment.weight", "decoder.embed.weight", "decoder.out.weight"):
        for place, piece in list(enumerate(pieces_of(new)))[2:-1]:
            assert torch.equal(own[name][place], given[name][ids[piece]] if piece in ids else fresh[name][place])
        assert torch.equal(own[name][new.eos_id], given[name][old.eos_id])
        assert torch.equal(own[name][0], given[name][0])
    assert all(torch.equal(own[name], given[name]) for name in own if name.startswith(("frontend.", "encoder.")))


def test_words_keep_their_class():
    old, new = WordTokenizer(["bin", "lay"]), WordTokenizer(["set", "bin", "zed"])
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}
    source, target = (
        LipReader(LipReaderConfig(own.vocab_size, **(TINY | alone), classes=len(own.words))) for own in (old, new)
    )
    copy_weights(source, target, old, new)
    assert torch.equal(target.words.weight[1], source.words.weight[0])
    assert token_pairs(old, old) is None


def test_the_start_from_another_alphabet_of_the_same_size(config, tmp_path, capsys):
    assert train(tmp_path, capsys)[0] == 0
    (tmp_path / "other").mkdir()
    CharTokenizer("ba ").save(tmp_path / "other")
    data = replace(config.data, tokenizer=str(tmp_path / "other"))
    trainer = replace(config.trainer, init_from=str(tmp_path / "run" / "model"))
    run = Run(replace(config, data=data, trainer=trainer), tmp_path / "b")
    old = load_model(tmp_path / "run" / "model").model.state_dict()
    assert "tokens that both alphabets have" in capsys.readouterr().out
    assert torch.equal(run.model.state_dict()["ctc.weight"][[3, 2, 4]], old["ctc.weight"][[2, 3, 4]])


def test_workers_are_not_forked_from_a_process_with_threads(tmp_path):
    from vsr.data.sampler import worker_context

    assert worker_context(0) is None and worker_context(2).get_start_method() == "forkserver"
    assert planned_batches(None, [], 0).multiprocessing_context is None
