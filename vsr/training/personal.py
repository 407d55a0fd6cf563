"""A few clips of a person -> a model folder adapted to that person, with the measured gain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.files import check_output, same_file, write_text
from vsr.core.progress import count_items
from vsr.data.manifest import Clip
from vsr.evaluation.card import CARD_FILE
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.folder import LoadedModel, save_model
from vsr.training.adapting import AdaptationSettings, adapt_model
from vsr.training.cross_validation import FEWEST, Gain, cross_validated_gain
from vsr.training.self_training import Untranscribed, self_trained

Say = Callable[[str], None]


def adapt_to(
    loaded: LoadedModel, clips: Sequence[Clip], untranscribed: Untranscribed, settings: AdaptationSettings, folds: int,
    say: Say,
) -> tuple[LoadedModel, Gain | None]:  # fmt: skip
    """The model adapted to all clips, and the gain on ``clips``, which have a text, by cross-validation.

    The gain is None for too few clips, or without folds. Raises VsrError as `vsr.training.self_training.self_trained`.
    """
    printed: set[str] = set()

    def once(text: str) -> None:
        if text not in printed:
            printed.add(text)
            say(text)

    def adapt(model: LoadedModel, labelled: Sequence[Clip], label: str) -> LoadedModel:
        def go_on(
            current: LoadedModel, train_clips: Sequence[Clip], run_settings: AdaptationSettings, what: str
        ) -> LoadedModel:
            def bar(steps, reader):
                return count_items(steps, f"{reader}, {label}, {what}", run_settings.steps)

            return adapt_model(current, train_clips, run_settings, bar, once)

        return self_trained(model, labelled, untranscribed, settings, go_on, once)

    measures = folds > 1 and len(clips) >= FEWEST
    gain = cross_validated_gain(loaded, clips, folds, settings.seed, adapt) if measures else None
    rounds = min(folds, len(clips)) + 1 if measures else 1
    return adapt(loaded, clips, f"{rounds} of {rounds}"), gain


def check_place(out: str | Path, loaded: LoadedModel) -> None:
    """Refuse to overwrite a model that is not adapted, or the one that is read. Raises VsrError exists."""
    out = Path(out)
    check_output(out / CONFIG_FILE)
    if same_file(out, loaded.folder) or (out / CONFIG_FILE).exists() and "adapted" not in read_config(out):
        raise VsrError("exists", f"{out} holds a model that is no adapted one: choose another --out")


def save_adapted(
    out: str | Path, adapted: LoadedModel, original: LoadedModel, clips: Sequence[Clip], untranscribed: Untranscribed,
    settings: AdaptationSettings, gain: Gain | None,
) -> Path:  # fmt: skip
    """Write the model folder with its card; search settings, confidence and domain stay those of ``original``.

    Raises VsrError not_writable.
    """
    about = {
        "from": original.name, "weights_sha256": original.weights_sha256,
        "clips": len(clips), "seconds": _seconds(clips),
        "untranscribed": len(untranscribed.clips), "untranscribed_seconds": _seconds(untranscribed.clips),
        "rounds": untranscribed.passes, "what": settings.what, "steps": settings.steps,
        "seed": settings.seed, "left_out": gain.as_dict() if gain else None,
    }  # fmt: skip
    extra = {key: value for key, value in original.config.items() if key not in ("format", "model")}
    out = save_model(
        out, adapted.model, adapted.tokenizer, extra | {"name": Path(out).resolve().name, "adapted": about}, True
    )
    if name := original.config.get("decode", {}).get("lm"):
        shutil.copytree(original.folder / name, out / name, dirs_exist_ok=True)
    write_text(out / CARD_FILE, card_of(about, gain))
    return out


def card_of(about: dict, gain: Gain | None) -> str:
    """The model card of an adapted model, Markdown."""
    figure = f"{gain}: each clip read by a model that was adapted to the others." if gain else "Not measured."
    date = time.strftime("%Y-%m-%d")
    return (
        f"# {about['from']}, adapted to one person\n\n"
        f"{_clips_description(about)}, at most {about['steps']} steps of {about['what']} each time, "
        f"seed {about['seed']}, {date}. "
        f"Weights it began from: SHA-256 {about['weights_sha256']}.\n\n"
        f"{figure[0].upper()}{figure[1:]}\n\n"
        "It reads that person; others it may read worse than the model it began from. Confidence and domain are those "
        "of that model and were not fitted again. The weights were trained on that person's face: treat the folder as "
        "you treat the clips.\n"
    )


def _clips_description(about: dict) -> str:
    """Description of the clips that the model was adapted to."""
    texts = f"{about['clips']} transcribed clips ({about['seconds']} s)" if about["clips"] else ""
    readings = (
        f"{about['untranscribed']} clips without text ({about['untranscribed_seconds']} s), learnt from the model's "
        "own readings of those in which it read words of its domain, errors included, "
        f"in {about['rounds']} round{'s' * (about['rounds'] > 1)}"
    )
    return " and ".join([part for part in (texts, readings if about["untranscribed"] else "") if part])


def _seconds(clips: Sequence[Clip]) -> float:
    return round(sum(clip.num_frames for clip in clips) / FPS, 1)
