"""Problems of texts are reported at the start, a diverged run ends, and tokens of two alphabets never mix."""

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


def set_texts(tmp_path, **new_texts):
    clips = [replace(clip, text=new_texts.get(clip.id, clip.text)) for clip in read_manifest(tmp_path / "train.jsonl")]
    write_manifest(tmp_path / "train.jsonl", clips)


def train(tmp_path, capsys, *options):
    status = main(["train", "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run"), *options])
    output = capsys.readouterr()
    return status, output.out.splitlines(), output.err.splitlines()


def test_problems_of_texts_are_reported_at_the_start(config, tmp_path, capsys):
    set_texts(tmp_path, t0="[...]", t1="bébé", t2="abba" * 4)
    status, lines, _ = train(tmp_path, capsys)
    assert status == 0 and lines[:3] == [
        "1 of 4 training clips have no words and are left out, such as t0",
        "1 of 4 training clips have text that the tokenizer does not know, such as t1",
        "1 of 4 training clips have fewer frames than CTC needs for their text, and teach it nothing, such as t2",
    ]
    assert load_model(tmp_path / "run" / "model").config["training"]["epochs"] == 2


def test_refuses_list_without_any_word_in_one_line(config, tmp_path, capsys):
    set_texts(tmp_path, t0="...", t1="!", t2="-", t3="")
    status, _, errors = train(tmp_path, capsys)
    assert status == 1 and errors == ["vsr: not one training clip has a text with tokens of the tokenizer"]


def test_ctc_needs_one_more_frame_between_equal_tokens():
    assert [frames_needed(tokens) for tokens in ([], [2], [2, 2], [2, 3, 3, 3])] == [0, 1, 3, 6]


def test_diverged_run_is_an_error_and_leaves_no_model(config, tmp_path, capsys):
    status, lines, errors = train(tmp_path, capsys, "--set", "optim.lr=1e30", "trainer.max_epochs=5")
    assert status == 1 and len(errors) == 1 and "the training is lost" in errors[0]
    assert not (tmp_path / "run" / "model" / "config.json").exists()
    assert any("steps skipped: no finite gradient" in line for line in lines)
    assert not any("nan" in line for line in lines if "skipped" not in line)


def test_single_bad_steps_are_skipped_and_counted(config, tmp_path, capsys):
    run, calls = Run(config, tmp_path / "run"), []
    losses = run.losses

    def once_not_finite(batch):
        calls.append(1)
        figures = losses(batch)
        return figures | {"loss": figures["loss"] * (float("nan") if len(calls) == 1 else 1.0)}

    run.losses = once_not_finite
    model = load_model(run.fit())
    assert model.config["training"]["skipped"] == 1
    assert "1 of 2 steps skipped: no finite gradient" in capsys.readouterr().out


def test_infinite_clip_leaves_no_trace_in_running_statistics(config, tmp_path):
    run, buffers = Run(config, tmp_path / "run"), []
    losses = run.losses

    def with_infinite_clip(batch):
        buffers.append({name: buffer.clone() for name, buffer in run.model.named_buffers()})
        if len(buffers) == 2:
            batch.inputs["video"][0, 0] = float("inf")
        return losses(batch)

    run.losses = with_infinite_clip
    load_model(run.fit())
    before, after = buffers[1:3]
    assert any("running_mean" in name for name in before) and run.progress.skipped == 1
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(after[name], buffer) for name, buffer in run.model.named_buffers())


def test_too_many_bad_steps_in_a_row_are_divergence():
    steps = finite.Finite()
    for _ in range(finite.PATIENCE - 1):
        steps.note(False)
    assert not steps.is_lost(1000) and steps.is_lost(10)
    steps.note(False)
    assert steps.is_lost(1000) and steps.pop_skipped() == finite.PATIENCE and steps.pop_skipped() == 0
    steps.note(True)
    assert not steps.is_lost(1)


def test_model_with_numbers_beyond_half_precision_is_not_written(tmp_path):
    model = LipReader(LipReaderConfig(6, **TINY))
    for value in (float("nan"), float("inf"), 1e30):
        model.ctc.bias.data[0] = value
        with pytest.raises(VsrError, match="no model is written: 'ctc.bias' holds NaN") as caught:
            save_model(tmp_path / "m", model, CharTokenizer("ab "), {}, half=True)
        assert caught.value.reason == "not_finite" and not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"optim.lr": 1e-2}, r"optim.lr \(0.003, not 0.01\)"),
        ({"seed": 1}, r"seed \(0, not 1\)"),
        ({"model.dropout": 0.3}, "model.dropout"),
        ({"data.augmentation.flip": 0.0}, r"data.augmentation.flip \(0.5, not 0.0\)"),
        ({"data.frames_per_batch": 20}, r"data.frames_per_batch \(24, not 20\)"),
    ],
)
def test_run_resumes_only_with_its_own_settings(config, tmp_path, change, message, capsys):
    assert train(tmp_path, capsys)[0] == 0
    settings = [f"{name}={value}" for name, value in change.items()]
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    status, _, (line,) = train(tmp_path, capsys, "--resume", "--set", *settings)
    assert status == 1 and line.startswith(f"vsr: {tmp_path / 'run'} holds a run that was begun with other ")
    assert re.search(message, line) and (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_run_resumes_only_with_its_own_alphabet_and_clips(config, tmp_path, capsys):
    assert train(tmp_path, capsys)[0] == 0
    assert train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=3", "trainer.threads=2")[0] == 0
    CharTokenizer("ac ").save(tmp_path / "tokens")  # of the same size
    set_texts(tmp_path, t0="a c", t1="c", t2="ca", t3="ac")
    status, _, (line,) = train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=4")
    assert status == 1 and "was begun with other data.train, data.tokenizer" in line
    CharTokenizer("ab ").save(tmp_path / "tokens")
    write_manifest(tmp_path / "train.jsonl", [make_clip(tmp_path, f"u{i}", "a b") for i in range(4)])
    status, _, (line,) = train(tmp_path, capsys, "--resume", "--set", "trainer.max_epochs=4")
    assert status == 1 and "was begun with other data.train" in line


@pytest.mark.parametrize("old, new", [("ab ", "ba "), ("ab ", "b ca"), ("abc ", " c")])
def test_tokens_keep_their_weights_in_another_alphabet(old, new):
    old, new = CharTokenizer(old), CharTokenizer(new)
    torch.manual_seed(0)
    source, target = (LipReader(LipReaderConfig(tokenizer.vocab_size, **TINY)) for tokenizer in (old, new))
    fresh = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    message = copy_weights(source, target, old, new)
    ids = dict(zip(pieces_of(old)[1:-1], range(1, old.eos_id), strict=True))
    common = [piece for piece in pieces_of(new)[2:-1] if piece in ids]
    assert f"the {len(common) + 3} tokens that both alphabets have" in message
    source_state, target_state = source.state_dict(), target.state_dict()
    for name in ("ctc.weight", "ctc.bias", "alignment.weight", "decoder.embed.weight", "decoder.out.weight"):
        for index, piece in list(enumerate(pieces_of(new)))[2:-1]:
            assert torch.equal(
                target_state[name][index], source_state[name][ids[piece]] if piece in ids else fresh[name][index]
            )
        assert torch.equal(target_state[name][new.eos_id], source_state[name][old.eos_id])
        assert torch.equal(target_state[name][0], source_state[name][0])
    assert all(
        torch.equal(target_state[name], source_state[name])
        for name in target_state
        if name.startswith(("frontend.", "encoder."))
    )


def test_words_keep_their_class():
    old, new = WordTokenizer(["bin", "lay"]), WordTokenizer(["set", "bin", "zed"])
    alone = {"ctc_weight": 0.0, "alignment_weight": 0.0, "decoder_layers": 0}
    source, target = (
        LipReader(LipReaderConfig(tokenizer.vocab_size, **(TINY | alone), classes=len(tokenizer.words)))
        for tokenizer in (old, new)
    )
    copy_weights(source, target, old, new)
    assert torch.equal(target.words.weight[1], source.words.weight[0])
    assert token_pairs(old, old) is None


def test_training_starts_from_a_model_of_another_alphabet(config, tmp_path, capsys):
    assert train(tmp_path, capsys)[0] == 0
    (tmp_path / "other").mkdir()
    CharTokenizer("ba ").save(tmp_path / "other")
    data = replace(config.data, tokenizer=str(tmp_path / "other"))
    trainer = replace(config.trainer, init_from=str(tmp_path / "run" / "model"))
    run = Run(replace(config, data=data, trainer=trainer), tmp_path / "b")
    start = load_model(tmp_path / "run" / "model").model.state_dict()
    assert "tokens that both alphabets have" in capsys.readouterr().out
    assert torch.equal(run.model.state_dict()["ctc.weight"][[3, 2, 4]], start["ctc.weight"][[2, 3, 4]])


def test_loader_workers_are_not_forked_from_a_process_with_threads(tmp_path):
    from vsr.data.sampler import worker_context

    assert worker_context(0) is None and worker_context(2).get_start_method() == "forkserver"
    assert planned_batches(None, [], 0).multiprocessing_context is None
