"""WildVSR (Djilali et al. 2023): ``videos/NAME.mp4`` and ``labels.json``, file name -> words. Only a test list."""

from __future__ import annotations

import json
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.exchange.convert import id_of
from vsr.data.manifest import Clip

LABELS, VIDEOS = "labels.json", "videos"


def prepare_wildvsr(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write ``test.jsonl`` and ``report.json``. Raises VsrError bad_corpus for a wrong folder."""
    folder = Path(corpus_dir)
    root = next((place for place in (folder, folder / "WildVSR") if (place / LABELS).is_file()), None)
    if root is None:
        raise VsrError("bad_corpus", f"{folder} is not WildVSR: it holds no {LABELS}")
    clips, skipped = [], {}
    labels = _labels(root / LABELS)
    for name, text in sorted(labels.items()):
        video = root / VIDEOS / name
        words = " ".join(text.split())
        if not words or not video.is_file():
            skipped[name] = "no video" if words else "no words"
        else:
            clips.append(Clip(id_of(video.stem), str(video), words))
    return write_lists(out_dir, {"test": clips}, Report("wildvsr", _counts(clips, labels), skipped=skipped))


def _counts(clips: list[Clip], labels: dict[str, str]) -> list[Count]:
    words = sum(len(text.split()) for text in labels.values())
    return [Count("test utterances", len(clips), len(labels)),
            Count("test words", sum(len(clip.text.split()) for clip in clips), words)]  # fmt: skip


def _labels(path: Path) -> dict[str, str]:
    try:
        labels = read_json(path)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise VsrError("bad_corpus", f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise VsrError("bad_corpus", f"{path}: is no object of file names and texts")
    return labels
