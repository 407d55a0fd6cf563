"""MixSpeech: a share of 0 is the lips, of 1 the sound; equal streams have nothing to learn from each other."""

from dataclasses import replace

import pytest
import torch

from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.mixed_streams import MixedStreams, Mixing
from vsr.objectives.mixspeech import by_lips, divergence, entropy, mixspeech, needs_streams, read
from vsr.objectives.registry import objective_of

VIDEO = {"kind": "video_transformer", "width": 16, "layers": 1, "heads": 2}
SOUND = {"kind": "mel", "width": 16, "layers": 1, "dropout": 0.0}
LENGTHS = (9, 6)


def reader(decoder=0, **mix):
    torch.manual_seed(0)
    given = {"video": VIDEO, "sound": SOUND, "mix": mix}
    sizes = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "dropout": 0.0}
    own = {"decoder_layers": decoder, "decoder_hidden": 32, "ctc_weight": 0.5, "alignment_weight": 0.0}
    return LipReader(LipReaderConfig(9, "mixed_streams", **sizes, **own, frontend_settings=given))


def spoken(sound=(True, True)):
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 3, 4], [5, 2, IGNORE]])
    inputs = {"video": torch.randn(2, 9, 1, 88, 88), "sound": torch.randn(2, 9, 4, 80)}
    present = {"video": torch.tensor([True, True]), "sound": torch.tensor(sound)}
    return Batch(inputs, torch.tensor(LENGTHS), {"tokens": tokens}, ["a", "b"], present=present)


def without(batch, name):
    return replace(batch, present=batch.present | {name: torch.tensor([False, False])})


@pytest.mark.parametrize("share, alone", [(0.0, "sound"), (1.0, "video")])
def test_shares_of_0_and_1_are_one_stream(share, alone):
    model, batch = reader(start=share, end=share).eval(), spoken()
    heard = model.frontend.draw_sound_frames(batch.lengths, 9)
    with torch.no_grad(), model.frontend.with_sound_frames(heard):
        mixed = model.encode_batch(batch)
    with torch.no_grad():
        assert torch.equal(mixed, model.encode_batch(without(batch, alone)))


def test_nothing_is_mixed_when_reading():
    model, batch = reader().eval(), spoken()
    with torch.no_grad():
        assert torch.equal(model.encode_batch(batch), model.encode_batch(without(batch, "sound")))


def test_clips_without_sound_are_seen():
    model, batch = reader(start=1.0).eval(), spoken((True, False))
    with torch.no_grad(), model.frontend.with_sound_frames(model.frontend.draw_sound_frames(batch.lengths, 9)):
        mixed = model.encode_batch(batch)
    with torch.no_grad():
        seen = model.encode_batch(without(batch, "sound"))
    assert torch.equal(mixed[1], seen[1]) and not torch.equal(mixed[0], seen[0])


def test_frames_are_drawn_in_runs_by_the_seed_and_the_share():
    streams = MixedStreams(4, {"video": torch.nn.Identity(), "sound": torch.nn.Identity()}, Mixing(span=3, start=0.3))
    lengths = torch.full((400,), 30)
    drawn = [(torch.manual_seed(seed), streams.draw_sound_frames(lengths, 30))[1] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    runs = drawn[0].view(400, 10, 3)
    assert (runs.all(-1) == runs.any(-1)).all() and abs(runs.float().mean() - 0.3) < 0.03
    assert not streams.draw_sound_frames(torch.tensor([4]), 9)[0, 4:].any()


def test_schedules():
    linear = Mixing(start=0.8, end=0.2, steps=10)
    shares = [linear.next_share(0.5, done, 9.0) for done in (0, 5, 10, 99)]
    assert shares == pytest.approx([0.8, 0.5, 0.2, 0.2])
    unsure = Mixing(schedule="uncertainty", rate=0.1, entropy=1.0)
    assert unsure.next_share(0.5, 1, 1.0) == 0.5
    assert unsure.next_share(0.5, 1, 2.0) > 0.5 > unsure.next_share(0.5, 1, 0.0)
    assert unsure.next_share(0.99, 1, 5.0) == 1.0 and unsure.next_share(0.01, 1, 0.0) == 0.0


@pytest.mark.parametrize("decoder", [0, 1])
def test_equal_streams_have_nothing_to_learn_from_each_other(decoder):
    model, batch = reader(decoder).eval(), spoken()
    _, lips = by_lips(model, batch)
    assert set(lips) == {"ctc"} | ({"decoder"} if decoder else set())
    everyone = torch.tensor([True, True])
    assert divergence(lips, lips, batch, everyone).abs() < 1e-6
    _, sound = read(model, without(batch, "video"))
    assert divergence(lips, sound, batch, everyone) > 1e-4 and divergence(lips, sound, batch, ~everyone) == 0


def test_weights_of_0_leave_the_lips_alone_and_steps_advance():
    model, batch = reader(start=1.0, end=0.0, steps=4, kl=0.0, mixed=0.0), spoken()
    found = mixspeech(model, batch)
    alone = by_lips(model, batch)[0]
    assert found["loss"] == alone["loss"] and found["mixed"] > 0 and found["kl"] > 0
    assert float(found["share"]) == 0.75 and int(model.state_dict()["frontend.done"]) == 1
    model.eval()
    mixspeech(model, batch)
    assert float(model.frontend.share) == 0.75
    with_both = mixspeech(reader(start=1.0, end=0.0, steps=4), batch)
    parts = with_both["ctc"] * 0.5 + with_both["mixed"] + with_both["kl"]
    assert float(with_both["loss"].detach()) == pytest.approx(float(parts), rel=1e-5)


def test_lips_learn_from_the_sound_and_not_the_other_way():
    """The mixed stream's probabilities are a target: with both losses of the text off nothing reaches the sound."""
    model = reader(mixed=0.0, regularise="sound")
    batch = spoken()
    (mixspeech(model, batch)["kl"])  # reported without gradient
    losses = mixspeech(model, batch)
    losses["loss"].backward()
    sound = [own.grad for own in model.frontend.streams["sound"].parameters()]
    assert all(own is None or not own.any() for own in sound)
    assert any(own.grad is not None and own.grad.any() for own in model.frontend.streams["video"].parameters())


def test_entropy_is_that_of_the_real_frames():
    batch, logits = spoken(), torch.zeros(2, 9, 9)
    logits[1, 6:, 0] = 50.0
    assert float(entropy({"ctc": logits}, batch)) == pytest.approx(float(torch.log(torch.tensor(9.0))), rel=1e-5)


@pytest.mark.parametrize("mix, told", [
    ({"schedule": "luck"}, "luck"), ({"start": 2.0}, "start"), ({"spann": 3}, "spann"),
    ({"regularise": "x"}, "regularise"),
])  # fmt: skip
def test_what_cannot_be_mixed_is_refused(mix, told):
    with pytest.raises(ValueError, match=told):
        reader(**mix)


def test_an_objective_is_refused_to_a_model_without_streams():
    config = reader().config
    assert objective_of(config, "mixspeech") is mixspeech
    with pytest.raises(ValueError, match="mixed_streams"):
        objective_of(replace(config, frontend="video_transformer", frontend_settings={}), "mixspeech")
    needs_streams(config)
