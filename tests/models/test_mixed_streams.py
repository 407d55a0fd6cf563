"""MixSpeech: a share of 0 is the lips, of 1 the sound; equal streams have no loss against each other."""

from dataclasses import replace

import pytest
import torch

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.mixed_streams import MixedStreams, Mixing
from vsr.objectives.mixspeech import by_lips, entropy, mean_divergence, mixspeech, needs_streams, read
from vsr.objectives.registry import objective_of

VIDEO = {"kind": "video_transformer", "width": 16, "layers": 1, "heads": 2}
SOUND = {"kind": "mel", "width": 16, "layers": 1, "dropout": 0.0}
LENGTHS = (9, 6)


def reader(decoder=0, **mix):
    torch.manual_seed(0)
    streams = {"video": VIDEO, "sound": SOUND, "mix": mix}
    sizes = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "dropout": 0.0}
    heads = {"decoder_layers": decoder, "decoder_hidden": 32, "ctc_weight": 0.5, "alignment_weight": 0.0}
    return LipReader(LipReaderConfig(9, "mixed_streams", **sizes, **heads, frontend_settings=streams))


def two_clips(sound=(True, True)):
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 3, 4], [5, 2, IGNORE]])
    inputs = {"video": torch.randn(2, 9, 1, 88, 88), "sound": torch.randn(2, 9, 4, 80)}
    present = {"video": torch.tensor([True, True]), "sound": torch.tensor(sound)}
    return Batch(inputs, torch.tensor(LENGTHS), {"tokens": tokens}, ["a", "b"], present=present)


def without(batch, name):
    return replace(batch, present=batch.present | {name: torch.tensor([False, False])})


@pytest.mark.parametrize("share, alone", [(0.0, "sound"), (1.0, "video")])
def test_shares_of_0_and_1_are_one_stream(share, alone):
    model, batch = reader(start=share, end=share).eval(), two_clips()
    of_sound = model.frontend.draw_sound_frames(batch.lengths, 9)
    with torch.no_grad(), model.frontend.with_sound_frames(of_sound):
        mixed = model.encode_batch(batch)
    with torch.no_grad():
        assert torch.equal(mixed, model.encode_batch(without(batch, alone)))


def test_nothing_is_mixed_when_reading():
    model, batch = reader().eval(), two_clips()
    with torch.no_grad():
        assert torch.equal(model.encode_batch(batch), model.encode_batch(without(batch, "sound")))


def test_clips_without_sound_use_the_lips():
    model, batch = reader(start=1.0).eval(), two_clips((True, False))
    with torch.no_grad(), model.frontend.with_sound_frames(model.frontend.draw_sound_frames(batch.lengths, 9)):
        mixed = model.encode_batch(batch)
    with torch.no_grad():
        of_lips = model.encode_batch(without(batch, "sound"))
    assert torch.equal(mixed[1], of_lips[1]) and not torch.equal(mixed[0], of_lips[0])


def test_frames_are_drawn_in_runs_by_seed_and_share():
    streams = MixedStreams(4, {"video": torch.nn.Identity(), "sound": torch.nn.Identity()}, Mixing(span=3, start=0.3))
    lengths = torch.full((400,), 30)
    drawn = [(torch.manual_seed(seed), streams.draw_sound_frames(lengths, 30))[1] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    runs = drawn[0].view(400, 10, 3)
    assert (runs.all(-1) == runs.any(-1)).all() and abs(runs.float().mean() - 0.3) < 0.03
    assert not streams.draw_sound_frames(torch.tensor([4]), 9)[0, 4:].any()


def test_schedules_of_the_share():
    linear = Mixing(start=0.8, end=0.2, steps=10)
    shares = [linear.next_share(0.5, done, 9.0) for done in (0, 5, 10, 99)]
    assert shares == pytest.approx([0.8, 0.5, 0.2, 0.2])
    by_uncertainty = Mixing(schedule="uncertainty", rate=0.1, entropy=1.0)
    assert by_uncertainty.next_share(0.5, 1, 1.0) == 0.5
    assert by_uncertainty.next_share(0.5, 1, 2.0) > 0.5 > by_uncertainty.next_share(0.5, 1, 0.0)
    assert by_uncertainty.next_share(0.99, 1, 5.0) == 1.0 and by_uncertainty.next_share(0.01, 1, 0.0) == 0.0


@pytest.mark.parametrize("decoder", [0, 1])
def test_equal_streams_have_no_loss_against_each_other(decoder):
    model, batch = reader(decoder).eval(), two_clips()
    _, lips = by_lips(model, batch)
    assert set(lips) == {"ctc"} | ({"decoder"} if decoder else set())
    everyone = torch.tensor([True, True])
    assert mean_divergence(lips, lips, batch, everyone).abs() < 1e-6
    _, sound = read(model, without(batch, "video"))
    assert mean_divergence(lips, sound, batch, everyone) > 1e-4 and mean_divergence(lips, sound, batch, ~everyone) == 0


def test_weights_of_0_leave_only_the_lips_and_steps_advance():
    model, batch = reader(start=1.0, end=0.0, steps=4, kl=0.0, mixed=0.0), two_clips()
    losses = mixspeech(model, batch)
    alone = by_lips(model, batch)[0]
    assert losses["loss"] == alone["loss"] and losses["mixed"] > 0 and losses["kl"] > 0
    assert float(losses["share"]) == 0.75 and int(model.state_dict()["frontend.done"]) == 1
    model.eval()
    mixspeech(model, batch)
    assert float(model.frontend.share) == 0.75
    with_both = mixspeech(reader(start=1.0, end=0.0, steps=4), batch)
    parts = with_both["ctc"] * 0.5 + with_both["mixed"] + with_both["kl"]
    assert float(with_both["loss"].detach()) == pytest.approx(float(parts), rel=1e-5)


def test_lips_learn_from_the_mixed_stream_but_not_the_reverse():
    """The mixed stream's probabilities are a target: without the losses of the text, no gradient reaches the sound."""
    model = reader(mixed=0.0, regularise="sound")
    batch = two_clips()
    (mixspeech(model, batch)["kl"])  # reported without gradient
    losses = mixspeech(model, batch)
    losses["loss"].backward()
    sound = [parameter.grad for parameter in model.frontend.streams["sound"].parameters()]
    assert all(parameter is None or not parameter.any() for parameter in sound)
    assert any(
        parameter.grad is not None and parameter.grad.any()
        for parameter in model.frontend.streams["video"].parameters()
    )


def test_entropy_is_that_of_real_frames():
    batch, logits = two_clips(), torch.zeros(2, 9, 9)
    logits[1, 6:, 0] = 50.0
    assert float(entropy({"ctc": logits}, batch)) == pytest.approx(float(torch.log(torch.tensor(9.0))), rel=1e-5)


@pytest.mark.parametrize("mix, message", [
    ({"schedule": "luck"}, "luck"), ({"start": 2.0}, "start"), ({"spann": 3}, "spann"),
    ({"regularise": "x"}, "regularise"),
])  # fmt: skip
def test_refuses_impossible_settings(mix, message):
    with pytest.raises(ValueError, match=message):
        reader(**mix)


def test_objective_is_refused_for_a_model_without_mixed_streams():
    config = reader().config
    assert objective_of(config, "mixspeech") is mixspeech
    with pytest.raises(ValueError, match="mixed_streams"):
        objective_of(replace(config, frontend="video_transformer", frontend_settings={}), "mixspeech")
    needs_streams(config)
