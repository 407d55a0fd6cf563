"""Make golden/raven.json, raven_sound.json, usr.json or usr2.json with the real peer: `python golden_raven.py CHECKOUT
FAMILY`.

CHECKOUT is a folder with the repository raven (11fb53f), usr (6115c87) or usr2 (df0c78b). Its own modules compute every
number, with small widths and with weights by `formula.fill`, and the whole search by lips, by sound and by both; the
settings are those of its conf/model.
"""

import argparse
import sys

import torch
from formula import sound, video
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
from golden_auto_avsr_streams import small_wave_front_end
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


SEARCH = {"beam": 4, "ctc_weight": 0.1, "length_bonus": 0.0}
WILLING = {  # to end before the limit, where a search scores no end: by USR or not, and modality
    (False, "video"): 2.5, (False, "sound"): 3.0, (True, "video"): 1.0, (True, "sound"): 3.0, (True, "both"): 3.0,
}  # fmt: skip
RELUCTANT = 30.0  # to say blank or unknown, as in `golden_vsr4ml`
LANGUAGE = {  # its conf/model/language_model, small
    "layer": 2, "unit": 12, "att_unit": 16, "embed_unit": 6, "head": 8, "dropout_rate": 0.0, "pos_enc": "none",
}  # fmt: skip
LM_WEIGHT = 0.2
LETTERS = {"video": "v", "sound": "a", "both": "av"}  # of USR


class Peer:
    """One way of reading: front end, encoder and heads."""

    def __init__(self, model, modality, features, states, ctc, out, biased):
        self.model, self.modality, self.features, self.states = model, modality, features, states
        self.ctc, self.out, self.biased, self.usr = ctc, out, biased, hasattr(model, "ctc_v")
        self.willing = WILLING[self.usr, modality]

    def inputs_of(self, frames):
        """Lips (1, T, 88, 88) and sound (1, S, 1), as far as they are read."""
        lips, wave = video(frames)[:, :, 0], sound(frames).view(1, -1, 1)
        return {"video": {"xs_v": lips}, "sound": {"xs_a": wave}, "both": {"xs_v": lips, "xs_a": wave}}[self.modality]

    @torch.no_grad()
    def record(self, frames, tokens):
        """What the peer computes from one clip and one prefix."""
        from espnet.nets.pytorch_backend.transformer.mask import subsequent_mask

        inputs = self.inputs_of(frames)
        states, tokens = self.states(**inputs), torch.tensor([tokens])
        logits, _ = self.model.decoder(tokens, subsequent_mask(tokens.shape[1])[None], states, None)
        values = {
            "front_end": self.features(**inputs),
            "states": states,
            "ctc": self.ctc.ctc_lo(states).log_softmax(-1),
            "decoder": self.out(logits).log_softmax(-1),
        }
        return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}

    @torch.no_grad()
    def search(self, frames, lm=None):
        """The n-best of the peer's own search, with a language model if there is one."""
        from espnet.nets.batch_beam_search import BatchBeamSearch
        from espnet.nets.scorers.length_bonus import LengthBonus

        weights = {"decoder": 1 - SEARCH["ctc_weight"], "ctc": SEARCH["ctc_weight"], "length_bonus": 0.0}
        weights |= {} if lm is None else {"lm": LM_WEIGHT}
        beam = BatchBeamSearch(
            beam_size=SEARCH["beam"], vocab_size=VOCABULARY, weights=weights, sos=VOCABULARY - 1, eos=VOCABULARY - 1,
            scorers=self.model.scorers() | {"length_bonus": LengthBonus(VOCABULARY)} | ({"lm": lm} if lm else {}),
            token_list=[str(i) for i in range(VOCABULARY)], pre_beam_score_key="decoder",
        ).eval()  # fmt: skip
        self.biased.data[:2] -= RELUCTANT
        self.biased.data[-1] += self.willing
        of_usr = {"modality": LETTERS[self.modality]} if self.usr else {}
        hypotheses = beam(x=self.states(**self.inputs_of(frames))[0], **of_usr)
        self.biased.data[:2] += RELUCTANT
        self.biased.data[-1] -= self.willing
        return [{"tokens": h.yseq.tolist()[1:-1], "score": round(float(h.score), 5)} for h in hypotheses[:3]]

    def golden(self):
        """All records and searches, for JSON."""
        records = [self.record(f, t) for f, t in zip(FRAMES, TOKENS, strict=True)]
        n_best = {str(frames): self.search(frames) for frames in (9, 14)}
        return {"records": records, "search": {"options": SEARCH, "bias": [-RELUCTANT, self.willing], "found": n_best}}


def raven(modality):
    """RAVEn's E2E with small sizes, and the shapes of its tensors."""
    from espnet.nets.pytorch_backend.e2e_asr_transformer import E2E

    overrides = {"transformer_frontend": "conv1d"} if modality == "sound" else {}
    model = E2E(VOCABULARY, argparse.Namespace(**SETTINGS | overrides))
    (small_wave_front_end if modality == "sound" else small_front_end)(model.encoder.frontend)
    shapes = fill_by_formula(model.eval())

    def features(xs_v=None, xs_a=None):
        return model.encoder.embed[0](model.encoder.frontend(xs_v if xs_a is None else xs_a))

    def states(xs_v=None, xs_a=None):
        return model.encoder(xs_v if xs_a is None else xs_a, None)[0]

    biased = model.decoder.output_layer.bias
    return Peer(model, modality, features, states, model.ctc, nn.Identity(), biased), shapes


def language(peer):
    """RAVEn's language model, the shapes of its tensors, and the search with it."""
    from espnet.nets.pytorch_backend.lm.transformer import TransformerLM

    lm = TransformerLM(VOCABULARY, argparse.Namespace(**LANGUAGE)).eval()
    shapes = fill_by_formula(lm)
    n_best = {str(frames): peer.search(frames, lm) for frames in (9, 14)}
    return {"language": {"shapes": shapes, "weight": LM_WEIGHT, "found": n_best}}


def usr(second):
    """E2E of USR, or of USR 2.0, whose decoder has a fixed vocabulary: by each modality, and the shapes."""
    from espnet.nets.pytorch_backend.e2e_asr_transformer import E2E

    model = E2E(VOCABULARY, argparse.Namespace(**SETTINGS | OF_USR))
    small_front_end(model.encoder.frontend_v)
    small_wave_front_end(model.encoder.frontend_a)
    if second:
        model.decoder.embed[0] = nn.Embedding(VOCABULARY, DIM)
        for name in ("out_layer_v", "out_layer_a", "out_layer_av"):
            setattr(model.decoder, name, nn.Linear(DIM, VOCABULARY))
    shapes, encoder = fill_by_formula(model.eval()), model.encoder

    def features(xs_v=None, xs_a=None):
        parts = [front(x) for front, x in ((encoder.frontend_v, xs_v), (encoder.frontend_a, xs_a)) if x is not None]
        project = encoder.linear_av if len(parts) == 2 else encoder.linear_v if xs_a is None else encoder.linear_a
        return project(torch.cat(parts, -1))

    def states(**inputs):
        return encoder(**inputs) if second else encoder.forward_single(**inputs)[0]

    peers = {}
    for modality, letters in LETTERS.items():
        out = getattr(model.decoder, f"out_layer_{letters}")
        ctc = getattr(model, f"ctc_{letters}")
        peers[modality] = Peer(model, modality, features, states, ctc, out, out.bias)
    return peers, shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("family", choices=("raven", "usr", "usr2"))
    args = parser.parse_args()
    sys.path.insert(0, args.checkout)
    if args.family == "raven":
        for modality, name in (("video", "raven"), ("sound", "raven_sound")):
            peer, shapes = raven(modality)
            write(f"{name}.json", shapes, **peer.golden(), **(language(peer) if modality == "video" else {}))
        return
    peers, shapes = usr(args.family == "usr2")
    goldens = {modality: peer.golden() for modality, peer in peers.items()}
    write(f"{args.family}.json", shapes, **goldens.pop("video"), **goldens)


if __name__ == "__main__":
    main()
