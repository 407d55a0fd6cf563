"""Synthesise a list of clips to files: wave, mel and units of each; files made from the same inputs are kept.

Shapes: T video frames; mel (1, 4T, 80), units (1, 2T), wave (640 T,).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.list_voicing import ListVoicing
from lip2speech.inference.mismatched_words import with_other_words
from lip2speech.inference.output_fingerprints import ListFingerprints, outdated_clips, output_names
from lip2speech.inference.sound_conditions import check_takes_sound
from lip2speech.inference.synthesis_options import MANIFEST, OTHER, SynthesisOptions
from lip2speech.inference.vocoding import check_finite
from lip2speech.models.voice import Speech
from vsr.core.clock import MELS_PER_FRAME
from vsr.core.errors import VsrError, cause_of
from vsr.core.files import atomic_write
from vsr.core.progress import count_items
from vsr.data.manifest import Clip
from vsr.media.audio import write_wave

PROTOCOLS = ("cross", "self", "vision")


def synthesize_list(
    loaded: LoadedVoice, clips: list[Clip], features: str | Path, out_dir: str | Path, options: SynthesisOptions
) -> int:
    """Write ID.wav and ID.safetensors (mel, units) of every clip without up-to-date files; returns how many.

    What is kept and what is made again is printed on stderr. Raises VsrError exists for a file of another origin,
    bad_manifest where text is to come from a manifest without word times.
    """
    if options.text == OTHER:
        clips, options = with_other_words(clips), replace(options, text=MANIFEST)
    if options.text == MANIFEST and not options.copy and not any(clip.words for clip in clips):
        problem = "no clip has times of words, which --text manifest would give the voice"
        raise VsrError("bad_manifest", f"{problem}: use --text read or none")
    if options.noisy:
        check_takes_sound(loaded)
    if options.rounds is not None:
        loaded.vocoder.rounds = options.rounds
    sources = ListFingerprints(loaded, clips, features, options).by_clip()
    todo, ledger = outdated_clips(out_dir, clips, sources)
    voiced = ListVoicing(loaded, options).voiced_clips(clips, todo, features) if todo else iter(())
    for clip, speech, wave in count_items(voiced, "synthesis", len(clips), len(clips) - len(todo)):
        check_finite(wave, clip.id)
        save_speech(out_dir, clip, speech)
        write_wave(ledger.folder / f"{clip.id}.wav", wave.numpy())
        for name in output_names(clip):
            ledger.add(name, sources[clip.id])
    return len(todo)


def save_speech(folder: str | Path, clip: Clip, speech: Speech) -> None:
    """Write one clip's mel (1, 4T, 80) and units (1, 2T) to ID.safetensors, atomically."""
    from safetensors.torch import save_file

    tensors = {"mel": speech.mel.contiguous(), "units": speech.units.to(torch.int16).contiguous()}
    with atomic_write(Path(folder) / f"{clip.id}.safetensors") as temporary:
        save_file(tensors, str(temporary))


def load_speech(folder: str | Path, clip: Clip) -> Speech:
    """Read the file that `save_speech` wrote. Raises VsrError bad_features."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / f"{clip.id}.safetensors"
    try:
        stored = load_file(str(path))
        speech = Speech(stored["mel"], stored["units"].long())
    except (OSError, KeyError, SafetensorError) as error:
        problem = f"{path} cannot be read ({cause_of(error)}): run lip2speech synthesize"
        raise VsrError("bad_features", problem) from error
    if speech.mel.shape[1] != clip.num_frames * MELS_PER_FRAME or not speech.mel.isfinite().all():
        raise VsrError("bad_features", f"{path} does not fit its clip or is not finite: delete it and run again")
    return speech
