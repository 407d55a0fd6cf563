"""One video -> its voice: reader, faces, mouth crops, acoustic model, vocoder, wave or video with sound.

Shapes: T video frames of a face; wave (S,) at 16 kHz whose sample 0 is at the video's first frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from lip2speech.features.speaker import DIM
from lip2speech.inference.directions import Directions
from lip2speech.inference.faces import face_vectors
from lip2speech.inference.filling import check_fills, check_inside, conditions_around, patched
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.gap import Gap
from lip2speech.inference.length import voice_samples
from lip2speech.inference.masking import masked
from lip2speech.inference.mixer import Mixer
from lip2speech.inference.noise_ratio import better_of
from lip2speech.inference.options import AUTO, MASK
from lip2speech.inference.recorded import check_hears, check_sound, conditions_of_sound
from lip2speech.inference.reference import FACE, Reference, before_hearing, read_reference, whose
from lip2speech.inference.spoken_conditions import conditions_of_words
from lip2speech.inference.synthesizer import check_finite, vocode
from lip2speech.inference.synthetic import SYNTHETIC
from lip2speech.inference.text import Text, said_between
from lip2speech.models.emotion import EmotionPull, Pulls
from lip2speech.models.emotion_options import Emotion
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import Pull, Said, text_pull
from lip2speech.models.voice import Speech
from vsr.core.clock import FPS, MELS_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.core.windows import window_spans
from vsr.data.transforms import to_network_input
from vsr.face.mouth_crop import MouthClip
from vsr.face.mouth_source import MouthSource
from vsr.face.speaker_selection import number_of_faces, unread
from vsr.inference.assemble import skipped_of
from vsr.inference.listening import waves_at
from vsr.media.audio import mux, read_wave, write_wave
from vsr.media.container import video_clock
from vsr.media.mux.rehearsal import Plan
from vsr.output.transcript import REST, Skipped, TimedWord, skipped_warnings


@dataclass
class Spoken:
    """wave (S,) float32 as long as the video; seconds: how much of it is voiced, that of several faces added up;
    faces: the numbers of those that are voiced; stream: which video was read, where the file holds several; skipped:
    what is not voiced, and why."""

    wave: np.ndarray
    seconds: float
    faces: tuple[int, ...]
    stream: dict | None = None
    skipped: tuple[Skipped, ...] = ()

    @property
    def warnings(self) -> list[dict]:
        """{"reason", "message"} of what has no voice, as of `vsr.output.transcript.Transcript`."""
        found = skipped_warnings(self.skipped, not self.seconds, "and has no voice there")
        silent = [own | {"message": f"{own['message']}: the sound is silent"} for own in found if own["reason"] == REST]
        return [*(own for own in found if own["reason"] != REST), *silent]


Whom: TypeAlias = "str | Path | Reference | np.ndarray | None"  # as --reference takes it, or a vector (256,)
References: TypeAlias = "Whom | Mapping[int | None, Whom]"


def speak(
    loaded: LoadedVoice, path: str | Path, reference: References = None, options: FlowOptions | None = None,
    faces: str | int = "largest", watch: Watch | None = None, text: Text | None = None,
    shape: Callable[[np.ndarray], np.ndarray] | None = None, noisy: str | None = None, gap: Gap | None = None,
    emotion: Emotion | None = None,
) -> Spoken:  # fmt: skip
    """Voice the faces in a video of any length; where nobody is seen, or lips rest or are covered, it is silent.

    Args:
        loaded: of `lip2speech.inference.folder.load_model`.
        path: the video; its own sound, if any, is not listened to, unless ``noisy``.
        reference: whose voice to speak with (`lip2speech.inference.reference`), such as a recording, or one by the
            number of each face in transcripts, None for all others; the model's own voice where not given.
        options: of the flow.
        faces: "largest" voices the face that fills most of the frame in each shot, a number so many of them, "all"
            every face.
        watch: is informed how the run goes.
        text: what is said (`lip2speech.inference.text.open_text`); it then knows all words. None: nobody knows.
        shape: changes each voice (S,), such as a `lip2speech.inference.prosody.Prosody`.
        noisy: the video's own sound is given to the voice, beside the lips; "mask": it is what is heard, its noise
            turned down, "made": the speech is made again, "auto": what fits the noise, in each stretch of speech.
        gap: the part of the sound that is made; the rest stays, and is given to the voice.
        emotion: how it is to feel, for a voice that knows it.

    Raises:
        VsrError: no_face, too_short, crop_out_of_frame, unreadable, no_video, bad_config, not_finite; of the reference:
            no_sound, silent_reference, short_reference, no_voice; with ``noisy`` or a gap bad_model, of a voice that
            hears nothing, and no_sound of the video.
    """
    if noisy:
        check_hears(loaded)
    if gap:
        check_fills(loaded)
    if noisy or gap:
        check_sound(path)
    number, speakers, text = number_of_faces(faces), _speakers(loaded, reference, path, faces), text or Text()
    source = MouthSource(path, number, mesh=text.mesh, on_request=True, watch=watch)
    info, first, mixer = source.info, video_clock(path)[1], Mixer()
    common = Directions(options or FlowOptions(), noisy=noisy, emotion=emotion)
    skipped, end = [], first
    for own in source:
        for part in own.parts:
            skipped += unread(part)
            words = text.words(part.piece, part.face) if part.speech else ()
            for start, stop in part.speech:
                times = part.piece.times[start:stop]
                said, sound = said_between(words, times), waves_at(path, [times])[0] if noisy or gap else None
                known = gap.known(times - first) if gap else None
                told = replace(common, said=said, sound=sound, known=known)
                wave = voice_of(loaded, part.piece.crop[start:stop], speakers[part.face], told)
                at = round((part.piece.times[start] - first) * SAMPLE_RATE)
                mixer.add(part.face, at, shape(wave) if shape else wave)
        end = float(own.block.times[-1]) + 1 / FPS
    source.check(read=None in source.reasons)
    wave = mixer.mixed(voice_samples(path, end - first, source.frames))
    if gap:
        check_inside(gap, len(wave), path)
        wave = patched(read_wave(path, part=(first, end)), wave, gap)
    faces = tuple(sorted(mixer.last))
    return Spoken(wave, mixer.added / SAMPLE_RATE, faces, info.stream, skipped_of(skipped))


def _speakers(loaded: LoadedVoice, reference: References, video: str | Path, faces: str | int) -> Mapping:
    """The vector (1, 256) of every face."""
    given = {None: None} | dict(reference if isinstance(reference, Mapping) else {None: reference})
    read = {face: _read(whom) for face, whom in given.items()}
    looks = {face for face, whom in read.items() if isinstance(whom, Reference) and whom.kind == FACE}
    vectors = {face: None if face in looks else _vector(whom, video) for face, whom in read.items()}
    if looks:
        seen = face_vectors(loaded.face_voice, video, faces)
        vectors |= {face: own for face, own in seen.items() if face in looks or (None in looks and face not in read)}
    tensors = {face: None if own is None else torch.from_numpy(own) for face, own in vectors.items()}
    speakers = {face: speaker_of(loaded, own) for face, own in tensors.items()}
    return defaultdict(lambda: speakers[None], speakers)


def _read(whom: Any) -> Reference | np.ndarray | None:
    """Whose voice it is, whatever way that is said. Raises VsrError bad_options."""
    if isinstance(whom, str | Path | Reference):
        return read_reference(whom)
    if whom is None:
        return None
    vector = np.asarray(whom, np.float32) if isinstance(whom, np.ndarray | torch.Tensor) else np.empty(0)
    if vector.shape != (DIM,) or not np.isfinite(vector).all() or not vector.any():
        raise VsrError("bad_options", f"reference {whom!r:.40}: give what --reference takes, or a vector ({DIM},)")
    return vector


def _vector(whom: Reference | np.ndarray | None, video: str | Path) -> np.ndarray | None:
    return whose(whom, video).vector if isinstance(whom, Reference) else whom


def wanted_voice(reference: str | Path | Reference | None) -> torch.Tensor | None:
    """The vector (256,) of a voice that is chosen before anything is seen or heard, as --reference names it; None: the
    model's own. Raises VsrError as `before_hearing`."""
    return torch.from_numpy(before_hearing(read_reference(reference))) if reference else None


def speaker_of(loaded: LoadedVoice, vector: torch.Tensor | None) -> torch.Tensor:
    """The vector (1, 256) to speak with, on the model's device; None: the model's own voice."""
    given = loaded.voice.default_speaker if vector is None else vector
    return given.to(loaded.voice.mel_mean.device)[None]


def speak_clip(
    loaded: LoadedVoice, clip: MouthClip, vector: torch.Tensor | None = None, options: FlowOptions | None = None,
    words: Sequence[TimedWord] = (),
) -> Spoken:  # fmt: skip
    """Voice a face that has been cut out of its video already, where its lips speak; ``vector`` (256,) is whose voice,
    None the model's own; ``words``: what it says, as far as that is known. The wave is as long as the video.

    Raises VsrError unreadable, where the video has gone; not_finite.
    """
    mixer, first = Mixer(), video_clock(clip.info.path)[1]
    for start, stop in clip.speech:
        said = said_between(words, clip.times[start:stop])
        told = Directions(options or FlowOptions(), said)
        wave = voice_of(loaded, clip.crop[start:stop], speaker_of(loaded, vector), told)
        mixer.add(clip.face, round((clip.times[start] - first) * SAMPLE_RATE), wave)
    wave = mixer.mixed(voice_samples(clip.info.path, float(clip.times[-1]) + 1 / FPS - first))
    return Spoken(wave, mixer.added / SAMPLE_RATE, tuple(mixer.last), clip.info.stream)


def lead(clip: MouthClip) -> int:
    """Samples from the video's first frame to the face's. Raises VsrError unreadable, where the video has gone."""
    return round((clip.times[0] - video_clock(clip.info.path)[1]) * SAMPLE_RATE)


def voice_of(
    loaded: LoadedVoice, crop: np.ndarray, speaker: torch.Tensor, told: Directions | None = None
) -> np.ndarray:
    """Crop (T, 96, 96) of any length, speaker (1, 256) -> wave (640 T,) float32. Raises VsrError not_finite."""
    told = told or Directions()
    speech, noisy = voice_crop(loaded, crop, speaker, told), told.noisy
    if noisy == AUTO:
        lips = voice_crop(loaded, crop, speaker, replace(told, sound=None, options=replace(told.options, steps=0)))
        noisy = better_of(told.sound, lips.mel[0].cpu())
    if noisy == MASK:
        wave = torch.from_numpy(masked(told.sound, speech.mel[0].float().cpu()))
    else:
        wave = vocode(loaded.vocoder, speech, speaker)[0].float().cpu()
    check_finite(wave, f"{loaded.folder}")
    return wave.numpy()


def voice_crop(loaded: LoadedVoice, crop: np.ndarray, speaker: torch.Tensor, told: Directions) -> Speech:
    """Crop (T, 96, 96) of any length -> Speech; long ones in overlapping windows, cross-faded where they meet."""
    spans = window_spans(len(crop))
    mel = torch.zeros(1, MELS_PER_FRAME * len(crop), loaded.voice.mel_mean.shape[0])
    units = torch.zeros(1, UNITS_PER_FRAME * len(crop), dtype=torch.long)
    done = 0  # video frames that are written
    for start, stop in spans:
        video = to_network_input(crop[start:stop])[None].to(speaker.device)
        lengths = torch.tensor([stop - start], device=speaker.device)
        pull, given = pull_in(loaded, told, start, stop), conditions_in(loaded, told.said, start, stop)
        if told.sound is not None:
            given |= _heard(loaded, told, start, stop)
        own = loaded.voice.speak(video, lengths, speaker, told.options, conditions=given, pull=pull)
        join(mel, own.mel.cpu(), start * MELS_PER_FRAME, done * MELS_PER_FRAME)
        middle = (start + max(start, done)) // 2 * UNITS_PER_FRAME
        units[:, middle : stop * UNITS_PER_FRAME] = own.units.cpu()[:, middle - start * UNITS_PER_FRAME :]
        done = stop
    return Speech(mel.to(speaker.device), units.to(speaker.device))


def _heard(loaded: LoadedVoice, told: Directions, start: int, stop: int) -> dict:
    """The voice's conditions that are made of the sound of a window, from one video frame to another."""
    device, wave = loaded.voice.mel_mean.device, told.sound[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
    if told.known is None:
        return conditions_of_sound(loaded.voice.named, [wave], device)
    steps = told.known[start * UNITS_PER_FRAME : stop * UNITS_PER_FRAME]
    return conditions_around(loaded.voice.named, wave, steps, device)


def pull_in(loaded: LoadedVoice, told: Directions, start: int, stop: int) -> Pull | None:
    """Towards the words that are said from one video frame to another, and an emotion; None where there is nothing."""
    device, steps, pulls = loaded.voice.mel_mean.device, (stop - start) * UNITS_PER_FRAME, []
    if not told.options.steps:
        return None
    if told.said and told.options.pull:
        pulls.append(text_pull(loaded.listener, [_from(told.said, start)], steps, told.options.pull, device))
    if told.emotion is not None and told.emotion.pulls:
        pulls.append(EmotionPull(loaded.emotions, told.emotion, (1, steps), device))
    pulls = [pull for pull in pulls if pull is not None]
    return (pulls[0] if len(pulls) == 1 else Pulls(pulls)) if pulls else None


def conditions_in(loaded: LoadedVoice, said: Sequence[Said], start: int, stop: int) -> dict[str, torch.Tensor]:
    """The voice's conditions that are made of the words that are said from one video frame to another."""
    inside = [word for word in _from(said, start) if word.end > 0 and word.start < (stop - start) / FPS]
    steps, device = (stop - start) * UNITS_PER_FRAME, loaded.voice.mel_mean.device
    return conditions_of_words(loaded.voice.named, [inside], [steps], device) if inside else {}


def _from(said: Sequence[Said], start: int) -> list[Said]:
    """Words whose times count from video frame ``start``."""
    first = start / FPS
    return [replace(word, start=word.start - first, end=word.end - first) for word in said]


def join(whole: torch.Tensor, piece: torch.Tensor, start: int, done: int) -> None:
    """Write ``piece`` (1, n, 80) at ``start`` of ``whole``, fading over where that is filled up to ``done``."""
    overlap = max(0, done - start)
    fade = (torch.arange(overlap) + 0.5)[None, :, None] / max(1, overlap)
    whole[:, start:done] = whole[:, start:done] * (1 - fade) + piece[:, :overlap] * fade
    whole[:, start + overlap : start + piece.shape[1]] = piece[:, overlap:]


def write_spoken(spoken: Spoken, video: str | Path, out: str | Path, plan: Plan | None = None) -> None:
    """Write a .wav, or the video with its new sound for any other suffix; ``plan`` as in `mux`. Raises VsrError.

    The metadata say that the voice is synthetic, as far as the container has any.
    """
    if Path(out).suffix.lower() == ".wav":
        write_wave(out, spoken.wave, SYNTHETIC)
    else:
        mux(video, spoken.wave, out, plan, SYNTHETIC)
