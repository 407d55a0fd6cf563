"""Dry runs of acoustic and token models: describe a configuration without data; see `vsr.training.dry_run`."""

from __future__ import annotations

from collections.abc import Iterator

from lip2speech.models.token_model import TokenModel
from lip2speech.models.voice import Voice
from lip2speech.models.voice_config import VoiceConfig, reader_settings
from lip2speech.training.acoustic import VoiceTrainConfig
from lip2speech.training.tokens import TokenTrainConfig, acoustic_of
from vsr.models.lipreader import LipReaderConfig
from vsr.modelstore.checkpoint import read_config, stored_settings
from vsr.modelstore.folder import load_model, pixel_reader
from vsr.text.tokenizer import CharTokenizer
from vsr.training.dry_run import is_future_path, on_meta, parameters, part_lines, run_lines


def voice_lines(config: VoiceTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech train`. Raises VsrError."""
    reader, note = reader_of(config)
    sizes = config.model_config(reader_settings(reader), int(config.model.get("units", VoiceConfig.units)))
    model = on_meta(Voice, sizes)
    trained = parameters(model) - (parameters(model.reader) if sizes.encoder == "frozen" else 0)
    yield f"model: {parameters(model):,} parameters, of which {trained:,} are trained; lip reader: {note}"
    yield from part_lines(model)
    yield "learns from:"
    yield from (f"  {line}" for line in losses_of(sizes))
    yield from (f"  condition {name}: {settings.get('kind', '?')}" for name, settings in sizes.conditions.items())
    yield from run_lines(config.data, config.optim, config.trainer)


def token_lines(config: TokenTrainConfig) -> Iterator[str]:
    """Lines of a dry run of `lip2speech train` for a token model. Raises VsrError."""
    name = config.data.voice
    if is_future_path(name):
        voice, note = VoiceConfig(), f"{name} is not made yet: the usual sizes are assumed"
    else:
        voice, note = stored_settings(acoustic_of(name), read_config(acoustic_of(name)), VoiceConfig), name or "shipped"
    sizes = config.model_config(voice)
    model = on_meta(TokenModel, sizes)
    yield f"model: {parameters(model):,} parameters, all of which are trained; voice: {note}"
    yield from part_lines(model)
    yield "learns from:"
    yield f"  {sizes.books} books of {sizes.size} codes, 50 steps a second, by {sizes.generator.get('kind')}, weight 1"
    yield from run_lines(config.data, config.optim, config.trainer)


def reader_of(config: VoiceTrainConfig) -> tuple[LipReaderConfig, str]:
    """The configuration of the lip reader to start from, and its source; default sizes where it does not exist yet."""
    name = config.data.reader
    if is_future_path(name):
        return LipReaderConfig(CharTokenizer().vocab_size), f"{name} is not made yet: the usual sizes are assumed"
    return pixel_reader(load_model(name or None).model).config, name or "the one that ships"


def losses_of(c: VoiceConfig) -> Iterator[str]:
    """A description of each loss with its weight."""
    yield f"flow of the log-mel ({c.target}), weight 1"
    yield f"coarse log-mel, weight {c.mel_weight:g}"
    if c.units and c.unit_weight:
        yield f"{c.units} speech units, weight {c.unit_weight:g}"
    if c.text_weight and c.encoder != "frozen":
        yield f"text by the lip reader's heads, weight {c.text_weight:g}"
    if c.envelope_weight:
        yield f"correlation of band envelopes, weight {c.envelope_weight:g}"
