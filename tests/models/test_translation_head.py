"""A translation head: its own tokens and beam, targets from the manifest, also with mixed streams."""

from dataclasses import replace

import pytest
import torch

from tests.models.test_mixed_streams import SOUND, VIDEO, two_clips
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip
from vsr.data.targets import Teacher
from vsr.models.lipreader import LipReader, LipReaderConfig, further_heads_of, tokenizer_of_head
from vsr.models.registry import HEADS
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.mixspeech import by_lips, known_steps, mean_divergence, mixspeech
from vsr.text.tokenizer import CharTokenizer, WordTokenizer, train_tokenizer
from vsr.training.config import DataConfig, TrainConfig

PIECES = ("▁el", "▁perro", "▁rojo", "▁duerme")
HEAD = {"kind": "translation", "language": "es", "pieces": list(PIECES), "layers": 1, "heads": 2, "hidden": 32}
DOG = Clip("a", "a.mp4", "the red dog", language="en", translations={"es": "el perro rojo"})


def reader(head=HEAD, **frontend):
    torch.manual_seed(0)
    streams = {"frontend_settings": {"video": VIDEO, "sound": SOUND, "mix": {}}} if frontend else {}
    sizes = {"dim": 16, "heads": 2, "hidden": 32, "layers": 1, "dropout": 0.0, "decoder_layers": 0, "ctc_weight": 0.5}
    pixels = {"frontend_width": 16, "frontend_heads": 2, "frontend_layers": 1}
    front_end = {"frontend": "mixed_streams"} if frontend else pixels
    return LipReader(
        LipReaderConfig(9, **sizes, **front_end, **streams, alignment_weight=0.0, further_heads={"es": head})
    )


def with_translations(batch):
    """The batch with translations of 2 and 4 tokens."""
    return replace(batch, targets=batch.targets | {"es.tokens": torch.tensor([[2, 3, IGNORE, IGNORE], [5, 4, 3, 2]])})


def test_targets_are_those_of_the_language_and_not_of_the_text():
    teacher = Teacher(CharTokenizer(), further_heads_of(reader().config))
    targets = teacher(DOG, 9)
    assert targets["es.tokens"].values.tolist() == [2, 3, 4] and len(targets["tokens"].values) == len("the red dog")
    assert Teacher(CharTokenizer(), further_heads_of(reader().config))(
        replace(DOG, text="el perro", language="es", translations={}), 9
    )["es.tokens"].values.tolist() == [2, 3]
    with pytest.raises(VsrError, match="a has no translation into es"):
        teacher(replace(DOG, translations={"fr": "le chien"}), 9)


def test_clip_is_searched_alike_alone_and_beside_a_longer_one():
    model = reader().eval()
    states = torch.randn(2, 9, 16)
    states[1, 6:] = 0
    head = model.heads["es"]
    both = head.search(states, torch.tensor([9, 6]), 2)
    alone = head.search(states[1:, :6], torch.tensor([6]), 2)[0]
    assert [hypothesis.tokens for hypothesis in both[1]] == [hypothesis.tokens for hypothesis in alone] and len(
        alone
    ) == 2
    for first, second in zip(both[1], alone, strict=True):
        assert first.score == pytest.approx(second.score, abs=1e-4)


def test_wide_beam_finds_the_best_of_all_texts():
    """Compared with every text of up to 3 tokens; the score is the mean over tokens."""
    from itertools import product

    model = reader(HEAD | {"pieces": ["▁a", "▁b"], "beam": 40}).eval()
    states, lengths, head = torch.randn(1, 3, 16), torch.tensor([3]), model.heads["es"]
    end = head.embed.num_embeddings - 1
    means = {}
    for count in range(4):
        for tokens in product((2, 3), repeat=count):
            log_probs = head(torch.tensor([[end, *tokens]]), states, lengths)[0]
            log_probs[:, [0, 1]] = -torch.inf  # blank and unknown are no text
            chosen = log_probs.log_softmax(-1).gather(-1, torch.tensor([*tokens, end])[:, None])
            means[tokens] = float(chosen.mean().detach())
    best = head.search(states, lengths, 1)[0][0]
    assert best.tokens == max(means, key=means.get)
    assert best.score / (len(best.tokens) + 1) == pytest.approx(means[best.tokens], abs=1e-4)


def test_head_learns_its_own_tokens_and_measures_them():
    model, batch = reader(), with_translations(two_clips())
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    first = float(ctc_attention(model, batch)["es"])
    for _ in range(40):
        optimiser.zero_grad()
        ctc_attention(model, batch)["loss"].backward()
        optimiser.step()
    model.eval()
    states = model.encode_batch(batch)
    assert float(ctc_attention(model, batch)["es"]) < 0.5 * first
    assert model.heads["es"].measured(states, batch.of("es")) == (0, 8)  # 6 tokens and 2 ends
    assert [ranked[0].tokens for ranked in model.heads["es"].search(states, batch.lengths)] == [(2, 3), (5, 4, 3, 2)]


def test_mixed_streams_train_the_translation_with_its_own_length():
    model, batch = reader(mixed=True).eval(), with_translations(two_clips())
    _, lips = by_lips(model, batch)
    assert set(lips) == {"ctc", "further_heads.es"}
    steps = known_steps("further_heads.es", lips["further_heads.es"], batch)
    assert steps.sum(1).tolist() == [3, 5]  # with the end
    everyone = torch.tensor([True, True])
    assert mean_divergence(lips, lips, batch, everyone).abs() < 1e-6
    noisy = {"further_heads.es": lips["further_heads.es"] + torch.randn_like(lips["further_heads.es"])}
    assert mean_divergence(noisy, {"further_heads.es": lips["further_heads.es"]}, batch, everyone) > 1e-3
    assert {"es", "ctc", "mixed", "kl"} <= mixspeech(model, batch).keys()


@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_pieces_of_a_folder_are_written_into_the_config(tmp_path, kind):
    texts = ["el perro rojo duerme", "el gato duerme aquí"] * 5
    trained_tokenizer = train_tokenizer(kind, texts, 24)
    trained_tokenizer.save(tmp_path)
    head = {"kind": "translation", "language": "es", "tokenizer_folder": str(tmp_path)}
    run = TrainConfig(data=DataConfig(("a",), ("b",), "t"), model={"further_heads": {"es": head}})
    config = run.model_config(40)
    assert config.further_heads["es"]["pieces"] and "pieces" not in head
    tokenizer = tokenizer_of_head(config, "es", None)
    assert tokenizer.vocab_size == trained_tokenizer.vocab_size == LipReader(config).heads["es"].embed.num_embeddings
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_words_are_joined_with_spaces():
    head = HEADS["translation"](language="es", pieces=PIECES)
    assert head.tokenizer(WordTokenizer(["x"])).decode([3, 5]) == "perro duerme"


@pytest.mark.parametrize("settings, message", [
    ({"language": ""}, "language"), ({"language": "es"}, "tokenizer_folder"),
    ({"language": "es", "pieces": ("a",), "beam": 0}, "beam"),
])  # fmt: skip
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        HEADS["translation"](**settings)


def test_missing_tokenizer_folder_is_refused_only_with_data(tmp_path):
    settings = HEADS["translation"](language="es", tokenizer_folder=str(tmp_path / "none"))
    assert settings.build(16, 9).embed.num_embeddings == CharTokenizer().vocab_size
    with pytest.raises(VsrError, match="vsr tokens --translation es"):
        settings.targets(DOG, 9, settings.tokenizer(None))
