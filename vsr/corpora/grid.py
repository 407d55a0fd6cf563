"""GRID (Cooke et al. 2006, CC BY 4.0): a folder of the corpus -> named, disjoint manifests.

Layouts: ``sN/video/NAME.{mp4,mpg}`` with ``sN/align/NAME.align``; ``sN/NAME.mpg`` with ``sN/align`` or a common
``align/sN``. A transcript comes from the align file, never from the file name.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.corpora.grid_lists import LISTS
from vsr.corpora.lists import write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

ALIGN_UNITS = 25_000  # align times are in 1/25 000 s
SILENCE = ("sil", "sp")
SEEN, FEW, UNSEEN = ("s1",), ("s2", "s3", "s4", "s5"), ("s30", "s31", "s32", "s33", "s34")
TEST_SEEN, DEV_SEEN, TEST_FEW = 100, 40, 4


def read_align(path: Path) -> tuple[tuple[str, float, float], ...]:
    """Words with start and end in seconds, without silences. Raises VsrError naming the line."""
    words = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            raise VsrError("bad_corpus", f"{path}, line {number}: expected 'START END WORD', got '{line}'")
        if int(parts[0]) > int(parts[1]):
            raise VsrError("bad_corpus", f"{path}, line {number}: '{line}' ends before it begins")
        if parts[2] not in SILENCE:
            words.append((parts[2].lower(), int(parts[0]) / ALIGN_UNITS, int(parts[1]) / ALIGN_UNITS))
    return tuple(words)


def find_align(corpus: Path, speaker: str, name: str) -> Path | None:
    """The align file of a clip in any of the known layouts."""
    places = (corpus / speaker / "align", corpus / "align" / speaker, corpus / speaker)
    return next((folder / f"{name}.align" for folder in places if (folder / f"{name}.align").is_file()), None)


def find_clips(corpus: Path) -> tuple[list[Clip], dict[str, str]]:
    """Every clip with a transcript, by speaker and name, and the reason for each clip without one."""
    clips, skipped = [], {}
    for folder in sorted(
        (entry for entry in corpus.iterdir() if re.fullmatch(r"s\d+", entry.name)), key=_speaker_number
    ):
        videos = [file for file in sorted(folder.rglob("*")) if file.suffix in (".mp4", ".mpg")]
        for video in videos:
            clip_id = f"{folder.name}_{video.stem}"
            align = find_align(corpus, folder.name, video.stem)
            words = read_align(align) if align else ()
            if not words:
                skipped[clip_id] = "no words in its align file" if align else "no align file"
                continue
            text = " ".join(word for word, _, _ in words)
            clips.append(Clip(clip_id, str(video), text, folder.name, words=words))
    return clips, skipped


def _speaker_number(folder: Path) -> int:
    return int(folder.name[1:])


def split_clips(clips: list[Clip], seed: int) -> dict[str, list[Clip]]:
    """The project's lists: train, dev, test_s1, test_s2s5, unseen. Speakers outside the lists join train.

    With seed 0 a folder that has all clips of a list in `vsr.corpora.grid_lists` gives that list; others are drawn.
    """
    rng = random.Random(seed)
    lists: dict[str, list[Clip]] = {name: [] for name in ("train", "dev", "test_s1", "test_s2s5", "unseen")}
    for speaker in dict.fromkeys(clip.speaker for clip in clips):
        speaker_clips = [clip for clip in clips if clip.speaker == speaker]
        rng.shuffle(speaker_clips)
        if seed == 0 and (fixed := _fixed(speaker_clips)):
            for clip in speaker_clips:
                lists[fixed.get(clip.id, "train")].append(clip)
            continue
        if speaker in UNSEEN:
            lists["unseen"] += speaker_clips
        elif speaker in SEEN:
            test = min(TEST_SEEN, len(speaker_clips) // 4)
            dev = min(DEV_SEEN, len(speaker_clips) // 8)
            lists["test_s1"] += speaker_clips[:test]
            lists["dev"] += speaker_clips[test : test + dev]
            lists["train"] += speaker_clips[test + dev :]
        else:
            test = TEST_FEW if speaker in FEW else 0
            lists["test_s2s5"] += speaker_clips[:test]
            lists["train"] += speaker_clips[test:]
    return lists


def _fixed(clips: list[Clip]) -> dict[str, str]:
    """Id -> list, for clips of one speaker that are in a fixed list; {} if one of them is missing."""
    speaker, ids = clips[0].speaker, {clip.id for clip in clips}
    list_of = {
        clip_id: name for name, list_ids in LISTS.items() for clip_id in list_ids if clip_id.startswith(f"{speaker}_")
    }
    return list_of if list_of.keys() <= ids else {}


def prepare_grid(corpus_dir: str | Path, out_dir: str | Path, seed: int = 0) -> dict[str, int]:
    """Write ``<list>.jsonl`` for each list and ``report.json``; returns the counts.

    Raises VsrError: bad_corpus if the folder is not GRID, exists for lists of another corpus in ``out_dir``.
    """
    corpus, out_dir = Path(corpus_dir), Path(out_dir)
    if not corpus.is_dir():
        raise VsrError("bad_corpus", f"{corpus} is not a folder: give the folder that holds s1, s2, ... of GRID")
    clips, skipped = find_clips(corpus)
    if not clips:
        raise VsrError("bad_corpus", f"{corpus} holds no GRID clips (sN/video/NAME.mpg with sN/align/NAME.align)")
    lists = {
        name: sorted(members, key=lambda clip: clip.id) for name, members in split_clips(clips, seed).items() if members
    }
    tests = [clip for name, members in lists.items() if name not in ("train", "dev") for clip in members]
    check_disjoint(lists.get("train", []), lists.get("dev", []), tests)
    counts = write_lists(out_dir, "grid", lists)
    reasons = dict(Counter(skipped.values()))
    write_json(out_dir / "report.json", {"seed": seed, "clips": counts, "skipped": reasons, "skipped_clips": skipped})
    return counts | {"skipped": len(skipped)}
