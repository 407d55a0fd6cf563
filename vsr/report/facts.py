"""Facts about the file, the model and the search for the page of a reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vsr.core.windows import frame_edges
from vsr.decoding.options import DecodeOptions
from vsr.face.frame_rate import FEW, frame_rate
from vsr.face.mouth_crop import MouthClip

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


def facts_of(loaded: LoadedModel, clip: MouthClip, options: DecodeOptions) -> dict[str, dict[str, str]]:
    """Title -> name -> value, as shown on the page."""
    return {"Video": _video(clip), "Model": _model(loaded), "Search": _search(loaded, options)}


def _video(clip: MouthClip) -> dict[str, str]:
    info, missed = clip.info, sum(last - first + 1 for first, last in clip.gaps)
    return (
        {
            "file": Path(info.path).name,
            "frames": f"{info.width} × {info.height} at {info.fps:.4g} frames/s",
            "length": f"{info.duration:.2f} s",
            "face": f"number {clip.face}, found in {100 * clip.found:.0f} % of its frames",
            "filled in": f"{missed} of {len(clip.crop)} frames",
        }
        | _unread(clip)
        | _few_frames(clip)
    )


def _model(loaded: LoadedModel) -> dict[str, str]:
    config, parameters = loaded.model.config, sum(weight.numel() for weight in loaded.model.parameters())
    return {
        "name": loaded.name,
        "front end": config.frontend.replace("_", " "),
        "encoder": f"{config.layers} layers of width {config.dim}",
        "decoder": f"{config.decoder_layers} layers",
        "size": f"{parameters / 1e6:.1f} M parameters, {config.vocab_size} tokens",
    }


def _search(loaded: LoadedModel, options: DecodeOptions) -> dict[str, str]:
    return {
        "method": options.method.replace("_", " "),
        "beam": str(options.beam),
        "CTC weight": {"joint": f"{options.ctc_weight:g}", "attention": "none"}.get(options.method, "CTC alone"),
        "confidence": "calibrated" if loaded.config.get("confidence") else "mean posterior, not calibrated",
    }


def _few_frames(clip: MouthClip) -> dict[str, str]:
    """How often the mouth changes, if that is too rarely to be read well."""
    rate = frame_rate(clip.crop, clip.speech)
    return {"few frames": f"the mouth changes {rate:.0f} times a second: it is read worse"} if rate < FEW else {}


def _unread(clip: MouthClip) -> dict[str, str]:
    """The times at which the lips are not read, with reasons."""
    if clip.stretches is None or not clip.stretches.skipped:
        return {}
    edges = frame_edges(clip.times)
    stretches = [f"{edges[a]:.2f} to {edges[b]:.2f} s ({reason})" for a, b, reason in clip.stretches.skipped]
    return {"not read": ", ".join(stretches)}
