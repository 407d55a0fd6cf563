"""torchvision's video networks as front ends: mouth video (B, T, 1, H, W) -> features (B, T, D), one a frame.

Each keeps the 25 Hz clock: every stride in time is 1, and pooling is over space alone. They see grey frames: the
first convolution has one channel, whose weights are the sums over the three colours of a published checkpoint.
Parameters keep torchvision's names, so that its checkpoints load (`load_video_weights`).

How padding is kept out, so that a clip alone gives what it gives beside a longer one:

- convolutional networks (R3D, MC3, R(2+1)D, S3D) run on the whole batch; what is padding is set to zero before each
  convolution or pooling over time, and batch normalisation counts real frames alone;
- transformers (Swin3D, MViT) run on chunks of 16 frames of one clip, the last one reaching back to be whole, since
  their windows and position tables have no masks. A clip of less than 16 frames repeats its last one.

Shapes: B batch, T frames, H and W pixels, N chunks, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.core.packages import needed
from vsr.models.lengths import scatter_frames

CONVOLUTIONAL = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")
TRANSFORMERS = ("swin3d_t", "swin3d_s", "swin3d_b", "mvit_v2_s")
KINDS = (*CONVOLUTIONAL, *TRANSFORMERS)
CHUNK = 16  # frames that a transformer sees at a time: what Swin3D and MViT were published with
INSTALL = "pip install torchvision, of the release that belongs to torch"
HEADS = ("fc", "head", "classifier")  # of the classes of the corpus that a network was trained on
# Mask (B, T) of the batch that this thread is encoding, and whether any of it is padding.
PADDED: ContextVar[tuple[Tensor, bool]] = ContextVar("padded")


class VideoBackbone(nn.Module):
    """A network of torchvision without its classes, and a projection.

    Args:
        kind: one of `KINDS`.
        dim: width D of the output.

    Raises:
        VsrError: missing_package without torchvision.
    """

    def __init__(self, kind: str, dim: int):
        super().__init__()
        self.kind = kind
        self.network = build(kind)
        self.project = nn.Linear(width_of(self.network), dim)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """video (B, T, 1, H, W), zero where mask (B, T) is False -> (B, T, D), zero there too."""
        if self.kind in CONVOLUTIONAL:
            token = PADDED.set((mask, not bool(mask.all())))
            try:
                features = convolved(self.network, video.transpose(1, 2))[mask]
            finally:
                PADDED.reset(token)
        else:
            features = self._in_chunks(video[:, :, 0], mask)
        return scatter_frames(self.project(features), mask)

    def _in_chunks(self, video: Tensor, mask: Tensor) -> Tensor:
        """video (B, T, H, W) -> features of the real frames (M, C), in their order."""
        seen, chunk, place = chunk_places(mask.sum(1).tolist())
        images = video[mask][torch.tensor(seen, device=video.device)]  # (N, 16, H, W)
        encode = swin_states if self.kind.startswith("swin") else mvit_states
        states = encode(self.network, images[:, None])
        return states[torch.tensor(chunk, device=video.device), torch.tensor(place, device=video.device)]


def build(kind: str) -> nn.Module:
    """The network ``kind``, without its head, on grey frames and with no stride in time. Raises VsrError."""
    video = needed("torchvision.models.video", f"the front end {kind}", INSTALL)
    network = getattr(video, kind)()
    for name in (*HEADS, "avgpool"):
        if hasattr(network, name):
            delattr(network, name)
    keep_every_frame(network)
    see_grey(network)
    if kind in CONVOLUTIONAL:
        keep_padding_out(network)
    return network


def width_of(network: nn.Module) -> int:
    """Channels of what the network gives."""
    if hasattr(network, "norm"):
        return network.norm.normalized_shape[0]
    return 512 if hasattr(network, "layer4") else 1024


def keep_every_frame(network: nn.Module) -> None:
    """Set every stride in time to 1; a pooling over an even number of frames looks at one alone."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.stride = (1, *module.stride[1:])
        elif isinstance(module, nn.MaxPool3d):
            kernel, stride, padding = (_triple(getattr(module, name)) for name in ("kernel_size", "stride", "padding"))
            odd = kernel[0] % 2 == 1
            module.kernel_size = kernel if odd else (1, *kernel[1:])
            module.stride, module.padding = (1, *stride[1:]), padding if odd else (0, *padding[1:])


def _triple(value: int | tuple[int, int, int]) -> tuple[int, int, int]:
    return (value, value, value) if isinstance(value, int) else value


def see_grey(network: nn.Module) -> None:
    """Replace the first convolution by one of one channel that gives on grey what it gave on three like channels."""
    name, first = next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv3d))
    grey = nn.Conv3d(1, first.out_channels, first.kernel_size, first.stride, first.padding, bias=first.bias is not None)
    with torch.no_grad():
        grey.weight.copy_(first.weight.sum(1, keepdim=True))
        if first.bias is not None:
            grey.bias.copy_(first.bias)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, grey)


def keep_padding_out(network: nn.Module) -> None:
    """What looks at neighbouring frames sees zeros on padding, as at a clip's end; statistics are of real frames."""
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.MaxPool3d)) and _triple(module.kernel_size)[0] > 1:
            module.register_forward_pre_hook(_masked_input)
        elif isinstance(module, nn.BatchNorm3d):
            module.register_forward_pre_hook(_real_alone)
            module.register_forward_hook(_padded_again)


def _masked_input(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """(B, C, T, H, W) with zeros on padding. The maximum pooling stands after a ReLU: zero is its least, too."""
    mask, padded = PADDED.get()
    return (inputs[0].masked_fill(~mask[:, None, :, None, None], 0),) if padded else inputs


def _real_alone(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Before batch normalisation, in training: (B, C, T, H, W) -> (1, C, M, H, W), the real frames."""
    mask, padded = PADDED.get()
    if not (module.training and padded):
        return inputs
    return (inputs[0].transpose(1, 2)[mask][None].transpose(1, 2),)


def _padded_again(module: nn.Module, _: tuple[Tensor], normalised: Tensor) -> Tensor:
    """After it: back in place, zero on padding."""
    mask, padded = PADDED.get()
    if not (module.training and padded):
        return normalised
    return scatter_frames(normalised[0].transpose(0, 1), mask).transpose(1, 2)


def convolved(network: nn.Module, video: Tensor) -> Tensor:
    """Grey video (B, 1, T, H, W) -> (B, T, C), the mean over each frame."""
    x = video
    for part in network.children():
        x = part(x)
    return x.mean((3, 4)).transpose(1, 2)


def swin_states(network: nn.Module, chunks: Tensor) -> Tensor:
    """Grey chunks (N, 1, 16, H, W) -> (N, 16, C). A patch is of two frames: the last one is followed by itself."""
    tall, wide = network.patch_embed.tuple_patch_size[1:]
    x = F.pad(chunks, (0, -chunks.shape[4] % wide, 0, -chunks.shape[3] % tall))
    x = network.patch_embed.proj(torch.cat([x, x[:, :, -1:]], 2)).permute(0, 2, 3, 4, 1)
    x = network.features(network.pos_drop(network.patch_embed.norm(x)))
    return network.norm(x).mean((2, 3))


def mvit_states(network: nn.Module, chunks: Tensor) -> Tensor:
    """Grey chunks (N, 1, 16, H, W) -> (N, 16, C). Tables of positions are stretched to the size of the frame."""
    x = network.conv_proj(chunks)
    thw = tuple(x.shape[2:])
    x = network.pos_encoding(x.flatten(2).transpose(1, 2))
    for block in network.blocks:
        x, thw = block(x, thw)
    return network.norm(x)[:, 1:].unflatten(1, thw).mean((2, 3))


def chunk_places(lengths: list[int]) -> tuple[list[list[int]], list[int], list[int]]:
    """Which frames each chunk sees, and where each frame's state stands.

    Args:
        lengths: real frames of each clip; frames of all clips are counted one after another.

    Returns:
        (N, 16) frames of each chunk, all of one clip; (M,) the chunk of each frame; (M,) its place in it.
    """
    seen, chunk, place, first = [], [], [], 0
    for length in lengths:
        for start in range(0, length, CHUNK):
            begin = max(0, min(start, length - CHUNK))
            frames = [min(begin + n, length - 1) for n in range(CHUNK)]
            seen.append([first + frame for frame in frames])
            for frame in range(start, min(start + CHUNK, length)):
                chunk.append(len(seen) - 1)
                place.append(frame - begin)
        first += length
    return seen, chunk, place


def load_video_weights(frontend: nn.Module, path: str | Path, read: Callable[[str | Path], dict[str, Tensor]]) -> str:
    """Start from a checkpoint of torchvision; returns a sentence about what was taken.

    Args:
        frontend: a `VideoBackbone`.
        path: the .pth, read by ``read`` as tensors by name, without running anything in it.

    Raises:
        VsrError: bad_model where it is no checkpoint of this network, bad_config for another front end.
    """
    if not isinstance(frontend, VideoBackbone):
        raise VsrError("bad_config", f"trainer.frontend_weights is for the front ends {', '.join(KINDS)}")
    wanted, given, taken = frontend.network.state_dict(), read(path), {}
    for name, own in wanted.items():
        if name not in given:
            raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: it lacks {name!r}")
        tensor = given[name]
        if tensor.dim() == 5 and own.shape[1] == 1 and tensor.shape[1] == 3:
            tensor = tensor.sum(1, keepdim=True)
        if tensor.shape != own.shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(own.shape)}"
            raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: {name!r} has shape {shapes}")
        taken[name] = tensor
    if strange := sorted(name for name in given.keys() - wanted.keys() if not name.startswith(HEADS)):
        raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: it has {strange[0]!r}")
    frontend.network.load_state_dict(taken)
    return f"frontend_weights {path}: {len(taken)} tensors taken; new: the projection"
