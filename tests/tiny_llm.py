"""A tiny language model of the real class with a tokenizer of characters, as a folder of safetensors."""

import torch

SIZES = {
    "model_type": "llama", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128,
}  # fmt: skip
LETTERS = "<?\n>| .'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def save_tiny_llm(folder, seed=0):
    """Write it; returns the folder as text."""
    import tokenizers
    import transformers

    torch.manual_seed(seed)
    letters = {letter: index for index, letter in enumerate(LETTERS)}
    characters = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="?"))
    characters.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=characters, bos_token="<", eos_token="<", unk_token="?"
    )
    sizes = {key: value for key, value in SIZES.items() if key != "model_type"}
    config = transformers.LlamaConfig(vocab_size=len(letters), bos_token_id=0, eos_token_id=0, **sizes)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("license: mit\n", "utf-8")
    return str(folder)


WHISPER = {
    "model_type": "whisper", "d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "num_mel_bins": 80,
    "max_target_positions": 64, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 2,
    "vocab_size": len(LETTERS), "suppress_tokens": [], "begin_suppress_tokens": [],
}  # fmt: skip


def save_tiny_whisper(folder, seed=0, prompt=(), **sizes):
    """A tiny Whisper of the real class with a tokenizer of characters, and of the tokens of a ``prompt``; returns the
    folder as text."""
    import transformers

    torch.manual_seed(seed)
    sizes = WHISPER | {"vocab_size": len(LETTERS) + len(prompt)} | sizes
    sizes.pop("model_type")
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**sizes))
    model.save_pretrained(folder)
    save_letters(folder, prompt=prompt)
    return str(folder)


def save_letters(folder, count=None, prompt=()):
    """A tokenizer of the first ``count`` characters, or of all, and of the tokens of a ``prompt``."""
    import tokenizers
    import transformers

    letters = {letter: index for index, letter in enumerate(LETTERS[:count])}
    characters = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="?"))
    characters.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=characters, eos_token="<", unk_token="?")
    tokenizer.add_tokens(list(prompt), special_tokens=True)
    tokenizer.save_pretrained(folder)
