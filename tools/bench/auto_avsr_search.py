"""Run the beam search of an auto_avsr checkout (ESPnet's BatchBeamSearch) on our model's decoder and CTC head.

The checkout's own modules are built, unchanged, and filled with our weights.
"""

import sys

import torch

from vsr.models.lipreader import LipReader
from vsr.modelstore.importers.auto_avsr import TABLE
from vsr.modelstore.importers.mapping import other_name


def peer_weights(model: LipReader) -> dict[str, torch.Tensor]:
    """Our decoder and CTC head with the peer's parameter names."""
    weights = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(("decoder.", "ctc."))}
    return {other_name(name, TABLE): tensor for name, tensor in weights.items()}


class PeerSearch:
    """The search as set up by auto_avsr's `get_beam_search_decoder`: pre-beam by the decoder, no language model.

    Args:
        checkout: folder of auto_avsr.
        model: ours, with Auto-AVSR's sizes of decoder and CTC head.
        beam, ctc_weight: of the search.
    """

    def __init__(self, checkout: str, model: LipReader, beam: int, ctc_weight: float):
        sys.path.insert(0, checkout)
        from espnet.nets.batch_beam_search import BatchBeamSearch
        from espnet.nets.pytorch_backend.ctc import CTC
        from espnet.nets.pytorch_backend.decoder.transformer_decoder import TransformerDecoder
        from espnet.nets.scorers.ctc import CTCPrefixScorer

        config, vocabulary = model.config, model.config.vocab_size
        decoder = TransformerDecoder(vocabulary, config.dim, config.heads, config.decoder_hidden, config.decoder_layers)
        parts = torch.nn.ModuleDict({"decoder": decoder, "ctc": CTC(vocabulary, config.dim, 0.1)}).eval()
        parts.load_state_dict(peer_weights(model))
        self.eos = vocabulary - 1
        self.search = BatchBeamSearch(
            beam_size=beam, vocab_size=vocabulary, sos=self.eos, eos=self.eos, pre_beam_score_key="decoder",
            weights={"decoder": 1 - ctc_weight, "ctc": ctc_weight},
            scorers={"decoder": decoder, "ctc": CTCPrefixScorer(parts["ctc"], self.eos)},
        )  # fmt: skip

    @torch.inference_mode()
    def __call__(self, states: torch.Tensor, steps: int) -> list[tuple[tuple[int, ...], float]]:
        """(tokens, score) of all hypotheses after ``steps`` steps, best first, from one clip's states (T, D)."""
        hypotheses = self.search(states, maxlenratio=-steps)
        return [(self.tokens(h.yseq.tolist()), float(h.score)) for h in hypotheses]

    def tokens(self, sequence: list[int]) -> tuple[int, ...]:
        """Tokens without the start, and without the end that the last step appends to every hypothesis."""
        return tuple(token for token in sequence if token != self.eos)
