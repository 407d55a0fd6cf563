"""torchvision's video networks as front ends: one state per frame, no effect of padding, published weights load."""

import threading

import pytest
import torch

from vsr.core.errors import VsrError
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.importers.reading import read_checkpoint, weights_of
from vsr.training.batch_norm import WorldBatchNorm, on_gpus

pytest.importorskip("torchvision", reason="torchvision is not installed")
from vsr.models.frontends import torchvision_video as backbones  # noqa: E402

TESTED = ("r3d_18", "r2plus1d_18", "s3d", "swin3d_t", "mvit_v2_s")
SIDE, DIM = 24, 12
HEAD = {"layers": 1, "dim": 12, "heads": 2, "hidden": 16, "decoder_layers": 1, "decoder_hidden": 16}


@pytest.fixture(scope="module", params=TESTED)
def frontend(request):
    torch.manual_seed(0)
    return backbones.VideoBackbone(request.param, DIM).eval()


def video(*lengths):
    """(B, T, 1, 24, 24), zero on padding, and the mask (B, T)."""
    longest, generator = max(lengths), torch.Generator().manual_seed(3)
    mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
    images = torch.randn(len(lengths), longest, 1, SIDE, SIDE, generator=generator)
    return images * mask[:, :, None, None, None], mask


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 18])
def test_clip_gives_the_same_alone_and_beside_a_longer_one(frontend, length):
    both, mask = video(length, 20)
    together = frontend(both, mask)
    alone = frontend(both[:1, :length], mask[:1, :length])
    assert alone.shape == (1, length, DIM) and alone.isfinite().all()
    torch.testing.assert_close(together[:1, :length], alone, atol=1e-4, rtol=1e-3)
    assert not together[0, length:].any()


@torch.no_grad()
def test_each_frame_has_a_state_of_its_own(frontend):
    images, mask = video(12)
    other = images.clone()
    other[:, 11] += 1.0
    change = (frontend(images, mask) - frontend(other, mask)).abs().amax(-1)[0]
    assert change.argmax() >= 8 and change[11] > 0.1 * change.max() > 0


@pytest.mark.parametrize("length", [1, 15, 16, 17, 32, 40])
def test_chunks_contain_every_frame_once_and_one_clip_each(length):
    lengths = [7, length, 20]
    chunks, chunk, position = backbones.chunk_places(lengths)
    assert all(len(frames) == backbones.CHUNK for frames in chunks)
    assert [chunks[c][p] for c, p in zip(chunk, position, strict=True)] == list(range(sum(lengths)))
    owner = [clip for clip, size in enumerate(lengths) for _ in range(size)]
    assert all(len({owner[frame] for frame in frames}) == 1 for frames in chunks)


def test_training_statistics_are_those_of_real_frames():
    norm = torch.nn.BatchNorm3d(3)
    backbones.keep_padding_out(torch.nn.Sequential(norm))
    x = torch.randn(2, 3, 6, 4, 4)
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    token = backbones.PADDED.set((mask, True))
    out = norm(x)
    backbones.PADDED.reset(token)
    real = torch.cat([x[0].transpose(0, 1), x[1, :, :2].transpose(0, 1)])
    torch.testing.assert_close(norm.running_mean, 0.1 * real.mean((0, 2, 3)))
    mean, deviation = real.mean((0, 2, 3)), (real.var((0, 2, 3), correction=0) + 1e-5).sqrt()
    expected = (real - mean[:, None, None]) / deviation[:, None, None]
    torch.testing.assert_close(out[0].transpose(0, 1), expected[:6], atol=1e-4, rtol=1e-4)
    assert not out[1, :, 2:].any()


def test_padding_is_kept_out_with_several_ranks():
    norm = torch.nn.BatchNorm3d(3)
    backbones.keep_padding_out(torch.nn.Sequential(norm))
    for model in (on_gpus(torch.nn.Sequential(norm)), torch.nn.Sequential(WorldBatchNorm.of(norm))):
        assert type(model[0]) is not torch.nn.BatchNorm3d
        assert len(model[0]._forward_pre_hooks) == len(model[0]._forward_hooks) == 1


@torch.no_grad()
def test_gray_equals_three_equal_channels():
    from torchvision.models.video import r3d_18

    torch.manual_seed(1)
    colour = r3d_18()
    weights = colour.state_dict()
    gray = torch.randn(1, 1, 3, SIDE, SIDE)
    ours = backbones.VideoBackbone("r3d_18", DIM)
    backbones.load_video_weights(ours, "file", lambda _: weights)
    token = backbones.PADDED.set((torch.ones(1, 3, dtype=torch.bool), False))
    stem_output = ours.network.stem[0](gray)
    backbones.PADDED.reset(token)
    torch.testing.assert_close(stem_output, colour.stem[0](gray.repeat(1, 3, 1, 1, 1)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["swin3d_t", "mvit_v2_s", "s3d"])
def test_published_checkpoint_loads(kind, tmp_path):
    from torchvision.models import video as published

    torch.manual_seed(2)
    weights = getattr(published, kind)().state_dict()
    torch.save(weights, tmp_path / "published.pth")
    ours = backbones.VideoBackbone(kind, DIM)
    message = backbones.load_video_weights(
        ours, tmp_path / "published.pth", lambda path: weights_of(read_checkpoint(path), path)
    )
    tensors = ours.network.state_dict()
    assert "tensors taken" in message
    assert all(
        torch.equal(tensors[name], weights[name]) for name in tensors if tensors[name].shape == weights[name].shape
    )
    assert sum(tensors[name].shape != weights[name].shape for name in tensors) == 1  # the first convolution


def test_refuses_checkpoint_of_another_network():
    ours = backbones.VideoBackbone("r3d_18", DIM)
    tensors = ours.network.state_dict()
    name = next(iter(tensors))
    for changes in ({name: torch.zeros(2)}, {"unknown": torch.zeros(2)}):
        with pytest.raises(VsrError, match="no checkpoint of r3d_18"):
            backbones.load_video_weights(ours, "file", lambda _, changes=changes: tensors | changes)
    with pytest.raises(VsrError, match="lacks"):
        backbones.load_video_weights(ours, "file", lambda _: {})
    with pytest.raises(VsrError, match="frontend_weights is for"):
        backbones.load_video_weights(torch.nn.Linear(1, 1), "file", lambda _: tensors)


@torch.no_grad()
def test_threads_do_not_share_padding():
    torch.manual_seed(4)
    shared = backbones.VideoBackbone("r3d_18", DIM).eval()
    inputs = [video(3, 9), video(9, 4), video(2, 6)]
    expected = [shared(*arguments) for arguments in inputs]
    results = [None] * len(inputs)

    def work(n):
        with torch.no_grad():
            results[n] = shared(*inputs[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(inputs))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(expected, results, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["swin3d_t"])
def test_lip_reader_is_built_with_it_and_stored(kind, tmp_path):
    from vsr.modelstore.folder import load_model, save_model
    from vsr.text.tokenizer import CharTokenizer

    tokenizer = CharTokenizer("ab ")
    model = LipReader(LipReaderConfig(vocab_size=tokenizer.vocab_size, frontend=kind, **HEAD)).eval()
    clip = torch.randn(1, 4, 1, 88, 88)
    states = model.encode(clip, torch.tensor([4]))
    assert states.shape == (1, 4, 12)
    save_model(tmp_path / "model", model, tokenizer)
    reloaded = load_model(tmp_path / "model").model
    torch.testing.assert_close(reloaded.encode(clip, torch.tensor([4])), states)


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match="swin3d_t"):
        LipReaderConfig(vocab_size=5, frontend="swin9d")
