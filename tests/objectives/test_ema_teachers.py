"""Objectives whose teacher is the average of the weights: pseudo-labels (USR) and clean targets (CAV2vec)."""

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
from vsr.objectives.views import hidden, rows_of, spoiled, stretches
from vsr.training.lipreader import LipReaderRun

PREDICTS = {"further_heads": {"clean": {"kind": "clean_prediction"}}}


def without_text(batch, *rows):
    tokens = batch.tokens.clone()
    tokens[list(rows)] = IGNORE
    return Batch(batch.inputs, batch.lengths, batch.targets | {"tokens": tokens}, batch.ids)


def teacher_of(model, **moved):
    """Another model, whose CTC is sure of something."""
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    with torch.no_grad():
        teacher.ctc.weight.mul_(60)
    return teacher


def test_stretches_are_of_real_frames_and_as_many_as_asked_for():
    lengths = torch.tensor([1000, 40])
    found = stretches(lengths, 1000, 0.3, 10)
    assert not found[1, 40:].any() and 0.2 < found[0].float().mean() <= 0.3
    assert 1 <= int(found[1].sum()) <= 12 and not stretches(lengths, 1000, 0.0, 10).any()


def test_hidden_frames_are_zero_and_others_as_they_were():
    batch = batch_of()
    shown = hidden(batch, 0.4, 3)
    gone = ~shown.video.flatten(2).any(-1)
    assert gone[0].any() and torch.equal(shown.video[~gone], batch.video[~gone])
    assert torch.equal(hidden(batch, 0.0, 3).video, batch.video)


def test_what_is_spoiled_is_told_and_nothing_else_changes():
    torch.manual_seed(0)
    batch = batch_of()
    shown, which = spoiled(batch, 0.4, 3, 0.5, 0.5)
    assert which.any() and not which[1, 9:].any()
    assert torch.equal(shown.video[~which], batch.video[~which])
    assert ((shown.video - batch.video)[which].flatten(1) != 0).float().mean() > 0.99
    patch = (shown.video[which][0, 0] == shown.video[which][0, 0].flatten().mode().values).float().mean()
    assert patch == pytest.approx(0.25, abs=0.02), "a patch of half the height and width"


def test_without_clips_that_lack_text_it_is_the_hybrid_loss():
    model, batch = reader().train(), batch_of()
    wanted = ctc_attention(model, batch)
    found = PseudoLabels(masked=0.0).with_teacher(teacher_of(model))(model, batch)
    assert torch.equal(found["loss"], wanted["loss"])


def test_the_teacher_s_words_are_what_is_learnt():
    """The loss is that of the clip with the teacher's own text; no gradient reaches the teacher."""
    model = reader().train()
    teacher = teacher_of(model).requires_grad_(True)
    batch = without_text(batch_of(), 0, 1)
    objective = PseudoLabels(above=0.0, masked=0.0, weight=2.0).with_teacher(teacher)
    found = objective(model, batch)
    labels = objective.labels(batch)
    own = [ranked[0].tokens for ranked in teacher.ctc.search(teacher.encode_batch(batch), batch.lengths)]
    assert [tuple(one) for one in labels["ctc"][0]] == own and all(map(len, own))
    total = 0.0
    for name, weight in (("ctc", 0.3), ("attention", 0.7)):
        kept = [row for row, tokens in enumerate(labels[name][0]) if tokens]
        longest = max(len(labels[name][0][row]) for row in kept)
        rows = [[*labels[name][0][row]] + [IGNORE] * (longest - len(labels[name][0][row])) for row in kept]
        shown = batch_of(tokens=torch.tensor(rows)) if len(kept) == 2 else None
        assert shown is not None, "both clips are read"
        loss = model.heads[name].loss(model.encode_batch(shown), shown)
        total = total + weight * (loss["loss"] if isinstance(loss, dict) else loss)
    assert found["loss"].item() == pytest.approx(2 * total.item(), rel=1e-4)
    found["loss"].backward()
    assert all(own.grad is None for own in teacher.parameters()) and model.ctc.weight.grad.any()


def test_confidence_is_of_the_frames_that_say_something():
    """A path that is nearly all blank is no sure reading of the few frames that are not."""
    values = torch.tensor([[0.9, 0.5, 0.7], [1.0, 1.0, 1.0]])
    said = torch.tensor([[False, True, True], [False, False, False]])
    assert mean_over_frames(values, said).tolist() == pytest.approx([0.6, 0.0])


def test_what_the_teacher_is_not_sure_of_teaches_nothing():
    model = reader().train()
    batch = without_text(batch_of(), 0, 1)
    objective = PseudoLabels(above=1.0).with_teacher(copy.deepcopy(model).eval())
    found = objective(model, batch)
    assert found["ctc_kept"] == 0 and found["attention_kept"] == 0 and found["loss"] == 0
    found["loss"].backward()
    assert not any(own.grad is not None and own.grad.any() for own in model.parameters())


@pytest.mark.parametrize("silent", [(), (0,), (0, 1)])
@pytest.mark.parametrize("above", [0.0, 1.0])
def test_every_part_of_a_step_takes_the_same_passes(silent, above):
    """With and without texts, and sure pseudo-labels or none: ranks wait for each other's passes and gradients."""
    model, passes = reader().train(), []
    model.encoder.register_forward_hook(lambda *call: passes.append(1))
    batch = without_text(batch_of(), *silent)
    batch.shares = dict.fromkeys(("clips", "tokens", "frame_tokens"), torch.tensor(1.0))
    teacher = teacher_of(model) if above == 0 else copy.deepcopy(model).eval()
    teacher.encoder._forward_hooks.clear()
    found = PseudoLabels(above=above).with_teacher(teacher)(model, batch)
    found["loss"].backward()
    assert len(passes) == 2 and all(own.grad is not None for own in model.parameters())
    assert {"loss", "ctc", "attention", "ctc_kept", "ctc_pseudo", "attention_kept", "attention_pseudo"} <= set(found)
    assert len(silent) < 2 or (found["ctc"] == 0 and bool(found["loss"]) == (above == 0))


def test_with_some_texts_each_kind_counts_by_its_share():
    model, teacher = reader().train(), None
    teacher = teacher_of(model)
    batch = without_text(batch_of(), 1)
    objective = PseudoLabels(above=0.0, masked=0.0).with_teacher(teacher)
    spoken = torch.tensor([True, False])
    alone = ctc_attention(model, rows_of(batch, spoken))["loss"]
    other = objective.taught(model, rows_of(batch, ~spoken), rows_of(batch, ~spoken))["loss"]
    assert objective(model, batch)["loss"].item() == pytest.approx(((alone + other) / 2).item(), rel=1e-5)


def test_a_model_without_heads_over_text_is_refused():
    with pytest.raises(ValueError, match="usr needs CTC or a decoder"):
        PseudoLabels().needs(reader(**NONE | {"further_heads": {"c": {"kind": "clean_prediction"}}}).config)
    with pytest.raises(ValueError, match="cav2vec needs a further head of the kind clean_prediction"):
        CleanTargets().needs(reader().config)
    with pytest.raises(VsrError, match="objective_settings.above"):
        PseudoLabels(above=2.0)


def test_clean_targets_are_the_teacher_s_states_over_time():
    model = reader(**PREDICTS).train()
    batch = batch_of()
    clean = CleanTargets().with_teacher(model.eval()).clean(batch, model)
    for row, length in enumerate(batch.lengths.tolist()):
        states = model.encode_batch(batch)[row, :length]
        wanted = F.instance_norm(states.T[None])[0].T
        assert torch.allclose(clean[row, :length], wanted, atol=1e-4)
    assert not clean[1, 9:].any()
    assert torch.allclose(over_time(states[None], torch.ones(1, len(states), dtype=torch.bool))[0], wanted, atol=1e-4)


def test_spoiled_frames_alone_teach_what_the_teacher_sees_in_them():
    torch.manual_seed(3)
    model = reader(**PREDICTS).eval()
    teacher = copy.deepcopy(model).requires_grad_(True)
    batch, objective = batch_of(), CleanTargets(share=0.4, span=3).with_teacher(teacher)
    model.train()
    torch.manual_seed(4)
    found = objective(model, batch)
    torch.manual_seed(4)
    shown, which = spoiled(batch, 0.4, 3, 0.5, 0.5)
    states = model.encode_batch(shown)
    predicted = model.further_heads["clean"](states)[:, :, 0]
    wanted = (predicted - objective.clean(batch, teacher)).square().mean(-1)[which].mean()
    assert found["clean"].item() == pytest.approx(wanted.item(), rel=1e-4)
    found["loss"].backward()
    assert all(own.grad is None for own in teacher.parameters())
    assert model.further_heads["clean"].out.weight.grad.any()


def test_the_mean_of_layers_is_of_the_highest():
    model = reader(**PREDICTS, layers=2).eval()
    batch = batch_of()
    whole = CleanTargets(layers=2).clean(batch, model)
    assert whole.shape == (2, 14, 16) and not torch.allclose(whole, CleanTargets(layers=1).clean(batch, model))


def test_unspoiled_it_is_the_loss_of_the_heads():
    model = reader(**PREDICTS).train()
    found = CleanTargets(share=0.0).with_teacher(model)(model, batch_of())
    assert found["clean"] == 0 and found["loss"].item() == pytest.approx(
        ctc_attention(reader().train(), batch_of())["loss"].item(), rel=1e-5
    )


def with_unlabelled(config, tmp_path, **settings):
    """Half of the training clips lose their text, which then is not even right."""
    from dataclasses import replace

    clips = read_manifest(config.data.train[0])
    write_manifest(tmp_path / "spoken.jsonl", clips[:4])
    write_manifest(tmp_path / "silent.jsonl", [replace(clip, text="b b b b") for clip in clips[4:]])
    lists = {"train": (str(tmp_path / "spoken.jsonl"),), "unlabelled": (str(tmp_path / "silent.jsonl"),)}
    data = replace(config.data, **lists)
    return replace(changed(config, "trainer", max_epochs=2), data=data, **settings)


@pytest.mark.slow
def test_a_run_learns_from_clips_without_text_and_goes_on(config, tmp_path):
    from tests.training.test_frozen import run_until

    own = with_unlabelled(config, tmp_path, objective="usr", objective_settings={"above": 0.0})
    run, whole = run_until(LipReaderRun, own, tmp_path / "whole")
    assert len(run.train.clips) == 8 and sum(not clip.text for clip in run.train.clips) == 4
    run_until(LipReaderRun, own, tmp_path / "killed", step=1)
    _, rest = run_until(LipReaderRun, own, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole[1:], rel=1e-5)


@pytest.mark.slow
def test_pretraining_needs_no_text(config, tmp_path):
    own = with_unlabelled(config, tmp_path, objective="cav2vec", objective_settings={"share": 0.5, "span": 2})
    own = changed_model(own, NONE | {"further_heads": {"clean": {"kind": "clean_prediction"}}})
    run, printed = LipReaderRun(own, tmp_path / "run"), []
    run.say = printed.append
    run.fit()
    assert any("dev_clean" in line for line in printed)


@pytest.mark.parametrize("objective", ["", "mwer", "cav2vec"])
def test_an_objective_of_texts_refuses_clips_without(config, tmp_path, objective):
    own = with_unlabelled(config, tmp_path, objective=objective)
    own = changed_model(own, PREDICTS)
    with pytest.raises(VsrError, match=r"data.unlabelled: .*text"):
        LipReaderRun(own, tmp_path / "run")


def test_unlabelled_clips_of_a_test_are_refused(config, tmp_path):
    from dataclasses import replace

    own = with_unlabelled(config, tmp_path, objective="usr")
    own = replace(own, data=replace(own.data, unlabelled=own.data.tests))
    with pytest.raises(VsrError, match="share"):
        LipReaderRun(own, tmp_path / "run")
