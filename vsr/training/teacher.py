"""Frozen audio teachers: an acoustic reader, a speech foundation model, or a Whisper in CTranslate2 format.

Shapes: T video frames, N states for each of them, W width of the teacher, U tokens, V vocabulary; wave (640 T,).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vsr.core.artifacts import identify_folder
from vsr.core.clock import SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.modalities import SOUND
from vsr.data.teacher_targets import ATTENTION, COMMON, CONTEXT, CTC, STATES, units_of
from vsr.decoding.encoding import chosen_modality, encode, modalities_of, sound_of
from vsr.media.whisper import WEIGHTS, FasterWhisper
from vsr.models.foundation import KINDS, FoundationSettings, load_pretrained
from vsr.models.outputs import CONTEXT as CONTEXT_PLACE
from vsr.models.outputs import outputs
from vsr.models.targets import shift_tokens
from vsr.modelstore.folder import find_model, load_model
from vsr.text.common_subsequence import common_places

Arrays = dict[str, np.ndarray]


class SoundTeacher(Protocol):
    """name, and files (name -> identity) that say which it is."""

    name: str
    files: dict[str, dict]

    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """A clip's arrays (`vsr.data.teacher_targets`), and what is said of them."""
        ...


class ReaderTeacher:
    """A model folder of this project that hears. Raises VsrError bad_config where it does not."""

    def __init__(self, folder: str | Path):
        self.loaded = load_model(folder)
        if SOUND not in modalities_of(self.loaded):
            chosen_modality(self.loaded, SOUND)
        self.name, self.files = self.loaded.name, identify_folder(self.loaded.folder)

    @torch.inference_mode()
    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 1, W), and what the heads make of them."""
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        lengths = torch.tensor([len(wave) // SAMPLES_PER_FRAME])
        states = encode(self.loaded, {SOUND: sound_of(self.loaded, [wave])}, lengths)
        found, about = {STATES: states[0, :, None]}, {"text": text, "units": units_of(tokenizer)}
        if model.ctc is not None:
            found[CTC] = model.ctc_log_probs(states)[0]
        if model.decoder is not None:
            best = model.decoder.search(states, lengths)[0]
            heard = list(best[0].tokens) if best else []
            found |= decoder_arrays(model, states, lengths, tokenizer.encode(text), heard)
            about["heard"] = tokenizer.decode(heard)
        return {name: _plain(own) for name, own in found.items()}, about


def decoder_arrays(
    model: torch.nn.Module, states: Tensor, lengths: Tensor, said: list[int], heard: list[int]
) -> dict[str, Tensor]:
    """``context``, ``attention`` and ``common`` of one clip whose decoder is shown the tokens ``said`` (U,)."""
    tokens_in, _ = shift_tokens(torch.tensor([said], dtype=torch.long), model.decoder.embed.num_embeddings - 1)
    with outputs(model, [CONTEXT_PLACE]) as given:
        logits = model.decoder(tokens_in, states, lengths)
    common = torch.full((len(said) + 1,), IGNORE)
    common[[place for _, place in common_places(heard, said)]] = 1
    return {CONTEXT: given[CONTEXT_PLACE][0], ATTENTION: logits[0].log_softmax(-1), COMMON: common}


class FoundationTeacher:
    """wav2vec 2.0, HuBERT or Whisper's encoder from a folder of the transformers library. Raises VsrError bad_model."""

    def __init__(self, folder: str | Path, layer: int = -1):
        try:
            settings = FoundationSettings(str(folder), layer)
        except ValueError as error:
            raise VsrError("bad_model", str(error)) from error
        self.model = settings.build(2).eval()  # of its width here nothing is used
        load_pretrained(self.model, folder)
        self.name = Path(folder).resolve().name
        self.files = identify_folder(folder)
        if layer != -1:
            self.name += f", layer {layer}"

    @torch.inference_mode()
    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 2, W)."""
        found = self.model.states(torch.from_numpy(np.array(wave, np.float32)))
        return {STATES: _plain(found.unflatten(0, (-1, UNITS_PER_FRAME)))}, {}


class WhisperTeacher:
    """Whisper from a folder of CTranslate2. Raises VsrError bad_asr, missing_package."""

    def __init__(self, folder: str | Path):
        self.model = FasterWhisper(folder)
        self.name, self.files = self.model.name, identify_folder(folder, (WEIGHTS, "config.json"))

    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 2, W) of the encoder, of clips of at most 30 s. Raises VsrError bad_manifest for longer
        ones."""
        frames = len(wave) // SAMPLES_PER_FRAME
        states = self.model.states(wave)
        if len(states) < frames * UNITS_PER_FRAME:
            raise VsrError("bad_manifest", f"a clip of {frames} frames: Whisper hears 30 s at once")
        states = states[: frames * UNITS_PER_FRAME]
        return {STATES: states.reshape(frames, UNITS_PER_FRAME, -1).astype(np.float16)}, {}


def open_teacher(name: str, layer: int = -1) -> SoundTeacher:
    """The teacher in a folder, or a model by its name. Raises VsrError as its class, and bad_config for a ``layer`` of
    one that has no choice."""
    folder = Path(name)
    if _model_type(folder) in KINDS:
        return FoundationTeacher(folder, layer)
    if layer != -1:
        raise VsrError("bad_config", f"--layer is for models of the transformers library, and {name} is none")
    if (folder / WEIGHTS).is_file():
        return WhisperTeacher(folder)
    return ReaderTeacher(find_model(name))


def _model_type(folder: Path) -> str:
    """What the transformers library calls the model in a folder; "" for another folder."""
    if not (folder / "config.json").is_file() or (folder / WEIGHTS).is_file():
        return ""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("model_type", "")) if isinstance(found, dict) else ""


def _plain(values: Tensor) -> np.ndarray:
    """As it is stored: half precision, whole numbers of 8 bits."""
    kept = values.half() if values.is_floating_point() else values.to(torch.int8)
    return kept.contiguous().numpy()
