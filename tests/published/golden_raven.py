"""Makes golden/raven.json, usr.json or usr2.json with the real peer: `python golden_raven.py CHECKOUT FAMILY`.

CHECKOUT is a folder with the repository raven (11fb53f), usr (6115c87) or usr2 (df0c78b). Its own modules compute every
number here, with small widths and with weights by `formula.fill`; the settings are those of its conf/model.
"""

import argparse
import sys

import torch
from formula import video
from golden_auto_avsr import (
    DIM,
    FRAMES,
    HEADS,
    HIDDEN,
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

SETTINGS = {
    "idim": 8 * WIDTH, "adim": DIM, "aheads": HEADS, "eunits": HIDDEN, "elayers": LAYERS, "ddim": DIM, "dheads": HEADS,
    "dunits": HIDDEN, "dlayers": LAYERS, "transformer_frontend": "conv3d", "transformer_input_layer": "vanilla_linear",
    "dropout_rate": 0.1, "transformer_attn_dropout_rate": 0.1, "transformer_encoder_attn_layer_type": "rel_mha",
    "macaron_style": False, "use_cnn_module": False, "cnn_module_kernel": 31, "zero_triu": False,
    "a_upsample_ratio": 1, "relu_type": "swish", "lsm_weight": 0.1, "transformer_length_normalized_loss": False,
    "rel_pos_type": "latest", "layerscale": True, "init_values": 0.1, "ff_bn_pre": True, "post_norm": False,
    "gamma_zero": False, "gamma_init": 0.1, "mask_init_type": None, "ctc_type": "builtin", "drop_path": 0.1,
    "mtlalpha": 0.1,
}  # fmt: skip

OF_USR = {
    "transformer_input_layer": "only_pos", "ff_bn_pre": False, "encoder_stride": 1, "ctc_rel_weight": 0.1,
    "d_idim": VOCABULARY, "d_odim": None, "d_input_layer": "embed", "d_avg_branches": False, "d_soft_inputs": False,
    "lsm_weight_ctc": 0.0,
}  # fmt: skip


@torch.no_grad()
def record(model, frames, tokens):
    """What the peer computes from one video and one prefix."""
    from espnet.nets.pytorch_backend.transformer.mask import subsequent_mask

    seen = video(frames)[:, :, 0]  # (1, T, 88, 88)
    states = model.states(seen)
    tokens = torch.tensor([tokens])
    logits, _ = model.decoder(tokens, subsequent_mask(tokens.shape[1])[None], states, None)
    values = {
        "front_end": model.features(seen),
        "states": states,
        "ctc": model.lips_ctc.ctc_lo(states).log_softmax(-1),
        "decoder": model.lips_out(logits).log_softmax(-1),
    }
    return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}


def raven():
    """RAVEn's E2E with small sizes."""
    from espnet.nets.pytorch_backend.e2e_asr_transformer import E2E

    model = E2E(VOCABULARY, argparse.Namespace(**SETTINGS))
    small_front_end(model.encoder.frontend)
    shapes = fill_by_formula(model.eval())
    model.features = lambda seen: model.encoder.embed[0](model.encoder.frontend(seen))
    model.states = lambda seen: model.encoder(seen, None)[0]
    return model, shapes, model.ctc, nn.Identity()


def usr(second):
    """USR's, or that of USR 2.0, whose decoder has a fixed vocabulary; the front end for sound is left out."""
    from espnet.nets.pytorch_backend.e2e_asr_transformer import E2E

    model = E2E(VOCABULARY, argparse.Namespace(**SETTINGS | OF_USR))
    small_front_end(model.encoder.frontend_v)
    model.encoder.frontend_a = nn.Linear(2, 2)
    if second:
        model.decoder.embed[0] = nn.Embedding(VOCABULARY, DIM)
        for name in ("out_layer_v", "out_layer_a", "out_layer_av"):
            setattr(model.decoder, name, nn.Linear(DIM, VOCABULARY))
    shapes = fill_by_formula(model.eval())
    model.features = lambda seen: model.encoder.linear_v(model.encoder.frontend_v(seen))
    model.states = lambda seen: model.encoder(xs_v=seen) if second else model.encoder.forward_single(xs_v=seen)[0]
    return model, shapes, model.ctc_v, model.decoder.out_layer_v


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("family", choices=("raven", "usr", "usr2"))
    args = parser.parse_args()
    sys.path.insert(0, args.checkout)
    model, shapes, ctc, out = raven() if args.family == "raven" else usr(args.family == "usr2")
    object.__setattr__(model, "lips_ctc", ctc)
    object.__setattr__(model, "lips_out", out)
    records = [record(model, f, t) for f, t in zip(FRAMES, TOKENS, strict=True)]
    write(f"{args.family}.json", shapes, records)


if __name__ == "__main__":
    main()
