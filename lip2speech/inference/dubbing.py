"""Voice one video: faces, mouth crops, reader, `lip2speech.inference.voicing`, wave.

Shapes: T video frames of a face; wave (S,) at 16 kHz whose sample 0 is at the video's first frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.inpainting import check_can_inpaint, check_gap_inside, fill_gap
from lip2speech.inference.mixer import Mixer
from lip2speech.inference.sound_conditions import check_sound, check_takes_sound
from lip2speech.inference.sound_gap import Gap
from lip2speech.inference.sound_length import voice_samples
from lip2speech.inference.speakers import References, speaker_of, speakers_of
from lip2speech.inference.spoken import Spoken
from lip2speech.inference.text import Text, words_spoken_between
from lip2speech.inference.voicing import voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.emotion_options import Emotion
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import FPS, SAMPLE_RATE
from vsr.core.errors import Incomplete
from vsr.core.progress import Watch
from vsr.face.face_count import checked_face_count
from vsr.face.mouth_crop import MouthClip
from vsr.face.mouth_source import MouthSource
from vsr.face.speaker_selection import Part
from vsr.inference.assemble import skipped_of, tracks_of
from vsr.inference.face_report import FaceReport
from vsr.inference.listening import waves_at
from vsr.media.audio import read_wave
from vsr.media.container import video_clock
from vsr.output.transcript import TimedWord


@dataclass(frozen=True)
class SpeakOptions:
    """How a video is voiced.

    Args:
        flow: of the acoustic model.
        faces: "largest" voices the largest face that speaks in each shot, a number that many faces, "all"
            every face.
        shape: a function that changes each voice (S,), such as a `lip2speech.inference.prosody.Prosody`.
        noisy: the video's own sound is an input beside the lips; "mask": the output is that sound with its noise
            attenuated, "made": the speech is synthesised, "auto": whichever fits the noise, in each stretch of speech.
        gap: the part of the sound that is synthesised; the rest stays, and is an input.
        emotion: of the voice, for a voice that knows it.
    """

    flow: FlowOptions = field(default_factory=FlowOptions)
    faces: str | int = "largest"
    shape: Callable[[np.ndarray], np.ndarray] | None = None
    noisy: str | None = None
    gap: Gap | None = None
    emotion: Emotion | None = None


def speak(
    loaded: LoadedVoice, path: str | Path, reference: References = None, options: SpeakOptions | None = None,
    text: Text | None = None, watch: Watch | None = None,
) -> Spoken:  # fmt: skip
    """Voice the faces in a video of any length; it is silent without a face and where lips rest or are covered.

    Args:
        loaded: of `lip2speech.inference.folder.load_model`.
        path: the video; its own sound is used only if ``options`` have ``noisy`` or a gap.
        reference: the voice to speak with (`lip2speech.inference.reference`), such as a recording, or a mapping of
            the face's number in transcripts to a voice, with None for all other faces; default: the model's own voice.
        options: which faces, and how.
        text: the words (`lip2speech.inference.text.open_text`); afterwards it holds all of them. None: unknown.
        watch: receives the progress of the run.

    Raises:
        VsrError: no_face, too_short, crop_out_of_frame, unreadable, no_video, bad_config, not_finite; for the
            reference no_sound, silent_reference, short_reference, no_voice; with ``noisy`` or a gap bad_model if the
            voice takes no sound, and no_sound if the video has none. For a truncated or damaged file, an `Incomplete`
            whose ``record`` is the `Spoken` of the part that could be read.
    """
    options, text = options or SpeakOptions(), text or Text()
    _check_sound(loaded, path, options)
    number, speakers = checked_face_count(options.faces), speakers_of(loaded, reference, path, options.faces)
    source = MouthSource(path, number, mesh=text.mesh, on_request=True, watch=watch)
    first, mixer = video_clock(path)[1], Mixer()
    seen, end = FaceReport(), first
    for selected in source.readable_blocks():
        for part in selected.parts:
            seen.add(part)
            for at, crop, directions in _utterances(path, part, first, text, options):
                wave = voice_of(loaded, crop, speakers[part.face], directions)
                mixer.add(part.face, at, options.shape(wave) if options.shape else wave)
        end = float(selected.block.times[-1]) + 1 / FPS
    if not (source.broken and mixer.last):
        source.check(has_speech=None in source.reasons)
    wave = mixer.mixed(voice_samples(path, end - first, source.frames))
    wave = _with_filled_gap(path, wave, (first, end), options.gap) if options.gap else wave
    faces = tuple(sorted(mixer.last))
    unread, tracks = skipped_of(seen.skipped), tracks_of(seen.tracks)
    spoken = Spoken(wave, mixer.num_voiced / SAMPLE_RATE, faces, source.info.stream, unread, tracks)
    if source.broken:
        raise Incomplete(source.broken.reason, source.broken.message, spoken)
    return spoken


def _with_filled_gap(path: str | Path, wave: np.ndarray, part: tuple[float, float], gap: Gap) -> np.ndarray:
    """The video's own sound of ``part``, with the synthesised wave (S,) in its gap. Raises VsrError bad_options."""
    check_gap_inside(gap, len(wave), path)
    return fill_gap(read_wave(path, part=part), wave, gap)


def _check_sound(loaded: LoadedVoice, path: str | Path, options: SpeakOptions) -> None:
    """Refuse a voice that cannot use the sound that the options need, and a video without sound. Raises VsrError."""
    if options.noisy:
        check_takes_sound(loaded)
    if options.gap:
        check_can_inpaint(loaded)
    if options.noisy or options.gap:
        check_sound(path)


def _utterances(
    path: str | Path, part: Part, first: float, text: Text, options: SpeakOptions
) -> Iterator[tuple[int, np.ndarray, VoicingInputs]]:
    """Each stretch in which a face speaks: its first sample in the wave, its crop (T, 96, 96), its directions."""
    words = text.words(part.piece, part.face) if part.speech else ()
    for start, stop in part.speech:
        times = part.piece.times[start:stop]
        at = round((times[0] - first) * SAMPLE_RATE)
        yield at, part.piece.crop[start:stop], _directions(path, times, first, words, options)


def _directions(
    path: str | Path, times: np.ndarray, first: float, words: Sequence[TimedWord], options: SpeakOptions
) -> VoicingInputs:
    """The directions for frames at ``times`` (T,) seconds of a video whose first frame is at ``first`` seconds."""
    sound = waves_at(path, [times])[0] if options.noisy or options.gap else None
    known = options.gap.known_steps(times - first) if options.gap else None
    return VoicingInputs(options.flow, words_spoken_between(words, times), sound, known, options.noisy, options.emotion)


def speak_clip(
    loaded: LoadedVoice, clip: MouthClip, vector: torch.Tensor | None = None, options: FlowOptions | None = None,
    words: Sequence[TimedWord] = (),
) -> Spoken:  # fmt: skip
    """Voice a mouth clip that has been cropped already, where its lips speak. The wave is as long as the video.

    ``vector``: speaker embedding (256,), None for the model's own voice; ``words``: those that are known.
    Raises VsrError unreadable if the video no longer exists; not_finite.
    """
    mixer, first = Mixer(), video_clock(clip.info.path)[1]
    for start, stop in clip.speech:
        spoken_words = words_spoken_between(words, clip.times[start:stop])
        directions = VoicingInputs(options or FlowOptions(), spoken_words)
        wave = voice_of(loaded, clip.crop[start:stop], speaker_of(loaded, vector), directions)
        mixer.add(clip.face, round((clip.times[start] - first) * SAMPLE_RATE), wave)
    wave = mixer.mixed(voice_samples(clip.info.path, float(clip.times[-1]) + 1 / FPS - first))
    return Spoken(wave, mixer.num_voiced / SAMPLE_RATE, tuple(mixer.last), clip.info.stream)


def lead(clip: MouthClip) -> int:
    """Samples from the first frame of the video to that of the face. Raises VsrError unreadable without the video."""
    return round((clip.times[0] - video_clock(clip.info.path)[1]) * SAMPLE_RATE)
