"""Make golden/cogenav.json with the real peer: `python golden_cogenav.py COGENAV FAIRSEQ`.

Both are folders with the repositories, fairseq as for `golden_av_hubert.py`. CoGenAV's own modules compute the states
of its encoder, with small widths and with weights by `formula.fill`; Whisper's log-mel is that of transformers, cut to
the clip.
"""

import argparse
import sys
import tempfile

import torch
from formula import sound, video
from golden_auto_avsr import FRAMES, WIDTH, fill_by_formula, rounded, small_front_end, write
from torch import nn

DIM, HEADS, HIDDEN, LAYERS = 32, 2, 20, 2
SETTINGS = f"""
layer_type: transformer
checkpoint_activations: false
encoder_layers: {LAYERS}
encoder_embed_dim: {DIM}
encoder_ffn_embed_dim: {HIDDEN}
encoder_attention_heads: {HEADS}
activation_fn: gelu
dropout: 0.1
attention_dropout: 0.1
activation_dropout: 0.0
encoder_layerdrop: 0.05
dropout_input: 0.1
layer_norm_first: true
conv_pos: 128
conv_pos_groups: 16
required_seq_len_multiple: 2
"""


def build():
    """The peer with small sizes."""
    from models.cogenav import CoGenAV

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(SETTINGS)
        file.flush()
        model = CoGenAV(cfg_file=file.name)
    front = model.encoder.feature_extractor_video
    small_front_end(front.resnet)
    front.proj = nn.Linear(8 * WIDTH, DIM)
    return model.eval()


def mel(frames):
    """Whisper's log-mel (1, 80, 4 T) of the clip."""
    from transformers import WhisperFeatureExtractor

    wave = sound(frames).flatten().numpy()
    features = WhisperFeatureExtractor()(wave, sampling_rate=16000, return_tensors="pt").input_features
    return features[..., : 4 * frames]


@torch.no_grad()
def record(model, frames, modality):
    """The states of one clip at 25 Hz."""
    lips = video(frames).permute(0, 3, 4, 2, 1)  # (1, H, W, C, T), as its forward takes it
    inputs = {"video": (lips, None), "sound": (None, mel(frames)), "both": (lips, mel(frames))}[modality]
    return {"frames": frames, **rounded({"states": model(*inputs, use_upsampler=False)})}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cogenav")
    parser.add_argument("fairseq")
    args = parser.parse_args()
    sys.path[:0] = [args.cogenav, args.fairseq]
    model = build()
    shapes = fill_by_formula(model)
    records = {
        modality: [record(model, frames, modality) for frames in FRAMES] for modality in ("video", "sound", "both")
    }
    write("cogenav.json", shapes, records.pop("video"), head=DIM // HEADS, **records)


if __name__ == "__main__":
    main()
