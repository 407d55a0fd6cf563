"""MuAViC (Anwar et al. 2023), as its scripts write it: ``LANG/{train,valid,test}.tsv``, ``SPLIT.LANG``, mouth videos.

The tsv begins with a root, then has ``id, video, sound, video frames, samples`` per clip, with paths of the machine
that made it. Videos are ``LANG/video/ID.mp4``, mouth crops of 96 x 96 (some of Arabic, German and Spanish are black or
beside the mouth, which the corpus does not mark). Lists: train, dev (valid), test; for several languages LANG_train,
... The "speaker" of a clip is its talk. Translations of a part of the clips are ``LANG/TARGET/SPLIT.tsv`` and
``SPLIT.TARGET``.
"""

from __future__ import annotations

from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.exchange.convert import id_of
from vsr.data.manifest import Clip

LISTS = {"train": "train", "valid": "dev", "test": "test"}
LANGUAGES = ("ar", "de", "el", "en", "es", "fr", "it", "pt", "ru")


def prepare_muavic(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write the manifests and ``report.json``. ``corpus_dir``: muavic, or the folder of one language in it.

    Raises VsrError bad_corpus for a wrong folder, and where a list and its texts differ in length.
    """
    root = Path(corpus_dir)
    folders = [folder for folder in (root, *(root / name for name in LANGUAGES)) if (folder / "test.tsv").is_file()]
    if not folders:
        raise VsrError("bad_corpus", f"{root} is not MuAViC: neither it nor a language's folder in it has a test.tsv")
    lists: dict[str, list[Clip]] = {}
    counts: list[Count] = []
    skipped: dict[str, str] = {}  # clip -> reason
    for folder in folders:
        prefix = "" if folder == root else f"{folder.name}_"
        targets = [
            language for language in LANGUAGES if language != folder.resolve().name and (folder / language).is_dir()
        ]
        for split in (name for name in LISTS if (folder / f"{name}.tsv").is_file()):
            rows, texts = _rows(folder, split), {target: _translated(folder, split, target) for target in targets}
            clips = [clip for row in rows if (clip := _clip(folder, prefix, *row, skipped, texts))]
            lists[f"{prefix}{LISTS[split]}"] = clips
            counts.append(Count(f"{prefix}{split} utterances", len(clips), len(rows)))
    return write_lists(out_dir, lists, Report("muavic", counts, skipped=skipped))


def _translated(folder: Path, split: str, target: str) -> dict[str, str]:
    """id -> text in another language, for the clips that have it. Raises VsrError."""
    source = folder / target
    return {name: text for name, _, text in _rows(source, split, target)} if (source / f"{split}.tsv").is_file() else {}


def _rows(folder: Path, split: str, language: str = "") -> list[tuple[str, str, str]]:
    """(id, frames, text) of each clip. Raises VsrError."""
    lines = _lines(folder / f"{split}.tsv")[1:]
    texts = _lines(folder / f"{split}.{language or folder.resolve().name}")
    if len(texts) != len(lines):
        raise VsrError("bad_corpus", f"{folder / split}.tsv has {len(lines)} clips, its texts are {len(texts)}")
    columns = [line.split("\t") for line in lines]
    if bad := [row for row in columns if len(row) != 5 or not row[3].isdigit()]:
        raise VsrError("bad_corpus", f"{folder / split}.tsv: '{' '.join(bad[0])[:60]}' is not id, video, sound, counts")
    return [(row[0], row[3], text) for row, text in zip(columns, texts, strict=True)]


def _clip(
    folder: Path, prefix: str, name: str, frames: str, text: str, skipped: dict[str, str], translated: dict[str, dict]
) -> Clip | None:
    """A clip with its translations, or None with the reason added to ``skipped``."""
    video, words = folder / "video" / f"{name}.mp4", " ".join(text.split())
    if not words or not int(frames) or not video.is_file():
        skipped[f"{prefix}{name}"] = "no video" if not video.is_file() else "no words" if not words else "no frames"
        return None
    talk = name.split("/")[-2] if "/" in name else ""
    translations = {
        language: " ".join(texts[name].split()) for language, texts in translated.items() if texts.get(name, "").split()
    }
    return Clip(
        id_of(f"{prefix}{name}"), str(video), words, talk, int(frames), crop=str(video), language=folder.resolve().name,
        translations=translations,
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_corpus", f"{path}: cannot be read ({type(error).__name__})") from error
