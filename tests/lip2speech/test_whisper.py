"""The recogniser Whisper: a tiny model of the real class, random weights, multilingual like the published ones."""

import json

import numpy as np
import pytest
import torch

from lip2speech.evaluation.asr_scorers import open_scorer
from vsr.core.errors import VsrError

TASKS = ("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
LANGUAGES = ("<|en|>", "<|cy|>", "<|nn|>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Whisper model on disk with tokens laid out like the published ones: bytes, tasks, languages, time stamps."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer

    folder = tmp_path_factory.mktemp("whisper")
    letters = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    (folder / "vocab.json").write_text(json.dumps(letters), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    special = ["<|endoftext|>", "<|startoftranscript|>", *LANGUAGES, *TASKS]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens([f"<|{n * 0.02:.2f}|>" for n in range(1501)])
    tiny_whisper(len(tokenizer), tokenizer.convert_tokens_to_ids).save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def tiny_whisper(size, number):
    """The model; ``number`` gives the id of a token."""
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(0)
    end, start = number("<|endoftext|>"), number("<|startoftranscript|>")
    ends = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": end, "decoder_start_token_id": start}
    config = WhisperConfig(
        vocab_size=size, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=32, **ends,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=True, lang_to_id={name: number(name) for name in LANGUAGES},
        task_to_id={"transcribe": number("<|transcribe|>"), "translate": number("<|translate|>")},
        no_timestamps_token_id=number("<|notimestamps|>"), prev_sot_token_id=number("<|startofprev|>"),
        max_length=16, return_timestamps=False, **ends,
    )  # fmt: skip
    return model


def prompts(recogniser, monkeypatch):
    """The list that gets the ids of the decoder's first call, for each transcription."""
    decoder, prompts_seen = recogniser._recognise.model.model.decoder, []
    original = decoder.forward

    def forward(input_ids=None, **others):
        prompts_seen.append(input_ids[0].tolist())
        return original(input_ids=input_ids, **others)

    monkeypatch.setattr(decoder, "forward", forward)
    return prompts_seen


def test_whisper_is_told_the_language(folder, voice_like, monkeypatch):
    recogniser = open_scorer(f"whisper:{folder}")
    number = recogniser._recognise.tokenizer.convert_tokens_to_ids
    prompt_ids = prompts(recogniser, monkeypatch)
    transcript = recogniser.transcribe(voice_like)
    start = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    assert prompt_ids[0] == [number(token) for token in start], "no guess of the language comes first"
    assert transcript == transcript.strip().lower() and recogniser.transcribe(voice_like) == transcript


def test_whisper_hears_more_than_its_window(folder, voice_like, monkeypatch):
    recogniser = open_scorer(f"whisper:{folder}")
    encoder, inputs_seen = recogniser._recognise.model.model.encoder, []
    original = encoder.forward

    def forward(input_features, **others):
        inputs_seen.append(tuple(input_features.flatten()[::97].tolist()))
        return original(input_features, **others)

    monkeypatch.setattr(encoder, "forward", forward)
    recogniser.transcribe(np.tile(voice_like, 11))
    assert len(set(inputs_seen)) > 1, "what comes after 30 s is encoded too"


def test_wrong_kind_of_recogniser_is_named(folder):
    with pytest.raises(VsrError, match="holds a whisper model, not wav2vec2"):
        open_scorer(f"wav2vec2:{folder}")
