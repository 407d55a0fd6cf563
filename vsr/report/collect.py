"""Reads a video and collects the arrays for the page about its reading, all on the same frames.

Shapes: T frames of the window shown, V vocabulary, U tokens of the best hypothesis, 37 landmarks.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.core.tokens import BLANK, UNK
from vsr.core.windows import frame_edges, window_spans
from vsr.decoding.defaults import options_for, preferred_window
from vsr.decoding.encoding import mesh_for, usable_mouth_points
from vsr.decoding.options import DecodeOptions
from vsr.face.frame_rate import domain_limit, frame_rate
from vsr.face.mouth_crop import MouthClip
from vsr.inference.assemble import skipped_of, tracks_of
from vsr.inference.face_report import face_report_of
from vsr.inference.recognition import read_hypotheses, search_crops, spans_to_read
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript
from vsr.report.facts import facts_of
from vsr.report.moment import find_clip
from vsr.report.stills import Still, stills
from vsr.text.hypothesis import Hypothesis
from vsr.text.tokenizer import MARK, SPACE, Tokenizer

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

INNER_LIPS = slice(29, 37)  # corner, three above, corner, three below


@dataclass(frozen=True)
class Inspection:
    """One window of one face.

    Attributes:
        clip: the whole clip's crops, landmarks and header.
        span: (first, last + 1) of the clip's frames in this window; T is their difference.
        window, windows: index of this window in the clip, from 0, and number of windows.
        edges: (T + 1,) seconds of the frame borders in the original video.
        posteriors: (T, V) CTC probabilities.
        labels: of the V tokens, for people.
        tokens: labels of the U tokens of the best hypothesis, and of the end.
        attention: name -> (U + 1, T): the decoder's cross-attention for each token, rows sum to 1.
        words: of the best hypothesis, in original time.
        nbest: hypotheses, best first.
        opening: (T,) ratio of height to width of the inner lips.
        stills: frames with their landmarks.
        facts: about the file, the model and the search.
        in_domain: as in `vsr.output.transcript.Segment`; model: its name.
    """

    clip: MouthClip
    span: tuple[int, int]
    window: int
    windows: int
    edges: np.ndarray
    posteriors: np.ndarray
    labels: list[str]
    tokens: list[str]
    attention: dict[str, np.ndarray]
    words: tuple[TimedWord, ...]
    nbest: tuple[Alternative, ...]
    opening: np.ndarray
    stills: list[Still]
    facts: dict[str, dict[str, str]]
    in_domain: float | None = None
    model: str = ""

    @property
    def warnings(self) -> list[dict]:
        """{"reason", "message"} of what must be known before the words are believed, as transcripts have them."""
        clip, seen = self.clip, face_report_of(self.clip)
        ends = float(self.edges[0]), float(self.edges[-1])
        said = Segment(*ends, clip.face, 0.0, self.words, self.nbest, self.in_domain)
        return Transcript(
            str(clip.info.path), clip.info.fps, clip.info.end, self.model,
            (said,) if self.words else (), tracks=tracks_of(seen.tracks), skipped=skipped_of(seen.skipped),
        ).warnings  # fmt: skip

    @property
    def crop(self) -> np.ndarray:
        """(T, 96, 96) uint8."""
        return self.clip.crop[slice(*self.span)]

    def frame_at(self, seconds: float) -> float:
        """Original time -> position on the frame axis, 0 ... T."""
        return float(np.interp(seconds, self.edges, np.arange(len(self.edges))))


def inspect_video(
    loaded: LoadedModel, path: str | Path, options: DecodeOptions | None = None,
    face: int | None = None, at: float | None = None, watch: Watch | None = None,
    errors: list[VsrError] | None = None,
) -> Inspection:  # fmt: skip
    """Read a video and keep the intermediate results.

    Args:
        loaded: model, tokenizer and config, from `vsr.modelstore.folder.load_model`.
        path: the video file.
        options: of the search; by default the model's, with five hypotheses.
        face, at, watch, errors: as in `vsr.report.moment.find_clip`; of a clip that is read in several windows, the one
            around ``at`` is shown, or the first. If nothing is read because the lips are at rest or covered, the frames
            are shown without words.

    Raises:
        VsrError: as `vsr.inference.transcriber.transcribe`; bad_options for a face or time that does not exist.
    """
    options = options or options_for(loaded, {"nbest": 5})
    errors = [] if errors is None else errors
    clip = find_clip(path, face, at, watch, mesh_for(loaded), errors)
    spans_read = spans_to_read(clip, preferred_window(loaded))
    spans = spans_read or window_spans(len(clip.crop))
    window = 0 if at is None else _window_at(spans, clip, at)
    inspection = inspect_window(loaded, clip, options, spans, window)
    for error in errors:
        inspection.facts["Video"]["not whole"] = str(error).removeprefix(f"{path}: ")
    return inspection if spans_read else dataclasses.replace(inspection, words=(), nbest=(Alternative("", 0.0),))


def inspect_window(
    loaded: LoadedModel, clip: MouthClip, options: DecodeOptions, spans: list[tuple[int, int]], window: int
) -> Inspection:
    """Read one of the windows ``spans`` of a clip with landmarks. Raises VsrError bad_model without CTC head."""
    start, stop = spans[window]
    edges = frame_edges(clip.times)
    if not loaded.model.ctc:
        raise VsrError("bad_model", f"{loaded.name} has no CTC head, which the page shows; take another model")
    states, (results,) = search_crops(
        loaded, [clip.crop[start:stop]], options, usable_mouth_points(loaded, clip, [(start, stop)])
    )
    max_confidence = domain_limit(frame_rate(clip.crop[start:stop]))
    window_read = read_hypotheses(loaded, states[0], results, start, edges, limit=max_confidence)
    readings = window_read.hypotheses
    nbest = tuple(Alternative(reading.text, reading.score) for reading in readings)
    tokenizer = loaded.tokenizer
    return Inspection(
        clip, (start, stop), window, len(spans), edges[start : stop + 1],
        posteriors=posteriors_of(loaded, states),
        labels=token_labels(tokenizer, range(tokenizer.vocab_size)),
        tokens=token_labels(tokenizer, (*results[0].tokens, tokenizer.eos_id)),
        attention=attention_maps(loaded, states, results[0]),
        words=readings[0].words, nbest=nbest,
        opening=lip_opening(clip.landmarks[start:stop]),
        stills=stills(clip, start, stop),
        facts=facts_of(loaded, clip, options),
        in_domain=window_read.in_domain, model=loaded.name,
    )  # fmt: skip


@torch.inference_mode()
def posteriors_of(loaded: LoadedModel, states: torch.Tensor) -> np.ndarray:
    """CTC probabilities (T, V) of states (1, T, D)."""
    return loaded.model.ctc_log_probs(states)[0].float().exp().cpu().numpy()


def token_labels(tokenizer: Tokenizer, ids) -> list[str]:
    """Label of each id for people: characters and pieces unchanged, visible symbols for space and special ids."""
    special = {BLANK: "blank", UNK: "?", tokenizer.eos_id: "end"}
    pieces = (piece.replace(SPACE, "␣").replace(MARK, "␣") for piece in tokenizer.pieces(ids))
    return [special.get(int(i), piece) for i, piece in zip(ids, pieces, strict=True)]


@torch.inference_mode()
def attention_maps(loaded: LoadedModel, states: torch.Tensor, hypothesis: Hypothesis) -> dict[str, np.ndarray]:
    """Name -> attention (U + 1, T) for states (1, T, D): of the sharpest head, and means of all heads and each
    layer."""
    tokens = torch.tensor([[loaded.tokenizer.eos_id, *hypothesis.tokens]], device=states.device)
    lengths = torch.tensor([states.shape[1]], device=states.device)
    maps = loaded.model.decoder.cross_attention(tokens, states, lengths)[0].float().cpu()  # (layers, H, U + 1, T)
    entropy = -(maps * maps.clamp(min=1e-9).log()).sum(-1).mean(-1)  # (layers, H)
    layer, head = divmod(int(entropy.argmin()), maps.shape[1])
    named = {f"most pointed: layer {layer + 1}, head {head + 1}": maps[layer, head]}
    named["mean of all heads"] = maps.mean((0, 1))
    named |= {f"mean of layer {k + 1}": weights.mean(0) for k, weights in enumerate(maps)} if len(maps) > 1 else {}
    return {name: weights.numpy() for name, weights in named.items()}


def lip_opening(points: np.ndarray) -> np.ndarray:
    """Ratio (T,) of the mean height of the gap between the lips to its width, from landmarks (T, 37, 2)."""
    lips = points[:, INNER_LIPS]
    heights = np.linalg.norm(lips[:, 1:4] - lips[:, [7, 6, 5]], axis=-1).mean(-1)
    return heights / np.maximum(np.linalg.norm(lips[:, 0] - lips[:, 4], axis=-1), 1e-6)


def _window_at(spans: list[tuple[int, int]], clip: MouthClip, at: float) -> int:
    """Index of the window whose centre is closest to ``at`` seconds."""
    frame = np.interp(at, clip.times, np.arange(len(clip.times)))
    return min(range(len(spans)), key=lambda k: abs(sum(spans[k]) / 2 - frame))
