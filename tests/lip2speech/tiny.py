"""A tiny acoustic model and a tiny vocoder, and what goes into them."""

import torch

from lip2speech.features.dataset import SpeechBatch
from lip2speech.inference.folder import save_voice
from lip2speech.models.parts import save_part
from lip2speech.models.voice import Voice
from lip2speech.models.voice_config import VoiceConfig
from lip2speech.vocoders.generator import Generator, GeneratorConfig
from vsr.data.batch import Batch
from vsr.media.units import Codebook

READER = {
    "vocab_size": 7, "frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2, "dim": 16, "heads": 2,
    "hidden": 32, "layers": 1, "kernel": 5, "decoder_layers": 1, "decoder_hidden": 16,
}  # fmt: skip
UNITS = 9


def ramp_weights(model):
    """Fill every parameter by a formula, so that a golden number needs no stored weights."""
    with torch.no_grad():
        for index, (_, parameter) in enumerate(sorted(model.named_parameters())):
            count = torch.arange(parameter.numel(), dtype=torch.float64)
            wave = torch.sin(count * 0.7 + index) * 0.3 / max(1, parameter.shape[-1]) ** 0.5
            parameter.copy_(wave.view(parameter.shape).float())
    return model


def by_heart(translator, batch):
    """A translator that has learnt a batch by heart."""
    optimiser = torch.optim.Adam(translator.train().parameters(), 0.01)
    for _ in range(150):
        optimiser.zero_grad()
        translator.loss(batch)["loss"].backward()
        optimiser.step()
    return translator.eval()


def tiny_voice(**settings):
    """An acoustic model with random weights, none of them zero."""
    torch.manual_seed(0)
    sizes = {"reader": READER, "units": UNITS, "dim": 16, "layers": 1, "velocity_layers": 1, "heads": 2, "hidden": 32}
    voice = Voice(VoiceConfig(**sizes | settings))
    for parameter in voice.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    voice.default_speaker.copy_(speakers(1)[0])
    return voice.eval()


def tiny_vocoder(**settings):
    """A vocoder with random weights."""
    torch.manual_seed(1)
    sizes = {"units": UNITS, "unit_dim": 4, "speaker_dim": 4, "dim": 16, "hidden": 32, "layers": 2}
    return Generator(GeneratorConfig(**sizes | settings)).eval()


def tiny_codebook():
    """Random units of MFCCs."""
    torch.manual_seed(4)
    return Codebook(torch.randn(UNITS, 39), "mfcc")


def save_units_voice(folder, codebook):
    """Save a tiny voice that speaks units; returns the folder."""
    save_voice(folder / "acoustic", tiny_voice(), codebook, {"seen": "units"})
    save_part(folder / "vocoder", tiny_vocoder())
    return folder


def speakers(count):
    """(count, 256) unit vectors without negative entries."""
    vectors = torch.rand(count, 256, generator=torch.Generator().manual_seed(2))
    return vectors / vectors.norm(dim=1, keepdim=True)


def videos(lengths):
    """(B, T, 1, 88, 88) random video whose padding holds garbage, and lengths (B,)."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(len(lengths), max(lengths), 1, 88, 88, generator=generator), torch.tensor(lengths)


def speech_batch(lengths):
    """A training batch whose padding holds garbage where a loss could read it by mistake."""
    video, sizes = videos(lengths)
    longest = max(lengths)
    tokens = torch.ones(len(lengths), 2, dtype=torch.long)
    frame_tokens = torch.full((len(lengths), longest), -1)
    mel = torch.randn(len(lengths), 4 * longest, 80, generator=torch.Generator().manual_seed(5))
    units = torch.full((len(lengths), 2 * longest), -1)
    for row, length in enumerate(lengths):
        units[row, : 2 * length] = torch.arange(2 * length) % UNITS
        frame_tokens[row, :length] = 1
    targets = {"tokens": tokens, "frame_tokens": frame_tokens}
    seen = Batch({"video": video}, sizes, targets, [str(n) for n in lengths])
    return SpeechBatch(seen, mel, units, speakers(len(lengths)))
