"""The beam search of a checkout of auto_avsr (ESPnet's BatchBeamSearch), on the decoder and CTC head of our model.

The checkout's own modules are built, filled with our weights and run; nothing of them is changed.
"""

import sys

import torch

from vsr.models.lipreader import LipReader
from vsr.modelstore.importers.auto_avsr import TABLE
from vsr.modelstore.importers.mapping import other_name


def peer_weights(model: LipReader) -> dict[str, torch.Tensor]:
    """Our decoder and CTC head under the peer's names."""
    own = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(("decoder.", "ctc."))}
    return {other_name(name, TABLE): tensor for name, tensor in own.items()}


class PeerSearch:
    """The search as auto_avsr's `get_beam_search_decoder` sets it up: pre-beam by the decoder, no language model.

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
        """(tokens, score) of all hypotheses after so many steps, best first, from one clip's states (T, D)."""
        found = self.search(states, maxlenratio=-steps)
        return [(self.tokens(h.yseq.tolist()), float(h.score)) for h in found]

    def tokens(self, sequence: list[int]) -> tuple[int, ...]:
        """Without start, and without the end that the last step appends to ended and unended ones alike."""
        return tuple(token for token in sequence if token != self.eos)
