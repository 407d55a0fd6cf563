"""A few transcribed clips of one face -> a model folder of its own, with the figure of what it gained."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import check_output, read_json, same_file, write_text
from vsr.core.progress import counted
from vsr.data.cropping import MANIFEST, crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.track_files import add_tracks
from vsr.decoding.encoding import reads_tracks
from vsr.evaluation.card import CARD_FILE
from vsr.modelstore.checkpoint import CONFIG_FILE, read_config
from vsr.modelstore.folder import LoadedModel, save_model
from vsr.training.adapting import Adapting, adapted
from vsr.training.left_out import FEWEST, Gain, left_out

Say = Callable[[str], None]


@contextmanager
def cropped(loaded: LoadedModel, clips: Sequence[Clip], jobs: int | None, say: Say) -> Iterator[list[Clip]]:
    """The clips with mouth crops, and tracks if the model reads them, which lie in a folder for the time of the block.

    Clips that have a crop are taken as they are. ``say`` is given the reason of each clip that is refused. Raises
    VsrError bad_manifest where none is left.
    """
    if all(clip.crop and clip.num_frames for clip in clips):
        yield list(clips)
        return
    with tempfile.TemporaryDirectory(prefix="vsr_adapt_") as place:
        listed, crops = Path(place) / "clips.jsonl", Path(place) / "crops"
        write_manifest(listed, clips)
        crop_corpus(listed, crops, jobs or 1)
        for clip_id, refusal in read_json(crops / "refused.json")["clips"].items():
            say(f"{clip_id} is left out: {refusal['message']}")
        if not (crops / MANIFEST).stat().st_size:
            raise VsrError("bad_manifest", "no clip is left: in none of the videos could lips be followed")
        if reads_tracks(loaded):
            add_tracks(crops, jobs or 1)
        yield read_manifest(crops / MANIFEST)


def adapt_to(
    loaded: LoadedModel, clips: Sequence[Clip], settings: Adapting, folds: int, say: Say
) -> tuple[LoadedModel, Gain | None]:
    """The model adapted to all clips, and what each clip gained from the others; None: too few clips, or no folds.

    Raises VsrError as `vsr.training.adapting.adapted`.
    """
    seen: set[str] = set()

    def once(text: str) -> None:
        if text not in seen:
            seen.add(text)
            say(text)

    def adapt(model: LoadedModel, some: Sequence[Clip], label: str) -> LoadedModel:
        def bar(steps, what):
            return counted(steps, f"{what}, {label}", settings.steps)

        return adapted(model, some, settings, bar, once)

    measured = folds > 1 and len(clips) >= FEWEST
    gain = left_out(loaded, clips, folds, settings.seed, adapt) if measured else None
    rounds = min(folds, len(clips)) + 1 if measured else 1
    return adapt(loaded, clips, f"{rounds} of {rounds}"), gain


def check_place(out: str | Path, loaded: LoadedModel) -> None:
    """Refuse a folder that holds a model which is no adapted one, or the one that is read. Raises VsrError exists."""
    out = Path(out)
    check_output(out / CONFIG_FILE)
    if same_file(out, loaded.folder) or (out / CONFIG_FILE).exists() and "adapted" not in read_config(out):
        raise VsrError("exists", f"{out} holds a model that is no adapted one: choose another --out")


def save_adapted(
    out: str | Path, own: LoadedModel, first: LoadedModel, clips: Sequence[Clip], settings: Adapting, gain: Gain | None
) -> Path:  # fmt: skip
    """Write the model folder with its card; the search settings, confidence and domain stay those of ``first``.

    Raises VsrError not_writable.
    """
    about = {
        "from": first.name, "weights_sha256": first.weights_sha256, "clips": len(clips),
        "seconds": round(sum(clip.num_frames for clip in clips) / 25, 1), "what": settings.what,
        "steps": settings.steps, "seed": settings.seed, "left_out": gain.as_dict() if gain else None,
    }  # fmt: skip
    extra = {key: value for key, value in first.config.items() if key not in ("format", "model")}
    out = save_model(out, own.model, own.tokenizer, extra | {"name": Path(out).resolve().name, "adapted": about}, True)
    if name := first.config.get("decode", {}).get("lm"):
        shutil.copytree(first.folder / name, out / name, dirs_exist_ok=True)
    write_text(out / CARD_FILE, card_of(about, gain))
    return out


def card_of(about: dict, gain: Gain | None) -> str:
    """What people should know of an adapted model, Markdown."""
    figure = f"{gain}: each clip read by a model that was adapted to the others." if gain else "Not measured."
    date = time.strftime("%Y-%m-%d")
    return (
        f"# {about['from']}, adapted to one person\n\n"
        f"{about['clips']} transcribed clips ({about['seconds']} s), {about['steps']} steps of {about['what']}, seed "
        f"{about['seed']}, {date}. Weights it began from: SHA-256 {about['weights_sha256']}.\n\n"
        f"{figure[0].upper()}{figure[1:]}\n\n"
        "It reads that person; others it may read worse than the model it began from. Confidence and domain are those "
        "of that model and were not fitted again. The weights were trained on that person's face: treat the folder as "
        "you treat the clips.\n"
    )
