"""Make golden/cogenav_reader.json with the real peers: `python golden_cogenav_reader.py COGENAV FAIRSEQ`.

Both are folders as for `golden_cogenav.py`; openai-whisper must be installed. CoGenAV's own modules and forward pass of
Whisper's encoder, OpenAI's Whisper and OpenAI's beam search compute every number, with small widths and with weights by
`formula.fill`. Whisper's vocabulary is too small for its tokenizer: the search is told the tokens.
"""

import argparse
import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from formula import as_one, sound, video, weights
from golden_auto_avsr import fill_by_formula, rounded, write
from golden_cogenav import DIM, HEADS, build
from torch.nn import functional as F

WINDOW, LAYERS, VOCABULARY, POSITIONS = 12, 2, 40, 16  # frames, layers of Whisper, tokens, positions of its decoder
BLACK = -0.421 / 0.165
BEGIN, END, BANNED, NOT_FIRST = (2, 3), 0, [2, 3, 7], 5
CLIPS = (("video", 9), ("sound", 4), ("both", 9), ("both", 4))
TEXT = (11, 30, 5, 11)
SIZES = {
    "model_type": "whisper", "d_model": DIM, "encoder_layers": LAYERS, "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS, "encoder_ffn_dim": 4 * DIM,
    "decoder_ffn_dim": 4 * DIM, "num_mel_bins": 80, "max_source_positions": 2 * WINDOW,
    "max_target_positions": POSITIONS, "vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": 2,
    "eos_token_id": END, "decoder_start_token_id": 2, "suppress_tokens": BANNED,
    "begin_suppress_tokens": [NOT_FIRST, END],
}  # fmt: skip
RENAMED = (
    ("model.", ""), ("encoder_attn_layer_norm", "cross_attn_ln"), ("encoder_attn", "cross_attn"),
    ("self_attn_layer_norm", "attn_ln"), ("self_attn", "attn"), ("final_layer_norm", "mlp_ln"), ("layers.", "blocks."),
    ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out"), ("fc1", "mlp.0"),
    ("fc2", "mlp.2"), ("encoder.layer_norm", "encoder.ln_post"), ("decoder.layer_norm", "decoder.ln"),
    ("embed_tokens", "token_embedding"), ("embed_positions.weight", "positional_embedding"),
)  # fmt: skip


def whisper_names():
    """The shapes of the Whisper by their names in transformers, as in a folder."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    sizes = {name: value for name, value in SIZES.items() if name not in ("model_type", "suppress_tokens")}
    sizes.pop("begin_suppress_tokens")
    model = WhisperForConditionalGeneration(WhisperConfig(**sizes))
    return {name: list(value.shape) for name, value in model.state_dict().items() if name != "proj_out.weight"}


def openai_name(name):
    """OpenAI's name of a tensor of transformers."""
    for theirs, openai in RENAMED:
        name = name.replace(theirs, openai)
    return name


def whisper_of(shapes, cogenav, checkout):
    """OpenAI's Whisper with the same weights, and with CoGenAV's adapter and forward pass of the encoder."""
    from whisper.model import AudioEncoder, ModelDimensions, Whisper

    source = ast.parse((Path(checkout) / "infer_vsr_avsr.py").read_text())
    functions = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "cogenav_forward"]
    namespace = {"F": F}
    exec(compile(ast.Module(functions, []), "infer_vsr_avsr.py", "exec"), namespace)
    AudioEncoder.forward = namespace["cogenav_forward"]
    text = (VOCABULARY, POSITIONS, DIM, HEADS, LAYERS)
    whisper = Whisper(ModelDimensions(80, 2 * WINDOW, DIM, HEADS, LAYERS, *text)).eval()
    filled = {openai_name(name): tensor for name, tensor in weights(shapes).items()}
    lacking = whisper.load_state_dict(filled, strict=False)
    assert not lacking.unexpected_keys and all("mask" in name for name in lacking.missing_keys), lacking
    whisper.encoder.adapter = cogenav.adapter
    return whisper


def mel(frames):
    """Whisper's log-mel (1, 80, 4 WINDOW): of 30 s, cut to the window."""
    from transformers import WhisperFeatureExtractor

    wave = sound(frames).flatten().numpy()
    features = WhisperFeatureExtractor()(wave, sampling_rate=16000, return_tensors="pt").input_features
    return features[..., : 4 * WINDOW]


def search(whisper, heard):
    """All texts of OpenAI's beam search with their scores, in the order of its ranking."""
    from whisper.decoding import (
        BeamSearchDecoder,
        DecodingTask,
        MaximumLikelihoodRanker,
        PyTorchInference,
        SuppressBlank,
        SuppressTokens,
    )

    task = DecodingTask.__new__(DecodingTask)
    task.tokenizer = SimpleNamespace(encode=lambda text: [NOT_FIRST], eot=END, no_speech=None)
    task.n_ctx, task.sample_len, task.sample_begin = POSITIONS, POSITIONS // 2, len(BEGIN)
    task.inference = PyTorchInference(whisper, len(BEGIN))
    task.decoder = BeamSearchDecoder(3, END, task.inference, 2.0)
    task.logit_filters = [SuppressBlank(task.tokenizer, task.sample_begin), SuppressTokens(BANNED)]
    tokens, sums, _ = task._main_loop(heard.expand(3, -1, -1), torch.tensor([BEGIN] * 3))
    ((beams,), (scores,)) = task.decoder.finalize(tokens[None], sums[None])
    texts = [candidate[len(BEGIN) :].tolist() for candidate in beams]
    texts = [candidate[: candidate.index(END)] for candidate in texts]
    ranker, ranked = MaximumLikelihoodRanker(None), []
    remaining = list(zip(texts, scores, strict=True))
    while remaining:
        (best,) = ranker.rank(
            [[torch.tensor(candidate) for candidate, _ in remaining]], [[score for _, score in remaining]]
        )
        ranked.append(remaining.pop(int(best)))
    return [{"tokens": candidate, "score": round(score, 6)} for candidate, score in ranked]


@torch.no_grad()
def record(model, whisper, modality, frames):
    """What the peers compute from one clip."""
    lips = F.pad(video(frames), (0, 0) * 3 + (0, WINDOW - frames), value=BLACK).permute(0, 3, 4, 2, 1)
    inputs = {"video": (lips, None), "sound": (None, mel(frames)), "both": (lips, mel(frames))}[modality]
    adapted = whisper.encoder(model(*inputs).permute(0, 2, 1))
    logits = whisper.decoder(torch.tensor([[*BEGIN, *TEXT]]), adapted)[:, len(BEGIN) - 1 :]
    states = model(*inputs, use_upsampler=False)
    values = rounded({"states": states, "heard": adapted, "decoder": logits.log_softmax(-1)})
    return {"modality": modality, "frames": frames, **values, "found": search(whisper, adapted)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cogenav")
    parser.add_argument("fairseq")
    args = parser.parse_args()
    sys.path[:0] = [args.cogenav, args.fairseq]
    model, whispers = build(), whisper_names()
    shapes = fill_by_formula(model)
    model.load_state_dict(as_one(weights(shapes), "adapter.layers.0.ffn.", "adapter.layers.{}.ffn."))
    whisper = whisper_of(whispers, model, args.cogenav)
    records = [record(model, whisper, *clip) for clip in CLIPS]
    write("cogenav_reader.json", shapes, records, head=DIM // HEADS, whisper=whispers, sizes=SIZES,
          begin=BEGIN, text=TEXT)  # fmt: skip


if __name__ == "__main__":
    main()
