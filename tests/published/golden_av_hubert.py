"""Make golden/av_hubert.json with the real peer: `python golden_av_hubert.py AV_HUBERT FAIRSEQ`.

Both are folders with the repositories, fairseq at the commit that AV-HuBERT names (afc77bd). AV-HuBERT's own modules
compute every number, with small widths and with weights by `formula.fill`; features of sound come from a file by its
dataset and python_speech_features 0.6. Both repositories are of 2021: lines that Python or NumPy refuse (mutable
defaults of dataclasses, `np.float`) must be changed in the copies.
"""

import argparse
import math
import sys
import tempfile
import wave
from types import ModuleType, SimpleNamespace

import torch
from formula import samples, video
from golden_auto_avsr import FRAMES, WIDTH, fill_by_formula, rounded, small_front_end, write
from torch import nn

DIM, HEADS, DECODER_HEADS, HIDDEN, LAYERS, SOUND = 16, 2, 4, 20, 2, 104
PIECES = ("▁a", "b", "c", "d", "e", "f", "g")
SEARCH = {"beam": 4, "method": "attention"}  # its conf/s2s_decode.yaml, narrower; never the unknown token
SCALED = {8: 0.3, 2: 1.5}  # rows of the embedding in the search, so that some texts end early
TOKENS = ((2, 5, 7, 10), (2, 4), (2, 8, 8, 3, 6, 9))  # fairseq's ids: they begin with its end symbol, 2


def build():
    """A fine-tuned model of small sizes."""
    from avhubert.decoder import TransformerDecoder
    from avhubert.hubert import AVHubertConfig, AVHubertModel
    from avhubert.hubert_asr import AVHubertSeq2Seq, AVHubertSeq2SeqConfig, Embedding, HubertEncoderWrapper
    from fairseq.data import Dictionary

    # settings that the published models share, see conf/pretrain and conf/finetune
    config = AVHubertConfig(
        label_rate=25, input_modality="image", encoder_layers=LAYERS, encoder_embed_dim=DIM,
        encoder_ffn_embed_dim=HIDDEN, encoder_attention_heads=HEADS, layer_norm_first=True, modality_fuse="concat",
        audio_feat_dim=SOUND, final_dim=4, untie_final_proj=True,
    )  # fmt: skip
    encoder = AVHubertModel(config, SimpleNamespace(sample_rate=25), [Dictionary()])
    small_front_end(encoder.feature_extractor_video.resnet)
    encoder.feature_extractor_video.proj = nn.Linear(8 * WIDTH, DIM)
    encoder.remove_pretraining_modules()
    dictionary = Dictionary()
    for piece in PIECES:
        dictionary.add_symbol(piece)
    tuned = AVHubertSeq2SeqConfig(
        decoder_embed_dim=DIM, decoder_ffn_embed_dim=HIDDEN, decoder_layers=LAYERS,
        decoder_attention_heads=DECODER_HEADS, decoder_normalize_before=True, share_decoder_input_output_embed=True,
    )  # fmt: skip
    decoder = TransformerDecoder(tuned, dictionary, Embedding(len(dictionary), DIM, dictionary.pad()))
    return AVHubertSeq2Seq(HubertEncoderWrapper(encoder), decoder, dictionary, tuned).eval(), dictionary


def heard(frames):
    """Its features of a sound of so many frames, (T, 104): read from a file, cut to the video and normalised."""
    from avhubert.hubert_dataset import AVHubertDataset

    reading = SimpleNamespace(modalities=["audio"], noise_prob=0.0, stack_order_audio=4)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        with wave.open(file.name, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16000)
            out.writeframes(samples(frames).tobytes())
        features = torch.from_numpy(AVHubertDataset.load_feature(reading, ("", file.name))[1][:frames])
    return nn.functional.layer_norm(features, features.shape[1:])


@torch.no_grad()
def record(model, frames, tokens, modality):
    """What the peer computes from one clip and one prefix."""
    lips = video(frames).transpose(1, 2)  # (1, 1, T, 88, 88)
    sound = heard(frames).t()[None]  # (1, 104, T)
    source = {"audio": None if modality == "video" else sound, "video": None if modality == "sound" else lips}
    out = model.encoder(source, None)
    tokens = torch.tensor([tokens])
    logits, _ = model.decoder(tokens, encoder_out=out)
    values = {"states": out["encoder_out"].transpose(0, 1), "decoder": logits.log_softmax(-1)}
    if modality == "video":
        values["front_end"] = model.encoder.w2v_model.forward_features(lips, "video").transpose(1, 2)
    if modality == "sound":
        values["features"] = heard(frames)[None]
    return {"frames": frames, "tokens": tokens[0].tolist(), **rounded(values)}


@torch.no_grad()
def search(model, dictionary, frames, modality):
    """The n-best of AV-HuBERT's own sequence generator."""
    from avhubert.sequence_generator import SequenceGenerator

    options = {"max_len_a": 1.0, "max_len_b": 0, "max_len": frames + 1, "len_penalty": 1.0, "unk_penalty": math.inf}
    generator = SequenceGenerator([model], dictionary, SEARCH["beam"], **options)
    lips = None if modality == "sound" else video(frames).transpose(1, 2)
    sound = None if modality == "video" else heard(frames).t()[None]
    padding = torch.zeros(1, frames, dtype=torch.bool)
    (hypotheses,) = generator.generate([model], {"net_input": {"source": {"audio": sound, "video": lips},
                                                         "padding_mask": padding}})  # fmt: skip
    return [{"tokens": h["tokens"].tolist()[:-1], "score": round(float(h["score"]), 6)} for h in hypotheses]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("av_hubert")
    parser.add_argument("fairseq")
    args = parser.parse_args()
    sys.path[:0] = [args.av_hubert, args.fairseq]
    sys.modules["editdistance"] = ModuleType("editdistance")  # its scoring needs it
    model, dictionary = build()
    shapes = fill_by_formula(model)
    records = {
        modality: [record(model, f, t, modality) for f, t in zip(FRAMES, TOKENS, strict=True)]
        for modality in ("video", "sound", "both")
    }
    for token, factor in SCALED.items():
        model.decoder.embed_tokens.weight.data[token] *= factor
    n_best = {
        modality: {str(frames): search(model, dictionary, frames, modality) for frames in (9, 14)}
        for modality in ("video", "both")
    }
    settings = {"encoder_attention_heads": HEADS, "decoder_attention_heads": DECODER_HEADS}
    write("av_hubert.json", shapes, records.pop("video"), symbols=dictionary.symbols, settings=settings, **records,
          search={"options": SEARCH, "scaled": list(SCALED.items()), "found": n_best})  # fmt: skip


if __name__ == "__main__":
    main()
