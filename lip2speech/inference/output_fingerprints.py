"""Fingerprints of a list's synthesised clips: the inputs of each, so that stale outputs are made again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lip2speech.inference.folder import LISTENER, LoadedVoice
from lip2speech.inference.synthesis_options import NONE, READ, READ_ALL, SynthesisOptions
from lip2speech.inference.text import text_of
from vsr.core.artifacts import KEPT, NEW, Ledger, digest_of, identify, identify_folder, print_states
from vsr.core.errors import VsrError
from vsr.core.one_output import check_ids
from vsr.data.manifest import Clip

PULLING = 3  # version of the pull towards text, raised likewise
VERSION = 1  # version of voicing a list: raised whenever the same models give another sound


class ListFingerprints:
    """The models, options, features and crops of a list."""

    def __init__(self, loaded: LoadedVoice, clips: Sequence[Clip], features: str | Path, options: SynthesisOptions):
        self.clips, self.features, self.options = clips, Path(features), options
        self.common = {
            "vocoder": identify_folder(loaded.parts[1]), "rounds": loaded.vocoder.rounds, "copy": options.copy,
            "protocol": options.protocol, "way of voicing": VERSION,
        }  # fmt: skip
        if not options.copy:
            self.common |= {"acoustic model": identify_folder(loaded.parts[0]), "flow": asdict(options.flow)}
            if tokens := loaded.made_by:
                self.common["tokens"] = tokens
            self.common["text"] = text = text_of(loaded, options)
            if options.noisy:
                self.common["noisy"] = options.noisy
            if text != NONE and loaded.has_listener:
                self.common |= {"listener": identify_folder(loaded.parts[0] / LISTENER), "way of pulling": PULLING}
            if text in (READ, READ_ALL):
                self.common["lip reader"] = identify_folder(loaded.reader.folder)

    def by_clip(self) -> dict[str, dict]:
        """Clip id -> the inputs of its voice. Its speaker embedding may come from any of the speaker's clips in the
        list, so their features count, too."""
        features = {clip.id: identify(self.features / f"{clip.id}.safetensors") for clip in self.clips}
        speakers: dict[str, list] = {}
        for clip in self.clips:
            speakers.setdefault(clip.speaker, []).append([clip.id, features[clip.id]])
        lists = {speaker: digest_of(clips) for speaker, clips in speakers.items()}
        return {
            clip.id: self._of(clip, features[clip.id], [lists[clip.speaker], index])
            for index, clip in enumerate(self.clips)
        }

    def _of(self, clip: Clip, features: dict, lender: list) -> dict:
        """The inputs of one clip. ``lender``: what decides which clip lends its voice: the digest of the speaker's
        clips and the index in the list."""
        inputs = {"features": features} | self.common
        if self.common.get("text") == "manifest":
            inputs["words"] = [list(word) for word in clip.words]
        if self.common.get("text") in (READ, READ_ALL) and clip.track:
            inputs["track"] = identify(clip.track)
        if self.options.noisy:
            inputs["recording"] = [identify(clip.video), clip.start, clip.end]
        if self.options.protocol == "cross":
            inputs["speaker's clips"] = lender
        return inputs if self.options.copy else inputs | {"crop": identify(clip.crop)}


def output_names(clip: Clip) -> tuple[str, str]:
    """The names of a clip's output files."""
    return f"{clip.id}.wav", f"{clip.id}.safetensors"


def outdated_clips(
    out_dir: str | Path, clips: Sequence[Clip], fingerprints: dict[str, dict]
) -> tuple[list[Clip], Ledger]:
    """The clips without up-to-date files, and the folder's ledger; reports on the others. Raises VsrError."""
    check_ids((clip.id for clip in clips), out_dir)
    ledger, states = Ledger(out_dir), {}
    for clip in clips:
        file_states = [ledger.state(name, fingerprints[clip.id]) for name in output_names(clip)]
        states[clip.id] = next(
            (state for state in file_states if state not in (KEPT, NEW)), NEW if NEW in file_states else KEPT
        )
        _check_synthesised_here(ledger, clip)
    print_states(states.values(), "voices")
    ledger.refresh()
    return [clip for clip in clips if states[clip.id] != KEPT], ledger


def _check_synthesised_here(ledger: Ledger, clip: Clip) -> None:
    """Refuse to overwrite files of the same names that were not synthesised here. Raises VsrError exists."""
    from safetensors import SafetensorError, safe_open

    wave, speech = (ledger.folder / name for name in output_names(clip))
    if "way of voicing" in ledger.inputs(speech.name) or not (wave.exists() or speech.exists()):
        return
    try:
        with safe_open(str(speech), framework="pt") as stored:
            ours = set(stored.keys()) == {"mel", "units"}
    except (OSError, SafetensorError):
        ours = not os.path.exists(wave)
    if not ours:
        raise VsrError("exists", f"{wave} exists and was not made by lip2speech synthesize: choose another --out")
