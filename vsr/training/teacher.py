"""Frozen audio teachers: a model of this project, a speech foundation model, or Whisper in CTranslate2 format.

Shapes: T video frames, N states per frame, W width of the teacher, U tokens, V vocabulary; wave (640 T,).
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
    """A teacher with its name and the files (name -> identity) that identify it."""

    name: str
    files: dict[str, dict]

    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """Target arrays of a clip (`vsr.data.teacher_targets`), and notes on them."""
        ...


class ReaderTeacher:
    """A model of this project that reads sound. Raises VsrError bad_options for one that does not."""

    def __init__(self, folder: str | Path):
        self.loaded = load_model(folder)
        if SOUND not in modalities_of(self.loaded):
            chosen_modality(self.loaded, SOUND)
        self.name, self.files = self.loaded.name, identify_folder(self.loaded.folder)

    @torch.inference_mode()
    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 1, W), and the outputs of the heads."""
        model, tokenizer = self.loaded.model, self.loaded.tokenizer
        lengths = torch.tensor([len(wave) // SAMPLES_PER_FRAME])
        states = encode(self.loaded, {SOUND: sound_of(self.loaded, [wave])}, lengths)
        arrays, about = {STATES: states[0, :, None]}, {"text": text, "units": units_of(tokenizer)}
        if model.ctc is not None:
            arrays[CTC] = model.ctc_log_probs(states)[0]
        if model.decoder is not None:
            best = model.decoder.search(states, lengths)[0]
            decoded = list(best[0].tokens) if best else []
            arrays |= decoder_arrays(model, states, lengths, tokenizer.encode(text), decoded)
            about["heard"] = tokenizer.decode(decoded)
        return {name: _plain(values) for name, values in arrays.items()}, about


def decoder_arrays(
    model: torch.nn.Module, states: Tensor, lengths: Tensor, reference: list[int], recognised: list[int]
) -> dict[str, Tensor]:
    """``context``, ``attention`` and ``common`` of one clip, with teacher forcing on the tokens ``reference`` (U,)."""
    tokens_in, _ = shift_tokens(torch.tensor([reference], dtype=torch.long), model.decoder.embed.num_embeddings - 1)
    with outputs(model, [CONTEXT_PLACE]) as captured:
        logits = model.decoder(tokens_in, states, lengths)
    common = torch.full((len(reference) + 1,), IGNORE)
    common[[place for _, place in common_places(recognised, reference)]] = 1
    return {CONTEXT: captured[CONTEXT_PLACE][0], ATTENTION: logits[0].log_softmax(-1), COMMON: common}


class FoundationTeacher:
    """wav2vec 2.0, HuBERT or Whisper's encoder from a folder of the transformers library. Raises VsrError bad_model."""

    def __init__(self, folder: str | Path, layer: int = -1):
        try:
            settings = FoundationSettings(str(folder), layer)
        except ValueError as error:
            raise VsrError("bad_model", str(error)) from error
        self.model = settings.build(2).eval()  # the width given here is not used
        load_pretrained(self.model, folder)
        self.name = Path(folder).resolve().name
        self.files = identify_folder(folder)
        if layer != -1:
            self.name += f", layer {layer}"

    @torch.inference_mode()
    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 2, W)."""
        states = self.model.states(torch.from_numpy(np.array(wave, np.float32)))
        return {STATES: _plain(states.unflatten(0, (-1, UNITS_PER_FRAME)))}, {}


class WhisperTeacher:
    """Whisper from a folder of CTranslate2. Raises VsrError bad_asr, missing_package."""

    def __init__(self, folder: str | Path):
        self.model = FasterWhisper(folder)
        self.name, self.files = self.model.name, identify_folder(folder, (WEIGHTS, "config.json"))

    def hear(self, wave: np.ndarray, text: str) -> tuple[Arrays, dict[str, str]]:
        """``states`` (T, 2, W) of the encoder, for clips of at most 30 s. Raises VsrError bad_manifest for longer
        clips."""
        frames = len(wave) // SAMPLES_PER_FRAME
        states = self.model.states(wave)
        if len(states) < frames * UNITS_PER_FRAME:
            raise VsrError("bad_manifest", f"a clip of {frames} frames: Whisper hears 30 s at once")
        states = states[: frames * UNITS_PER_FRAME]
        return {STATES: states.reshape(frames, UNITS_PER_FRAME, -1).astype(np.float16)}, {}


def open_teacher(name: str, layer: int = -1) -> SoundTeacher:
    """The teacher in a folder, or a model by its name. Raises VsrError as its class does, and bad_config for a
    ``layer`` of a teacher without that choice."""
    folder = Path(name)
    if _model_type(folder) in KINDS:
        return FoundationTeacher(folder, layer)
    if layer != -1:
        raise VsrError("bad_options", f"--layer is for models of the transformers library, and {name} is none")
    if (folder / WEIGHTS).is_file():
        return WhisperTeacher(folder)
    return ReaderTeacher(find_model(name))


def _model_type(folder: Path) -> str:
    """The model type of the transformers library in a folder; "" for any other folder."""
    if not (folder / "config.json").is_file() or (folder / WEIGHTS).is_file():
        return ""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def _plain(values: Tensor) -> np.ndarray:
    """Values as stored: half precision, or 8 bits for integers."""
    stored = values.half() if values.is_floating_point() else values.to(torch.int8)
    return stored.contiguous().numpy()
