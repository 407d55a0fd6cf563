"""An audio-visual model: a missing stream, padding, the batch, and frozen parts."""

import pytest
import torch

from vsr.data.batch import Batch
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import FRONTENDS, FUSIONS
from vsr.models.streams import Streams
from vsr.modelstore.nested_settings import from_nested, to_nested

TINY = {"vocab_size": 11, "dim": 16, "heads": 2, "hidden": 24, "layers": 2, "kernel": 5, "decoder_layers": 1}
LIPS = {"kind": "video_transformer", "width": 8, "layers": 1, "heads": 2}
KINDS = [name for name in FUSIONS if FUSIONS[name].joins == "features"]


def reader(fusion="concat", sound="mel", **extra) -> LipReader:
    torch.manual_seed(0)
    settings = {"video": LIPS, "sound": sound, "fusion": fusion, **extra}
    model = LipReader(LipReaderConfig(frontend="audio_visual", frontend_settings=settings, **TINY))
    with torch.no_grad():
        for null in model.frontend.missing.values():
            null.normal_()
    return model.eval()


@pytest.fixture(params=KINDS)
def model(request) -> LipReader:
    return reader(request.param)


def streams(clips: int, frames: int, **present) -> Streams:
    rng = torch.Generator().manual_seed(frames)
    inputs = {VIDEO: torch.randn(clips, frames, 1, 88, 88, generator=rng)}
    inputs[SOUND] = torch.randn(clips, frames, 4, 80, generator=rng)
    return Streams(inputs, {name: torch.tensor(flags) for name, flags in present.items()})


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 7])
def test_clip_encodes_the_same_alone_and_beside_a_longer_one(model, length):
    both = streams(2, 12)
    together = model.encode(both, torch.tensor([12, length]))
    single = Streams({name: x[1:, :length] for name, x in both.inputs.items()})
    alone = model.encode(single, torch.tensor([length]))
    torch.testing.assert_close(together[1:, :length], alone, atol=1e-5, rtol=1e-4)
    assert together[1, length:].abs().sum() == 0


@torch.no_grad()
def test_padding_is_never_read(model):
    clip = streams(1, 9)
    dirty = Streams({name: x.clone() for name, x in clip.inputs.items()})
    for stream in dirty.inputs.values():
        stream[:, 6:] = 50.0
    lengths = torch.tensor([6])
    torch.testing.assert_close(model.encode(clip, lengths), model.encode(dirty, lengths))


@torch.no_grad()
@pytest.mark.parametrize("missing, given", [(SOUND, VIDEO), (VIDEO, SOUND)])
def test_missing_stream_equals_zeros_with_its_flag(model, missing, given):
    whole, lengths = streams(2, 8), torch.tensor([8, 5])
    inputs = {given: whole.inputs[given]}
    left_out = model.encode(Streams(inputs), lengths)
    flagged = streams(2, 8, **{missing: [False, False], given: [True, True]})
    zeros = Streams(inputs | {missing: torch.zeros_like(whole.inputs[missing])}, flagged.present)
    torch.testing.assert_close(model.encode(zeros, lengths), left_out, rtol=0, atol=0)
    torch.testing.assert_close(model.encode(flagged, lengths), left_out, rtol=0, atol=0)  # whatever its values are
    assert not torch.allclose(left_out, model.encode(whole, lengths), atol=1e-3)
    if missing == SOUND:  # video alone, as callers without sound give it
        torch.testing.assert_close(model.encode(whole.inputs[VIDEO], lengths), left_out, rtol=0, atol=0)


@torch.no_grad()
def test_clips_that_lack_different_streams_do_not_affect_each_other(model):
    whole, lengths = streams(3, 6, video=[True, False, True], sound=[True, True, False]), torch.tensor([6, 4, 5])
    together = model.encode(whole, lengths)
    for row in range(3):
        present = {name: x[row : row + 1] for name, x in whole.inputs.items() if whole.present[name][row]}
        alone = model.encode(Streams(present), lengths[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_batch_knows_which_clips_have_which_stream(model):
    whole = streams(2, 6)
    batch = Batch(whole.inputs, torch.tensor([6, 6]), {}, ["a", "b"], present={SOUND: torch.tensor([True, False])})
    assert batch.has(VIDEO).tolist() == [True, True] and batch.has(SOUND).tolist() == [True, False]
    assert batch.has("tracks").tolist() == [False, False]
    with torch.no_grad():
        expected_streams = Streams(
            whole.inputs, {SOUND: torch.tensor([True, False]), VIDEO: torch.tensor([True, True])}
        )
        torch.testing.assert_close(model.encode_batch(batch), model.encode(expected_streams, batch.lengths))
    assert batch.to("cpu").has(SOUND).tolist() == [True, False]


def test_every_parameter_has_a_gradient_even_if_all_clips_lack_a_stream(model):
    model.train()
    batch = streams(2, 6, sound=[False, False], video=[True, True])
    model.encode(batch, torch.tensor([6, 6])).sum().backward()
    assert all(parameter.grad is not None for parameter in model.frontend.parameters())
    assert all(not parameter.grad.abs().sum() for parameter in model.frontend.streams[SOUND].parameters())


def test_frozen_stream_has_no_gradient_and_stays_in_evaluation_mode():
    model = reader(frozen=("video",)).train()
    assert not model.frontend.streams[VIDEO].training and model.frontend.streams[SOUND].training
    model.encode(streams(1, 6), torch.tensor([6])).sum().backward()
    assert all(parameter.grad is None for parameter in model.frontend.streams[VIDEO].parameters())
    assert all(parameter.grad is not None for parameter in model.frontend.streams[SOUND].parameters())


@pytest.mark.parametrize("kind", ["mel", "mel_stack"])
def test_model_of_sound_alone_encodes_a_clip_the_same_alone_and_in_a_batch(kind):
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(frontend=kind, **TINY)).eval()
    assert model.modality == SOUND
    sound = streams(2, 9).inputs[SOUND]
    with torch.no_grad():
        together = model.encode(sound, torch.tensor([9, 4]))
        alone = model.encode(sound[1:, :4], torch.tensor([4]))
        torch.testing.assert_close(together[1:, :4], alone, atol=1e-5, rtol=1e-4)
        batch = Batch({SOUND: sound}, torch.tensor([9, 4]), {}, ["a", "b"])
        torch.testing.assert_close(model.encode_batch(batch), together)


@torch.no_grad()
def test_concat_starts_as_the_sum():
    x, y, mask = torch.randn(1, 5, 16), torch.randn(1, 5, 16), torch.ones(1, 5, dtype=torch.bool)
    torch.testing.assert_close(FUSIONS["concat"]().build(16)(x, y, mask)[0], x + y)


def test_settings_are_read_back_from_a_folder():
    config = reader("concat", {"kind": "mel", "width": 8}, frozen=("video",)).config
    reloaded = from_nested(to_nested(config))
    assert to_nested(reloaded) == to_nested(config)
    assert FRONTENDS["audio_visual"](**reloaded.frontend_settings).part(SOUND).width == 8


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"sound": "resnet3d"}, "reads video"),
        ({"video": "mel"}, "reads sound"),
        ({"fusion": "word_evidence"}, "whole readers"),
        ({"fusion": "sum"}, "fusion is 'sum'"),
        ({"frozen": ["lips"]}, "frozen names 'lips'"),
    ],
)
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        LipReaderConfig(frontend="audio_visual", frontend_settings=settings, **TINY)
