"""torchvision's video networks as front ends: mouth video (B, T, 1, H, W) -> features (B, T, D), one per frame.

The frame rate of 25 Hz is kept: every stride in time is 1, and pooling is over space only. Input frames are grey: the
first convolution has one channel, whose weights are the sums over the three colours of a published checkpoint.
Parameters keep torchvision's names, so that its checkpoints load (`load_video_weights`).

The features of a clip do not depend on the padding of its batch:

- convolutional networks (R3D, MC3, R(2+1)D, S3D) run on the whole batch; padding is set to zero before each
  convolution or pooling over time, and batch normalisation uses real frames only;
- transformers (Swin3D, MViT) run on chunks of 16 frames of one clip, as their windows and position tables have no
  masks. The last chunk overlaps the previous one to be full; a clip of less than 16 frames repeats its last frame.

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
from vsr.core.packages import required_package
from vsr.models.lengths import scatter_frames

CONVOLUTIONAL = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")
TRANSFORMERS = ("swin3d_t", "swin3d_s", "swin3d_b", "mvit_v2_s")
KINDS = (*CONVOLUTIONAL, *TRANSFORMERS)
CHUNK = 16  # input frames of a transformer, as published for Swin3D and MViT
INSTALL = "pip install torchvision, of the release that belongs to torch"
HEADS = ("fc", "head", "classifier")  # names of the classification heads, which are not used
# Mask (B, T) of the batch that this thread is encoding, and whether it has padding.
PADDED: ContextVar[tuple[Tensor, bool]] = ContextVar("padded")


class VideoBackbone(nn.Module):
    """A network of torchvision without its classification head, and a projection.

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
        """video (B, T, 1, H, W), zero where mask (B, T) is False -> (B, T, D), also zero there."""
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
        """video (B, T, H, W) -> features of the real frames (M, C), in order."""
        frames, chunk, index = chunk_places(mask.sum(1).tolist())
        images = video[mask][torch.tensor(frames, device=video.device)]  # (N, 16, H, W)
        encode = swin_states if self.kind.startswith("swin") else mvit_states
        states = encode(self.network, images[:, None])
        return states[torch.tensor(chunk, device=video.device), torch.tensor(index, device=video.device)]


def build(kind: str) -> nn.Module:
    """The network ``kind``, without its head, for grey frames and without strides in time. Raises VsrError."""
    video = required_package("torchvision.models.video", f"the front end {kind}", INSTALL)
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
    """Output channels of the network."""
    if hasattr(network, "norm"):
        return network.norm.normalized_shape[0]
    return 512 if hasattr(network, "layer4") else 1024


def keep_every_frame(network: nn.Module) -> None:
    """Set every stride in time to 1; pooling over an even number of frames becomes pooling over one."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.stride = (1, *module.stride[1:])
        elif isinstance(module, nn.MaxPool3d):
            kernel, stride, padding = (_triple(getattr(module, name)) for name in ("kernel_size", "stride", "padding"))
            is_odd = kernel[0] % 2 == 1
            module.kernel_size = kernel if is_odd else (1, *kernel[1:])
            module.stride, module.padding = (1, *stride[1:]), padding if is_odd else (0, *padding[1:])


def _triple(value: int | tuple[int, int, int]) -> tuple[int, int, int]:
    return (value, value, value) if isinstance(value, int) else value


def see_grey(network: nn.Module) -> None:
    """Replace the first convolution by one for grey frames, equal to it on three identical channels."""
    name, conv = next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv3d))
    grey = nn.Conv3d(1, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=conv.bias is not None)
    with torch.no_grad():
        grey.weight.copy_(conv.weight.sum(1, keepdim=True))
        if conv.bias is not None:
            grey.bias.copy_(conv.bias)
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, grey)


def keep_padding_out(network: nn.Module) -> None:
    """Add hooks: layers over time read zeros on padding, as after a clip's end; statistics are of real frames."""
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.MaxPool3d)) and _triple(module.kernel_size)[0] > 1:
            module.register_forward_pre_hook(_masked_input)
        elif isinstance(module, nn.BatchNorm3d):
            module.register_forward_pre_hook(_keep_real_frames)
            module.register_forward_hook(_padded_again)


def _masked_input(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """(B, C, T, H, W) with zeros on padding. Max pooling follows a ReLU, so that zero is its least value too."""
    mask, padded = PADDED.get()
    return (inputs[0].masked_fill(~mask[:, None, :, None, None], 0),) if padded else inputs


def _keep_real_frames(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Hook before batch normalisation, in training: (B, C, T, H, W) -> the real frames, (1, C, M, H, W)."""
    mask, padded = PADDED.get()
    if not (module.training and padded):
        return inputs
    return (inputs[0].transpose(1, 2)[mask][None].transpose(1, 2),)


def _padded_again(module: nn.Module, _: tuple[Tensor], normalised: Tensor) -> Tensor:
    """Hook after batch normalisation: real frames back to (B, C, T, H, W), zero on padding."""
    mask, padded = PADDED.get()
    if not (module.training and padded):
        return normalised
    return scatter_frames(normalised[0].transpose(0, 1), mask).transpose(1, 2)


def convolved(network: nn.Module, video: Tensor) -> Tensor:
    """Grey video (B, 1, T, H, W) -> features (B, T, C), means over each frame."""
    x = video
    for part in network.children():
        x = part(x)
    return x.mean((3, 4)).transpose(1, 2)


def swin_states(network: nn.Module, chunks: Tensor) -> Tensor:
    """Grey chunks (N, 1, 16, H, W) -> (N, 16, C). Patches span two frames, so that the last frame is repeated."""
    tall, wide = network.patch_embed.tuple_patch_size[1:]
    x = F.pad(chunks, (0, -chunks.shape[4] % wide, 0, -chunks.shape[3] % tall))
    x = network.patch_embed.proj(torch.cat([x, x[:, :, -1:]], 2)).permute(0, 2, 3, 4, 1)
    x = network.features(network.pos_drop(network.patch_embed.norm(x)))
    return network.norm(x).mean((2, 3))


def mvit_states(network: nn.Module, chunks: Tensor) -> Tensor:
    """Grey chunks (N, 1, 16, H, W) -> (N, 16, C). Position tables are interpolated to the size of the frame."""
    x = network.conv_proj(chunks)
    thw = tuple(x.shape[2:])
    x = network.pos_encoding(x.flatten(2).transpose(1, 2))
    for block in network.blocks:
        x, thw = block(x, thw)
    return network.norm(x)[:, 1:].unflatten(1, thw).mean((2, 3))


def chunk_places(lengths: list[int]) -> tuple[list[list[int]], list[int], list[int]]:
    """The frames of each chunk, and the position of each frame's state.

    Args:
        lengths: real frames of each clip; frames are numbered consecutively over all clips.

    Returns:
        (N, 16) frames of each chunk, all of one clip; (M,) the chunk of each frame; (M,) its index in the chunk.
    """
    chunks, chunk_of_frame, index_in_chunk, clip_start = [], [], [], 0
    for length in lengths:
        for start in range(0, length, CHUNK):
            begin = max(0, min(start, length - CHUNK))
            frames = [min(begin + n, length - 1) for n in range(CHUNK)]
            chunks.append([clip_start + frame for frame in frames])
            for frame in range(start, min(start + CHUNK, length)):
                chunk_of_frame.append(len(chunks) - 1)
                index_in_chunk.append(frame - begin)
        clip_start += length
    return chunks, chunk_of_frame, index_in_chunk


def load_video_weights(
    frontend: nn.Module, path: str | Path, read_weights: Callable[[str | Path], dict[str, Tensor]]
) -> str:
    """Load a checkpoint of torchvision; returns a sentence that says what was loaded.

    Args:
        frontend: a `VideoBackbone`.
        path: the .pth; ``read_weights`` returns its tensors by name, without running code in it.

    Raises:
        VsrError: bad_model if it is no checkpoint of this network, bad_config for another front end.
    """
    if not isinstance(frontend, VideoBackbone):
        raise VsrError("bad_config", f"trainer.frontend_weights is for the front ends {', '.join(KINDS)}")
    expected, tensors, loaded = frontend.network.state_dict(), read_weights(path), {}
    for name, parameter in expected.items():
        if name not in tensors:
            raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: it lacks {name!r}")
        tensor = tensors[name]
        if tensor.dim() == 5 and parameter.shape[1] == 1 and tensor.shape[1] == 3:
            tensor = tensor.sum(1, keepdim=True)
        if tensor.shape != parameter.shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(parameter.shape)}"
            raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: {name!r} has shape {shapes}")
        loaded[name] = tensor
    if unexpected := sorted(name for name in tensors.keys() - expected.keys() if not name.startswith(HEADS)):
        raise VsrError("bad_model", f"{path} is no checkpoint of {frontend.kind}: it has {unexpected[0]!r}")
    frontend.network.load_state_dict(loaded)
    return f"frontend_weights {path}: {len(loaded)} tensors taken; new: the projection"
