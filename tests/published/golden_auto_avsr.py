"""Make golden/auto_avsr_*.json with the real peer: `python golden_auto_avsr.py CHECKOUT [--older]`.

CHECKOUT is a folder with the auto_avsr repository, at its newest commit, or with --older at 6b33131 (2023). Its own
modules compute every number, with small widths and with weights by `formula.fill`.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from formula import video, weights
from torch import nn

WIDTH, DIM, HEADS, HIDDEN, LAYERS, KERNEL, VOCABULARY = 2, 8, 2, 12, 2, 5, 11
FRAMES = (1, 4, 9)
TOKENS = ((10, 3, 1, 7), (10, 2), (10, 5, 5, 9, 4, 8))


def small_front_end(module):
    """Make parts of the peer's front end again, narrower, with its own functions: its widths are fixed."""
    module.frontend3D[0] = nn.Conv3d(1, WIDTH, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
    module.frontend3D[1] = nn.BatchNorm3d(WIDTH)
    if isinstance(module.frontend3D[2], nn.PReLU):
        module.frontend3D[2] = nn.PReLU(WIDTH)
    trunk, block = module.trunk, type(module.trunk.layer1[0])
    trunk.inplanes = WIDTH
    for stage in range(4):
        layer = trunk._make_layer(block, WIDTH * 2**stage, 2, stride=2 if stage else 1)
        setattr(trunk, f"layer{stage + 1}", layer)
    return module


class Newer(nn.Module):
    """The parts of the newest E2E, whose own constructor has fixed sizes."""

    def __init__(self):
        super().__init__()
        from espnet.nets.pytorch_backend.ctc import CTC
        from espnet.nets.pytorch_backend.decoder.transformer_decoder import TransformerDecoder
        from espnet.nets.pytorch_backend.encoder.conformer_encoder import ConformerEncoder
        from espnet.nets.pytorch_backend.frontend.resnet import video_resnet

        self.frontend = small_front_end(video_resnet())
        self.proj_encoder = nn.Linear(8 * WIDTH, DIM)
        self.encoder = ConformerEncoder(DIM, HEADS, HIDDEN, LAYERS, cnn_module_kernel=KERNEL)
        self.decoder = TransformerDecoder(VOCABULARY, DIM, HEADS, HIDDEN, LAYERS)
        self.ctc = CTC(VOCABULARY, DIM, 0.1)

    def features(self, x):
        return self.proj_encoder(self.frontend(x))

    def states(self, x):
        return self.encoder(self.features(x), None)[0]


def older():
    """E2E of 2023 with small sizes; its front end is in the encoder."""
    from espnet.nets.pytorch_backend.e2e_asr_conformer import E2E

    args = argparse.Namespace(
        adim=DIM, aheads=HEADS, eunits=HIDDEN, elayers=LAYERS, transformer_input_layer="conv3d", dropout_rate=0.1,
        transformer_attn_dropout_rate=0.1, transformer_encoder_attn_layer_type="rel_mha", macaron_style=True,
        use_cnn_module=True, cnn_module_kernel=KERNEL, zero_triu=False, a_upsample_ratio=1, relu_type="swish",
        ddim=DIM, dheads=HEADS, dunits=HIDDEN, dlayers=LAYERS, lsm_weight=0.1,
        transformer_length_normalized_loss=False, mtlalpha=0.1, ctc_type="builtin", rel_pos_type="latest",
    )  # fmt: skip
    model = E2E(VOCABULARY, args)
    small_front_end(model.encoder.frontend)
    model.encoder.embed[0] = nn.Linear(8 * WIDTH, DIM)
    model.features = lambda x: model.encoder.embed[0](model.encoder.frontend(x))
    model.states = lambda x: model.encoder(x, None)[0]
    return model


@torch.no_grad()
def record(model, frames, tokens):
    """What the peer computes from one video and one prefix."""
    from espnet.nets.pytorch_backend.transformer.mask import subsequent_mask

    states = model.states(video(frames))
    tokens = torch.tensor([tokens])
    logits, _ = model.decoder(tokens, subsequent_mask(tokens.shape[1])[None], states, None)
    values = {
        "front_end": model.features(video(frames)),
        "states": states,
        "ctc": model.ctc.ctc_lo(states).log_softmax(-1),
        "decoder": logits.log_softmax(-1),
    }
    return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}


def rounded(values):
    """{name: tensor (1, T, D)} -> rounded lists, short in JSON."""
    return {name: [[round(v, 6) for v in row] for row in value[0].tolist()] for name, value in values.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("--older", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, args.checkout)
    model = (older() if args.older else Newer()).eval()
    shapes = fill_by_formula(model)
    records = [record(model, f, t) for f, t in zip(FRAMES, TOKENS, strict=True)]
    write("auto_avsr_older.json" if args.older else "auto_avsr.json", shapes, records)


def fill_by_formula(model):
    """Give the peer its weights; returns the shapes of all its tensors."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights(shapes))
    return shapes


def write(name, shapes, records, **entries):
    """Write one line of JSON."""
    golden = json.dumps({"shapes": shapes, "records": records, **entries}, separators=(",", ":"))
    (Path(__file__).parent / "golden" / name).write_text(golden + "\n")


if __name__ == "__main__":
    main()
