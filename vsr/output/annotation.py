"""Writes TextGrid (Praat) and EAF (ELAN): a tier of segments and a tier of words for each face."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vsr.output.cues import face_name
from vsr.output.transcript import Transcript
from vsr.output.xml_text import escape, quoteattr

Span = tuple[float, float, str]  # start and end in seconds, text


def tiers(transcript: Transcript) -> dict[str, list[Span]]:
    """Tier name -> spans in order of time, without overlaps; spans without length are left out."""
    spans_of_tier = {}
    for face in transcript.faces:
        segments = [segment for segment in transcript.segments if segment.face == face and segment.words]
        words = [(w.start, w.end, w.word) for segment in segments for w in segment.words]
        spans_of_tier[face_name(face)] = separate_spans((s.start, s.end, s.text) for s in segments)
        spans_of_tier[f"{face_name(face)} words"] = separate_spans(words)
    return spans_of_tier


def separate_spans(spans: Iterable[Span]) -> list[Span]:
    """Sort spans by start, round them to milliseconds, and trim each at the start of the next."""
    rounded = sorted((round(start, 3), round(end, 3), text) for start, end, text in spans)
    nexts = [*(start for start, _, _ in rounded), float("inf")][1:]
    trimmed = [
        (start, min(end, following), text) for (start, end, text), following in zip(rounded, nexts, strict=False)
    ]
    return [span for span in trimmed if span[0] < span[1]]


def to_textgrid(transcript: Transcript) -> str:
    """Praat's long text format; gaps are empty intervals, as Praat requires intervals to cover the whole time."""
    spans_of_tier = tiers(transcript)
    end = max(
        [round(transcript.duration or 0.0, 3), 0.001, *(span[1] for spans in spans_of_tier.values() for span in spans)]
    )
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.3f}"]
    lines += ["tiers? <exists>", f"size = {len(spans_of_tier)}", "item []:"] if spans_of_tier else ["tiers? <absent>"]
    for number, (name, spans) in enumerate(spans_of_tier.items(), start=1):
        intervals = _fill_gaps(spans, end)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(intervals)}"]
        for index, (start, stop, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {start:.3f}"]
            lines += [f"            xmax = {stop:.3f}", f"            text = {_quoted(text)}"]
    return "\n".join(lines) + "\n"


def _fill_gaps(spans: list[Span], end: float) -> list[Span]:
    """The spans with empty ones in the gaps, from 0 to ``end``."""
    covered: list[Span] = []
    time = 0.0
    for start, stop, text in spans:
        if time < start:
            covered.append((time, start, ""))
        covered.append((start, stop, text))
        time = stop
    return [*covered, (time, end, "")] if time < end else covered


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="vsr" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">"""
TAIL = """    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


def to_eaf(transcript: Transcript) -> str:
    """ELAN's XML; times are milliseconds. The video is expected beside the file."""
    video = quoteattr("./" + Path(transcript.file).name)
    slots: list[float] = []
    bodies: list[str] = []
    for name, spans in tiers(transcript).items():
        bodies.append(f'    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID={quoteattr(name)}>')
        for start, end, text in spans:
            first = len(slots) + 1
            slots += [start, end]
            bodies.append(_annotation(first, text))
        bodies.append("    </TIER>")
    order = [
        f'        <TIME_SLOT TIME_SLOT_ID="ts{number}" TIME_VALUE="{round(1000 * time)}"/>'
        for number, time in enumerate(slots, start=1)
    ]
    header = [
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        f'        <MEDIA_DESCRIPTOR MEDIA_URL={video} MIME_TYPE="video/*" RELATIVE_MEDIA_URL={video}/>',
        "    </HEADER>",
    ]  # fmt: skip
    return "\n".join([HEAD, *header, "    <TIME_ORDER>", *order, "    </TIME_ORDER>", *bodies, TAIL])


def _annotation(slot: int, text: str) -> str:
    """An annotation with ``text`` from time slot number ``slot``, from 1, to the next slot."""
    return (
        f'        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{(slot + 1) // 2}" '
        f'TIME_SLOT_REF1="ts{slot}" TIME_SLOT_REF2="ts{slot + 1}">'
        f"<ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )
