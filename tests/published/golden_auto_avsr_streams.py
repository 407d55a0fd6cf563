"""Make golden/auto_avsr_sound.json, auto_avsr_both.json and vsr4ml_both.json with the real peers: `python
golden_auto_avsr_streams.py NEWEST WITH_BOTH ZOO`.

The first two are folders with the auto_avsr repository: at its newest commit, which reads sound, and at a676411 (2023),
whose E2E reads sound and video; the third is Visual_Speech_Recognition_for_Multiple_Languages (5e1405d), here with both
kinds of relative positions. Their own modules compute every number, with small widths and with weights by
`formula.fill`; waves are normalised as by the test transforms.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from formula import sound, video
from golden_auto_avsr import (
    DIM,
    FRAMES,
    HEADS,
    HIDDEN,
    KERNEL,
    LAYERS,
    TOKENS,
    VOCABULARY,
    WIDTH,
    fill_by_formula,
    rounded,
    small_front_end,
    write,
)
from torch import nn

FUSED = 10  # width of the hidden layer


def small_wave_front_end(module):
    """The peer's ResNet-1D, made again by its own functions, narrower."""
    trunk = module.trunk
    block = type(trunk.layer1[0])
    trunk.conv1 = nn.Conv1d(1, WIDTH, kernel_size=80, stride=4, padding=38, bias=False)
    trunk.bn1 = nn.BatchNorm1d(WIDTH)
    trunk.inplanes = WIDTH
    for stage in range(4):
        setattr(trunk, f"layer{stage + 1}", trunk._make_layer(block, WIDTH * 2**stage, 2, stride=2 if stage else 1))
    return module


def normalised(frames):
    """The wave (1, S, 1) as its AudioTransform returns it."""
    wave = sound(frames).view(-1, 1)
    return nn.functional.layer_norm(wave, wave.shape, eps=1e-8)[None]


class Hearing(nn.Module):
    """The parts of the newest E2E with modality "audio"."""

    def __init__(self):
        super().__init__()
        from espnet.nets.pytorch_backend.ctc import CTC
        from espnet.nets.pytorch_backend.decoder.transformer_decoder import TransformerDecoder
        from espnet.nets.pytorch_backend.encoder.conformer_encoder import ConformerEncoder
        from espnet.nets.pytorch_backend.frontend.resnet1d import audio_resnet

        self.frontend = small_wave_front_end(audio_resnet())
        self.proj_encoder = nn.Linear(8 * WIDTH, DIM)
        self.encoder = ConformerEncoder(DIM, HEADS, HIDDEN, LAYERS, cnn_module_kernel=KERNEL)
        self.decoder = TransformerDecoder(VOCABULARY, DIM, HEADS, HIDDEN, LAYERS)
        self.ctc = CTC(VOCABULARY, DIM, 0.1)

    def features(self, frames):
        return self.proj_encoder(self.frontend(normalised(frames)))

    def states(self, frames):
        return self.encoder(self.features(frames), None)[0]


def both(zoo):
    """E2E of lips and sound with small sizes, and its settings."""
    if zoo:
        from espnet.nets.pytorch_backend.e2e_asr_transformer_av import E2E
    else:
        from espnet.nets.pytorch_backend.e2e_asr_conformer_av import E2E

    encoder_settings = {
        "adim": DIM, "aheads": HEADS, "eunits": HIDDEN, "elayers": LAYERS, "dropout_rate": 0.1,
        "transformer_attn_dropout_rate": 0.1, "transformer_encoder_attn_layer_type": "rel_mha",
        "macaron_style": True, "use_cnn_module": True, "cnn_module_kernel": KERNEL, "zero_triu": False,
        "a_upsample_ratio": 1, "relu_type": "swish",
    }  # fmt: skip
    settings = encoder_settings | {f"aux_{name}": value for name, value in encoder_settings.items()} | {
        "transformer_input_layer": "conv3d", "aux_transformer_input_layer": "conv1d", "ddim": DIM, "dheads": HEADS,
        "dunits": HIDDEN, "dlayers": LAYERS, "lsm_weight": 0.1, "transformer_length_normalized_loss": False,
        "mtlalpha": 0.1, "ctc_type": "builtin", "rel_pos_type": "latest", "fusion_hdim": FUSED,
        "fusion_norm": "layernorm" if zoo else "batchnorm", "report_cer": False, "report_wer": False,
        "aux_elayers": LAYERS - 1,  # the two may differ
    }  # fmt: skip
    if zoo:
        settings["aux_transformer_encoder_attn_layer_type"] = "legacy_rel_mha"
    model = E2E(VOCABULARY, argparse.Namespace(**settings))
    small_front_end(model.encoder.frontend)
    small_wave_front_end(model.aux_encoder.frontend)
    for encoder in (model.encoder, model.aux_encoder):
        encoder.embed[0] = nn.Linear(8 * WIDTH, DIM)

    def states(frames):
        frames_seen = video(frames).transpose(1, 2) if zoo else video(frames)
        lips, sound_states = model.encoder(frames_seen, None)[0], model.aux_encoder(normalised(frames), None)[0]
        return model.fusion(torch.cat((lips, sound_states), dim=-1))

    model.states = states
    return model, settings


@torch.no_grad()
def record(model, frames, tokens):
    """What the peer computes from one clip and one prefix."""
    from espnet.nets.pytorch_backend.transformer.mask import subsequent_mask

    states, tokens = model.states(frames), torch.tensor([tokens])
    logits, _ = model.decoder(tokens, subsequent_mask(tokens.shape[1])[None], states, None)
    values = {"states": states, "ctc": model.ctc.ctc_lo(states).log_softmax(-1), "decoder": logits.log_softmax(-1)}
    if hasattr(model, "features"):
        values["front_end"] = model.features(frames)
    return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="+")
    checkouts = parser.parse_args().checkouts
    if len(checkouts) > 1:  # a process for each: every peer has a package called espnet
        for checkout in checkouts:
            subprocess.run([sys.executable, __file__, checkout], check=True)
        return
    sys.path.insert(0, checkouts[0])
    modules = Path(checkouts[0]) / "espnet" / "nets" / "pytorch_backend"
    zoo = (modules / "e2e_asr_transformer_av.py").exists()
    hears = not zoo and not (modules / "e2e_asr_conformer_av.py").exists()
    model, settings = (Hearing(), {}) if hears else both(zoo)
    shapes = fill_by_formula(model.eval())
    records = [record(model, f, t) for f, t in zip(FRAMES, TOKENS, strict=True)]
    name = "auto_avsr_sound" if hears else "vsr4ml_both" if zoo else "auto_avsr_both"
    write(f"{name}.json", shapes, records, **({"settings": settings} if zoo else {}))


if __name__ == "__main__":
    main()
