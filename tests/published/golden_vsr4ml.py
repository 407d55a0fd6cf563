"""Make golden/vsr4ml_*.json with the real peer: `python golden_vsr4ml.py CHECKOUT`.

CHECKOUT is a folder with Visual_Speech_Recognition_for_Multiple_Languages (5e1405d). Its own modules compute every
number, with small widths and with weights by `formula.fill`: both kinds of relative positions, the language model with
and without positions, and the whole search with it.
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

SETTINGS = {
    "adim": DIM, "aheads": HEADS, "eunits": HIDDEN, "elayers": LAYERS, "dunits": HIDDEN, "dlayers": LAYERS,
    "transformer_input_layer": "conv3d", "transformer_encoder_attn_layer_type": "rel_mha", "macaron_style": True,
    "use_cnn_module": True, "cnn_module_kernel": KERNEL, "zero_triu": False, "a_upsample_ratio": 1,
    "relu_type": "swish", "dropout_rate": 0.1, "transformer_attn_dropout_rate": 0.1, "lsm_weight": 0.1,
    "transformer_length_normalized_loss": False, "mtlalpha": 0.1, "ctc_type": "builtin", "report_cer": False,
    "report_wer": False,
}  # fmt: skip
LANGUAGE = {
    "model_module": "transformer", "backend": "pytorch", "layer": 2, "unit": 12, "att_unit": 8, "embed_unit": 6,
    "head": 2, "dropout_rate": 0.1, "pos_enc": "none",
}  # fmt: skip
SEARCH = {"beam": 4, "ctc_weight": 0.1, "lm_weight": 0.3, "length_bonus": 0.0}
WILLING = 2.5  # to end: a search that is cut at its limit scores no end, and shows less
RELUCTANT = ("decoder.output_layer.bias", 30.0)  # our search never says blank or unknown; nor does this one


def reader(settings):
    """E2E with small sizes."""
    from espnet.nets.pytorch_backend.e2e_asr_transformer import E2E

    model = E2E(VOCABULARY, argparse.Namespace(**settings))
    small_front_end(model.encoder.frontend)
    model.encoder.embed[0] = nn.Linear(8 * WIDTH, DIM)
    return model.eval()


@torch.no_grad()
def record(model, frames, tokens):
    """What the peer computes from one video and one prefix."""
    from espnet.nets.pytorch_backend.transformer.mask import subsequent_mask

    states = model.encoder(video(frames).transpose(1, 2), None)[0]
    tokens = torch.tensor([tokens])
    logits, _ = model.decoder(tokens, subsequent_mask(tokens.shape[1])[None], states, None)
    values = {"states": states, "ctc": model.ctc.ctc_lo(states).log_softmax(-1), "decoder": logits.log_softmax(-1)}
    return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}


def language(settings):
    """Its language model, filled, with its log-probabilities after two prefixes."""
    from espnet.nets.pytorch_backend.lm.transformer import TransformerLM

    model = TransformerLM(VOCABULARY, argparse.Namespace(**settings)).eval()
    shapes, records = fill_by_formula(model), []
    for tokens in ((10, 3, 2, 7), (10, 5)):
        state, table = None, []
        for length in range(1, len(tokens) + 1):
            with torch.no_grad():
                log_probs, state = model.score(torch.tensor(tokens[:length]), state, None)
            table.append([round(value, 6) for value in log_probs.tolist()])
        records.append({"tokens": tokens, "log_probs": table})
    return model, shapes, records


@torch.no_grad()
def search(model, lm, frames):
    """The n-best of the peer's own search, with the language model."""
    from espnet.nets.batch_beam_search import BatchBeamSearch
    from espnet.nets.scorers.length_bonus import LengthBonus

    weights = {"decoder": 1 - SEARCH["ctc_weight"], "ctc": SEARCH["ctc_weight"], "lm": SEARCH["lm_weight"],
               "length_bonus": SEARCH["length_bonus"]}  # fmt: skip
    scorers = model.scorers() | {"lm": lm, "length_bonus": LengthBonus(VOCABULARY)}
    beam = BatchBeamSearch(
        beam_size=SEARCH["beam"], vocab_size=VOCABULARY, weights=weights, scorers=scorers, sos=VOCABULARY - 1,
        eos=VOCABULARY - 1, token_list=[str(i) for i in range(VOCABULARY)], pre_beam_score_key="decoder",
    ).eval()  # fmt: skip
    hypotheses = beam(model.encode(video(frames)[0].transpose(0, 1)))
    return [{"tokens": h.yseq.tolist()[1:-1], "score": round(float(h.score), 5)} for h in hypotheses[:3]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    sys.path.insert(0, parser.parse_args().checkout)
    for name, positions in (("latest", {"rel_pos_type": "latest"}), ("legacy", {})):
        settings = SETTINGS | positions
        model = reader(dict(settings))
        shapes = fill_by_formula(model)
        records = [record(model, f, t) for f, t in zip(FRAMES, TOKENS, strict=True)]
        lm_settings = LANGUAGE | {"pos_enc": "none" if name == "latest" else "sinusoidal"}
        lm, lm_shapes, lm_records = language(lm_settings)
        model.get_parameter(RELUCTANT[0]).data[:2] -= RELUCTANT[1]
        model.get_parameter(RELUCTANT[0]).data[-1] += WILLING
        n_best = {str(frames): search(model, lm, frames) for frames in (9, 14)}
        write(
            f"vsr4ml_{name}.json", shapes, records, settings=settings,
            language={"settings": lm_settings, "shapes": lm_shapes, "records": lm_records},
            search={"options": SEARCH, "bias": [-RELUCTANT[1], WILLING], "found": n_best},
        )  # fmt: skip


if __name__ == "__main__":
    main()
