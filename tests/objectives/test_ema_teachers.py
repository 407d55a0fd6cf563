"""Objectives with an EMA teacher: pseudo-labels (USR) and clean targets (CAV2vec)."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tests.models.test_heads import batch_of, reader
from tests.training.test_head_sets import NONE, changed_model
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.manifest import read_manifest, write_manifest
from vsr.objectives.clean_targets import CleanTargets, over_time
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.pseudo_labels import PseudoLabels, mean_over_frames
from vsr.objectives.views import corrupt_frames, hide_frames, rows_of, stretches
from vsr.training.lipreader import LipReaderRun

PREDICTS = {"further_heads": {"clean": {"kind": "clean_prediction"}}}


def without_text(batch, *rows):
    tokens = batch.tokens.clone()
    tokens[list(rows)] = IGNORE
    return Batch(batch.inputs, batch.lengths, batch.targets | {"tokens": tokens}, batch.ids)


def teacher_of(model):
    """A frozen copy whose CTC is certain of something."""
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    with torch.no_grad():
        teacher.ctc.weight.mul_(60)
    return teacher


def test_stretches_are_within_real_frames_and_have_their_share():
    lengths = torch.tensor([1000, 40])
    masked = stretches(lengths, 1000, 0.3, 10)
    assert not masked[1, 40:].any() and 0.2 < masked[0].float().mean() <= 0.3
    assert 1 <= int(masked[1].sum()) <= 12 and not stretches(lengths, 1000, 0.0, 10).any()


def test_masked_frames_are_zero_and_others_unchanged():
    batch = batch_of()
    masked = hide_frames(batch, 0.4, 3)
    zero = ~masked.video.flatten(2).any(-1)
    assert zero[0].any() and torch.equal(masked.video[~zero], batch.video[~zero])
    assert torch.equal(hide_frames(batch, 0.0, 3).video, batch.video)


def test_corrupted_frames_are_marked_and_others_unchanged():
    torch.manual_seed(0)
    batch = batch_of()
    corrupted, marked = corrupt_frames(batch, 0.4, 3, 0.5, 0.5)
    assert marked.any() and not marked[1, 9:].any()
    assert torch.equal(corrupted.video[~marked], batch.video[~marked])
    assert ((corrupted.video - batch.video)[marked].flatten(1) != 0).float().mean() > 0.99
    patch = (corrupted.video[marked][0, 0] == corrupted.video[marked][0, 0].flatten().mode().values).float().mean()
    assert patch == pytest.approx(0.25, abs=0.02), "a patch of half the height and width"


def test_without_unlabelled_clips_it_is_the_hybrid_loss():
    model, batch = reader().train(), batch_of()
    expected = ctc_attention(model, batch)
    losses = PseudoLabels(masked=0.0).with_teacher(teacher_of(model))(model, batch)
    assert torch.equal(losses["loss"], expected["loss"])


def test_loss_is_that_of_the_teachers_texts():
    """No gradient reaches the teacher."""
    model = reader().train()
    teacher = teacher_of(model).requires_grad_(True)
    batch = without_text(batch_of(), 0, 1)
    objective = PseudoLabels(above=0.0, masked=0.0, weight=2.0).with_teacher(teacher)
    losses = objective(model, batch)
    labels = objective.labels(batch)
    best_tokens = [ranked[0].tokens for ranked in teacher.ctc.search(teacher.encode_batch(batch), batch.lengths)]
    assert [tuple(tokens_of_clip) for tokens_of_clip in labels["ctc"][0]] == best_tokens and all(map(len, best_tokens))
    total = 0.0
    for name, weight in (("ctc", 0.3), ("attention", 0.7)):
        labelled = [row for row, tokens in enumerate(labels[name][0]) if tokens]
        longest = max(len(labels[name][0][row]) for row in labelled)
        rows = [[*labels[name][0][row]] + [IGNORE] * (longest - len(labels[name][0][row])) for row in labelled]
        labelled_batch = batch_of(tokens=torch.tensor(rows)) if len(labelled) == 2 else None
        assert labelled_batch is not None, "both clips are read"
        loss = model.heads[name].loss(model.encode_batch(labelled_batch), labelled_batch)
        total = total + weight * (loss["loss"] if isinstance(loss, dict) else loss)
    assert losses["loss"].item() == pytest.approx(2 * total.item(), rel=1e-4)
    losses["loss"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters()) and model.ctc.weight.grad.any()


def test_confidence_is_of_frames_that_are_not_blank():
    """A path of nearly all blanks is no certain reading of its few other frames."""
    values = torch.tensor([[0.9, 0.5, 0.7], [1.0, 1.0, 1.0]])
    not_blank = torch.tensor([[False, True, True], [False, False, False]])
    assert mean_over_frames(values, not_blank).tolist() == pytest.approx([0.6, 0.0])


def test_uncertain_labels_have_no_loss():
    model = reader().train()
    batch = without_text(batch_of(), 0, 1)
    objective = PseudoLabels(above=1.0).with_teacher(copy.deepcopy(model).eval())
    losses = objective(model, batch)
    assert losses["ctc_kept"] == 0 and losses["attention_kept"] == 0 and losses["loss"] == 0
    losses["loss"].backward()
    assert not any(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("silent", [(), (0,), (0, 1)])
@pytest.mark.parametrize("above", [0.0, 1.0])
def test_every_part_of_a_step_takes_the_same_passes(silent, above):
    """With or without texts or confident pseudo-labels: ranks wait for each other's passes and gradients."""
    model, passes = reader().train(), []
    model.encoder.register_forward_hook(lambda *call: passes.append(1))
    batch = without_text(batch_of(), *silent)
    batch.shares = dict.fromkeys(("clips", "tokens", "frame_tokens"), torch.tensor(1.0))
    teacher = teacher_of(model) if above == 0 else copy.deepcopy(model).eval()
    teacher.encoder._forward_hooks.clear()
    losses = PseudoLabels(above=above).with_teacher(teacher)(model, batch)
    losses["loss"].backward()
    assert len(passes) == 2 and all(parameter.grad is not None for parameter in model.parameters())
    assert {"loss", "ctc", "attention", "ctc_kept", "ctc_pseudo", "attention_kept", "attention_pseudo"} <= set(losses)
    assert len(silent) < 2 or (losses["ctc"] == 0 and bool(losses["loss"]) == (above == 0))


def test_labelled_and_unlabelled_clips_count_by_their_shares():
    model = reader().train()
    teacher = teacher_of(model)
    batch = without_text(batch_of(), 1)
    objective = PseudoLabels(above=0.0, masked=0.0).with_teacher(teacher)
    labelled = torch.tensor([True, False])
    labelled_loss = ctc_attention(model, rows_of(batch, labelled))["loss"]
    unlabelled_loss = objective.taught(model, rows_of(batch, ~labelled), rows_of(batch, ~labelled))["loss"]
    assert objective(model, batch)["loss"].item() == pytest.approx(
        ((labelled_loss + unlabelled_loss) / 2).item(), rel=1e-5
    )


def test_refuses_model_without_the_needed_heads():
    with pytest.raises(ValueError, match="usr needs CTC or a decoder"):
        PseudoLabels().needs(reader(**NONE | {"further_heads": {"c": {"kind": "clean_prediction"}}}).config)
    with pytest.raises(ValueError, match="cav2vec needs a further head of the kind clean_prediction"):
        CleanTargets().needs(reader().config)
    with pytest.raises(VsrError, match="objective_settings.above"):
        PseudoLabels(above=2.0)


def test_clean_targets_are_the_teachers_states_normalised_over_time():
    model = reader(**PREDICTS).train()
    batch = batch_of()
    clean = CleanTargets().with_teacher(model.eval()).clean(batch, model)
    for row, length in enumerate(batch.lengths.tolist()):
        states = model.encode_batch(batch)[row, :length]
        expected = F.instance_norm(states.T[None])[0].T
        assert torch.allclose(clean[row, :length], expected, atol=1e-4)
    assert not clean[1, 9:].any()
    assert torch.allclose(over_time(states[None], torch.ones(1, len(states), dtype=torch.bool))[0], expected, atol=1e-4)


def test_only_corrupted_frames_have_a_loss_against_the_teacher():
    torch.manual_seed(3)
    model = reader(**PREDICTS).eval()
    teacher = copy.deepcopy(model).requires_grad_(True)
    batch, objective = batch_of(), CleanTargets(share=0.4, span=3).with_teacher(teacher)
    model.train()
    torch.manual_seed(4)
    losses = objective(model, batch)
    torch.manual_seed(4)
    corrupted, marked = corrupt_frames(batch, 0.4, 3, 0.5, 0.5)
    states = model.encode_batch(corrupted)
    predicted = model.further_heads["clean"](states)[:, :, 0]
    expected = (predicted - objective.clean(batch, teacher)).square().mean(-1)[marked].mean()
    assert losses["clean"].item() == pytest.approx(expected.item(), rel=1e-4)
    losses["loss"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert model.further_heads["clean"].out.weight.grad.any()


def test_mean_of_layers_is_of_the_highest():
    model = reader(**PREDICTS, layers=2).eval()
    batch = batch_of()
    of_two = CleanTargets(layers=2).clean(batch, model)
    assert of_two.shape == (2, 14, 16) and not torch.allclose(of_two, CleanTargets(layers=1).clean(batch, model))


def test_without_corruption_it_is_the_loss_of_the_heads():
    model = reader(**PREDICTS).train()
    losses = CleanTargets(share=0.0).with_teacher(model)(model, batch_of())
    assert losses["clean"] == 0 and losses["loss"].item() == pytest.approx(
        ctc_attention(reader().train(), batch_of())["loss"].item(), rel=1e-5
    )


def with_unlabelled(config, tmp_path, **settings):
    """A configuration in which half of the training clips are unlabelled (with a wrong text in the manifest)."""
    from dataclasses import replace

    clips = read_manifest(config.data.train[0])
    write_manifest(tmp_path / "spoken.jsonl", clips[:4])
    write_manifest(tmp_path / "silent.jsonl", [replace(clip, text="b b b b") for clip in clips[4:]])
    lists = {"train": (str(tmp_path / "spoken.jsonl"),), "unlabelled": (str(tmp_path / "silent.jsonl"),)}
    data = replace(config.data, **lists)
    return replace(changed(config, "trainer", max_epochs=2), data=data, **settings)


@pytest.mark.slow
def test_run_learns_from_unlabelled_clips_and_resumes(config, tmp_path):
    from tests.training.test_frozen import run_until

    unlabelled_config = with_unlabelled(config, tmp_path, objective="usr", objective_settings={"above": 0.0})
    run, uninterrupted = run_until(LipReaderRun, unlabelled_config, tmp_path / "whole")
    assert len(run.train.clips) == 8 and sum(not clip.text for clip in run.train.clips) == 4
    run_until(LipReaderRun, unlabelled_config, tmp_path / "killed", step=1)
    _, rest = run_until(LipReaderRun, unlabelled_config, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(uninterrupted[1:], rel=1e-5)


@pytest.mark.slow
def test_pretraining_needs_no_text(config, tmp_path):
    unlabelled_config = with_unlabelled(
        config, tmp_path, objective="cav2vec", objective_settings={"share": 0.5, "span": 2}
    )
    unlabelled_config = changed_model(
        unlabelled_config, NONE | {"further_heads": {"clean": {"kind": "clean_prediction"}}}
    )
    run, lines = LipReaderRun(unlabelled_config, tmp_path / "run"), []
    run.say = lines.append
    run.fit()
    assert any("dev_clean" in line for line in lines)


@pytest.mark.parametrize("objective", ["", "mwer", "cav2vec"])
def test_objective_of_texts_refuses_unlabelled_clips(config, tmp_path, objective):
    unlabelled_config = with_unlabelled(config, tmp_path, objective=objective)
    unlabelled_config = changed_model(unlabelled_config, PREDICTS)
    with pytest.raises(VsrError, match=r"data.unlabelled: .*text"):
        LipReaderRun(unlabelled_config, tmp_path / "run")


def test_refuses_unlabelled_clips_of_a_test_list(config, tmp_path):
    from dataclasses import replace

    unlabelled_config = with_unlabelled(config, tmp_path, objective="usr")
    unlabelled_config = replace(
        unlabelled_config, data=replace(unlabelled_config.data, unlabelled=unlabelled_config.data.tests)
    )
    with pytest.raises(VsrError, match="share"):
        LipReaderRun(unlabelled_config, tmp_path / "run")
