"""The other forms of `vsr phrases`: phrases of one's own, enrolled by clips."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

FORMS = ("enrol", "own", "enrolled", "remove")
LONGEST = 60  # seconds that a camera films for one phrase
ROWS = 3  # phrases that are printed


def add_enrolled_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of these forms alone."""
    own = parser.add_argument_group("own phrases")
    own.add_argument("--folder", default="phrases", metavar="DIR", help="where they are kept (default: phrases)")
    own.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="seconds recorded from a camera (default: 3)"
    )
    own.add_argument("--speak", metavar="FILE", help="a .wav in which eSpeak NG says what was chosen")
    own.add_argument(
        "--voice", default="en", metavar="NAME", help="voice of eSpeak NG, such as de or en+f3 (default: en)"
    )


def run_enrolled(args: argparse.Namespace) -> int:
    """`vsr phrases enrol NAME CLIP...`, `own CLIP...`, `enrolled`, `remove NAME`. Raises VsrError."""
    return {"enrol": _enrol, "own": _recognise, "enrolled": _enrolled, "remove": _remove}[args.list](args)


def _enrol(args: argparse.Namespace) -> int:
    from vsr.core.errors import VsrError
    from vsr.core.files import check_writable

    if len(args.videos) < 2:
        raise VsrError(
            "bad_options", "give the phrase, then the clips that say it: vsr phrases enrol NAME CLIP [CLIP ...]"
        )
    phrase, *clips = args.videos
    _check_clips(clips)
    check_writable(args.folder)
    from vsr.cli.each_video import tell_face_report
    from vsr.inference.enrolled_phrases import enrol
    from vsr.inference.face_report import FaceReport
    from vsr.modelstore.folder import load_model

    loaded, reports = load_model(args.model, args.device, args.precision), [FaceReport() for _ in clips]
    with clips_or_recordings(clips, args.seconds) as files:
        names = [_name(clip) for clip in clips]
        found = enrol(loaded, args.folder, phrase, files, args.faces, args.cropped, names, reports)
    for clip, own in zip(clips, reports, strict=True):
        tell_face_report(clip, own)
    print(f"{found.phrase}\t{len(found.clips)} example{'s' * (len(found.clips) > 1)}")
    return 0


def _check_clips(clips: list[str]) -> None:
    """Refuse absent clips and one that is given twice, before a model is loaded; a camera films again each time."""
    from itertools import combinations

    from vsr.cli.options import check_present
    from vsr.core.errors import VsrError
    from vsr.core.files import same_file

    files = [clip for clip in clips if not clip.isdigit()]
    if files:
        check_present(files)
    for first, second in combinations(files, 2):
        if same_file(first, second):
            raise VsrError("bad_options", f"{second} is given twice, and is one example: give each clip once")


def _recognise(args: argparse.Namespace) -> int:
    """0 if every clip was read, else 1."""
    from vsr.cli.each_video import for_each, tell_face_report
    from vsr.core.errors import VsrError
    from vsr.inference.enrolled_phrases import read_enrolled, recognise
    from vsr.inference.face_report import FaceReport
    from vsr.modelstore.folder import load_model

    if not args.videos:
        raise VsrError("bad_options", "give the clips, or the number of a camera: vsr phrases own CLIP [CLIP ...]")
    if args.speak:
        _check_speak(args)
    phrases = read_enrolled(args.folder)
    loaded = load_model(args.model, args.device, args.precision)

    def read(video: str) -> None:
        report = FaceReport()
        with clips_or_recordings([video], args.seconds) as (file,):
            found, usual = recognise(loaded, phrases, file, args.faces, args.cropped, report)
        tell_face_report(video, report)
        _print(video, found, usual if args.threshold is None else args.threshold, args, report.warnings)

    return for_each(args.videos, read)


def _check_speak(args: argparse.Namespace) -> None:
    """Raises VsrError for what --speak and --voice cannot do, before a clip is read."""
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output
    from vsr.inference.text_to_speech import ALOUD
    from vsr.text.espeak import ipa_of

    if len(args.videos) > 1:
        raise VsrError("bad_options", "--speak says what one clip says")
    if Path(args.speak).suffix.lower() != ".wav":
        raise VsrError("bad_options", f"--speak writes a .wav, not {args.speak}")
    check_output(args.speak, *(video for video in args.videos if not video.isdigit()), kind=ALOUD)
    ipa_of("a", args.voice)


def _print(video: str, matches: list, threshold: float, args: argparse.Namespace, warnings: list[dict]) -> None:
    """The rows of `vsr phrases`, or its JSON with ``warnings``; what is chosen is said, if that is wanted."""
    chosen = None if matches[0].fit < threshold else matches[0].phrase
    if args.json:
        record = {"file": video, "phrase": chosen, "phrases": [asdict(match) for match in matches[: args.nbest]]}
        print(json.dumps(record | {"warnings": warnings}, ensure_ascii=False), flush=True)
    else:
        rows = [(0, 1 - matches[0].fit, "(none of these)")] if chosen is None else []
        rows += [(place, match.fit, match.phrase) for place, match in enumerate(matches[: args.nbest or ROWS], start=1)]
        for place, fit, phrase in rows:
            print(f"{video}\t{place}\t{fit:.3f}\t{phrase}", flush=True)
    if args.speak and chosen is None:
        print(f"vsr: {args.speak} is not written: none of the phrases was chosen", file=sys.stderr)
    elif args.speak and chosen is not None:
        from vsr.inference.text_to_speech import say

        say(chosen, args.speak, args.voice)


def _enrolled(args: argparse.Namespace) -> int:
    from vsr.inference.enrolled_phrases import read_enrolled

    for own in read_enrolled(args.folder):
        print(f"{own.phrase}\t{len(own.clips)}\t{own.model.get('name')}\t{', '.join(own.clips)}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    from vsr.core.errors import VsrError
    from vsr.inference.enrolled_phrases import remove

    if len(args.videos) != 1:
        raise VsrError("bad_options", "give one phrase: vsr phrases remove NAME")
    remove(args.folder, args.videos[0])
    return 0


def _name(clip: str) -> str:
    return f"camera {clip}" if clip.isdigit() else Path(clip).name


@contextmanager
def clips_or_recordings(clips: list[str], seconds: float) -> Iterator[list[str]]:
    """The clips as files; a number is a camera, of which ``seconds`` are filmed and not kept. Raises VsrError."""
    from vsr.inference.live.recording import record

    with tempfile.TemporaryDirectory(prefix="vsr-phrases.") as folder:
        found = []
        for number, clip in enumerate(clips):
            if clip.isdigit():
                said = f"vsr: camera {clip}: say it now, for {seconds:g} s"
                begun = partial(print, said, file=sys.stderr, flush=True)
                found.append(str(record(clip, Path(folder) / f"{number}.mp4", seconds, begun)))
            else:
                found.append(clip)
        yield found
