"""The HTML of the page: pure functions from jobs and faces to strings. All text from outside is escaped."""

from __future__ import annotations

from html import escape
from pathlib import Path

from lip2speech.web.jobs import Face, Job, Limits
from lip2speech.web.page_jobs import FORMATS
from vsr.output.cues import face_name
from vsr.output.transcript import TimedWord
from vsr.report.markup import percent

STEPS = (("faces", "Find the face"), ("reading", "Read the lips"), ("voice", "Give it a voice"))
UNSURE = 0.7  # confidence below which a word is marked by more than its colour


def welcome(limits: Limits, shipped: bool) -> str:
    """The head of the page."""
    model = (
        "The model that ships with the project reads short sentences like <i>bin blue at f two now</i>, "
        "spoken towards the camera. It does not read free speech."
        if shipped
        else ""
    )
    return (
        '<header class="head"><h1>Read lips, give them a voice</h1>'
        "<p>A video of a talking face becomes text and speech. Its own sound is not listened to.</p>"
        f'<p class="soft">{model} At most {limits.max_seconds:g} s and {limits.max_mb} MB. '
        "Nothing leaves this server. Videos and results are removed from it soon after you close the page, "
        f"and after {limits.keep_minutes:g} minutes at the latest.</p></header>"
    )


def empty() -> str:
    """The placeholder of the result."""
    items = (
        ("Subtitles", "each word coloured by how sure the reader is"),
        ("A voice", "made from the video alone, laid under the video"),
        ("Files", "srt, vtt, json, txt and the voiced mp4"),
    )
    rows = "".join(f"<li><b>{title}</b><span>{text}</span></li>" for title, text in items)
    return f'<div class="empty"><p>The result will stand here.</p><ul>{rows}</ul></div>'


def progress(job: Job, ahead: int) -> str:
    """The progress of a job; screen readers announce its changes."""
    if job.stage == "waiting":
        return _status("waiting", _waiting(ahead))
    if job.stage == "loading":
        return _status("working", "Loading the models. Only the first clip waits for this.")
    names = [name for name, _ in STEPS]
    current = names.index(job.stage) if job.stage in names else len(STEPS)
    steps = "".join(
        f'<li class="{"past" if k < current else "now" if k == current else "next"}"'
        f"{' aria-current=step' if k == current else ''}>{title}</li>"
        for k, (_, title) in enumerate(STEPS)
    )
    return _status("working", STEPS[min(current, len(STEPS) - 1)][1], f"<ol>{steps}</ol>{_bar(job.share)}")


def _waiting(ahead: int) -> str:
    if not ahead:
        return "Starting."
    return f"{ahead} {'clip is' if ahead == 1 else 'clips are'} before yours. It starts by itself."


def _bar(share: float | None) -> str:
    value = "" if share is None else f' value="{share:.2f}"'
    return f'<progress max="1"{value} aria-label="progress of this step"></progress>'


def _status(kind: str, text: str, body: str = "") -> str:
    spoken = f'<p role="status" aria-live="polite">{escape(text)}</p>'
    return f'<div class="status {kind}">{spoken}{body}</div>'


def problem(reason: str, message: str) -> str:
    """An error in one line, with a hint on what helps."""
    help_line = HELP.get(reason, "")
    hint = f'<p class="soft">{help_line}</p>' if help_line else ""
    return f'<div class="status error" role="alert" data-reason="{escape(reason)}"><p>{escape(message)}</p>{hint}</div>'


HELP = {
    "no_face": "The face should be turned towards the camera, well lit, and fill a good part of the frame.",
    "too_short": "Half a second of a face is the least that can be read.",
    "crop_out_of_frame": "The whole mouth must be inside the frame.",
    "no_video": "This file holds sound only. The reader needs a video.",
    "unreadable": "Try another recording, or save this one as mp4.",
    "silent_reference": "Leave the recording out to use the model's own voice.",
    "short_reference": "Leave the recording out to use the model's own voice.",
    "no_voice": "Leave the recording out to use the model's own voice.",
}


def watch(job: Job, number: int) -> str:
    """The video with its subtitles."""
    return _player("Read", "seen", job, "video.mp4", number, muted=True)


def voiced(job: Job, number: int) -> str:
    """The video with its new voice, or a placeholder."""
    if not job.faces[number].voiced:
        hold = f'<div class="hold" style="--aspect: {job.aspect:.4f}">The voice is being made</div>'
        return f'<section class="player pending"><h2>Voiced</h2>{hold}</section>'
    note = f"Synthetic voice. {job.faces[number].note}".strip()
    return _player("Voiced", "voiced", job, f"{number}.mp4", number, note=note)


def _player(title: str, kind: str, job: Job, video: str, number: int, muted: bool = False, note: str = "") -> str:
    subtitles = f"results/{job.token}/page{number}.vtt"
    return (
        f'<section class="player {kind}"><h2>{title}</h2>'
        f'<video controls playsinline preload="metadata"{" muted" if muted else ""} aria-label="{title} video"'
        f' style="--aspect: {job.aspect:.4f}"><source src="results/{job.token}/{video}" type="video/mp4">'
        f'<track default kind="subtitles" label="Lips as read" src="{subtitles}"></video>'
        f"{f'<p class=soft>{escape(note)}</p>' if note else ''}</section>"
    )


def faces(job: Job, selected: int) -> str:
    """Buttons for the faces of a video with several."""
    if len(job.faces) < 2:
        return ""
    buttons = "".join(_face_button(number, face, number == selected) for number, face in enumerate(job.faces))
    others = f"{job.left_out} more {'face' if job.left_out == 1 else 'faces'}"
    more = f'<p class="soft">{others}, smaller or seen more briefly, left out.</p>' if job.left_out else ""
    return f'<div class="faces" role="group" aria-label="Whose words">{buttons}</div>{more}'


def _face_button(number: int, face: Face, selected: bool) -> str:
    return (
        f'<button type="button" data-face="{number}" aria-pressed="{"true" if selected else "false"}">'
        f'<img alt="" src="{face.portrait}"><span>{face_name(number)}</span></button>'
    )


def words(job: Job, number: int) -> str:
    """The text, each word a button that plays it, coloured and labelled by its confidence."""
    timed_words = [word for segment in job.faces[number].transcript.segments for word in segment.words]
    warnings = _warnings(job.faces[number])
    if not timed_words:
        return f'<div class="text"><p class="none">No words were read.</p>{warnings}</div>'
    mean = sum(word.confidence for word in timed_words) / len(timed_words)
    spans = " ".join(_word(word, job.lead) for word in timed_words)
    return (
        f'<div class="text"><p class="words">{spans}</p><div class="note soft"><p>{_num_words(len(timed_words))}, '
        f'mean confidence {percent(mean)}. Press a word to hear it.</p><p class="legend" aria-hidden="true"><i></i>'
        f"unsure to sure</p></div>{warnings}</div>"
    )


def _warnings(face: Face) -> str:
    """What must be known before the words are believed, or why there are none, as `vsr transcribe` says it."""
    messages = [warning["message"] for warning in face.transcript.warnings]
    return "".join(f'<p class="warning">{escape(message[:1].upper() + message[1:])}.</p>' for message in messages)


def _num_words(count: int) -> str:
    return f"{count} word" if count == 1 else f"{count} words"


def _word(word: TimedWord, lead: float) -> str:
    sure = percent(word.confidence)
    start, end = max(0.0, word.start - lead), max(0.0, word.end - lead)
    label = f"{word.word}, {start:.2f} s, confidence {sure}"
    return (
        f'<button type="button" class="c{" unsure" * (word.confidence < UNSURE)}" data-start="{start:.3f}" '
        f'data-end="{end:.3f}" style="--p: {100 * word.confidence:.0f}" aria-label="{escape(label)}">'
        f"{escape(word.word)}<small>{sure}</small></button>"
    )


def files(job: Job, number: int) -> str:
    """Download links of the results."""
    stem = Path(job.name).stem + (f".face{number + 1}" if len(job.faces) > 1 else "")
    links = [_link(job.token, f"{number}.{name}", f"{stem}.{name}", name) for name in FORMATS]
    if job.faces[number].voiced:
        links.append(_link(job.token, f"{number}.mp4", f"{stem}.voiced.mp4", "voiced mp4"))
    return f'<nav class="files" aria-label="Downloads"><span class="soft">Download</span>{"".join(links)}</nav>'


def _link(token: str, name: str, saved_as: str, label: str) -> str:
    return f'<a href="results/{token}/{name}" download="{escape(saved_as)}">{label}</a>'


def inspection(number: int, token: str) -> str:
    """The page of `lip2speech inspect`, in a sandbox that allows its script and nothing else."""
    return (
        f'<iframe class="inspect" sandbox="allow-scripts" src="results/{token}/inspect{number}.html" '
        'title="How it was read: mouth, posteriors, attention, words and voice over time"></iframe>'
    )
