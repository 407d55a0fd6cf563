"""Isolated words: the head, the boundary and the loss; then a tiny model is trained, decoded and scored."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.batch import Batch, CropDataset
from vsr.data.manifest import Clip, write_manifest
from vsr.data.transforms import Augmentation, trim_span
from vsr.evaluation.topk import Accuracy, accuracy, read_ranked, row, wilson_interval
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import WordTokenizer, load_tokenizer, train_tokenizer
from vsr.training.config import DataConfig, OptimConfig, TrainConfig, TrainerConfig
from vsr.training.lipreader import LipReaderRun

TINY = {
    "frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2, "dim": 16, "heads": 2, "hidden": 24, "layers": 1,
    "kernel": 5, "decoder_layers": 0, "ctc_weight": 0.0, "alignment_weight": 0.0, "classes": 3, "boundary": True,
}  # fmt: skip
WORDS = ("above", "below", "here")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LipReader(LipReaderConfig(vocab_size=6, **TINY)).eval()


def word_logits(model, video, lengths, inside):
    return model.words(model.encode(video, lengths, inside), lengths)


def batch_of(tokens, lengths=(9, 5)):
    generator = torch.Generator().manual_seed(0)
    video = torch.randn(len(lengths), max(lengths), 1, 88, 88, generator=generator)
    inside = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    inside[:, 1:3] = 2
    tokens = torch.tensor(tokens)
    ids = [f"c{i}" for i in range(len(lengths))]
    return Batch({"video": video}, torch.tensor(lengths), {"tokens": tokens, "frame_tokens": inside}, ids)


@torch.no_grad()
def test_clip_gives_the_same_alone_and_beside_a_longer_one(model):
    both = batch_of([[2], [3]])
    together = word_logits(model, both.video, both.lengths, both.inside)
    alone = word_logits(model, both.video[1:, :5], both.lengths[1:], both.inside[1:, :5])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_boundary_equals_one_more_input_of_the_next_linear_layer(model):
    """The published form: a linear layer over (features, indicator)."""
    features, inside = torch.randn(2, 4, 16), torch.tensor([[0, 1, 1, 0], [0, 0, 0, 0]])
    weight = torch.randn(7, 16)
    wider = torch.cat([weight, weight @ model.boundary.vector[:, None]], dim=1)
    published = torch.cat([features, inside[..., None].float()], dim=2) @ wider.T
    torch.testing.assert_close(model.boundary(features, inside) @ weight.T, published)
    assert torch.equal(model.boundary(features, inside)[1], features[1])


def test_loss_is_cross_entropy_of_listed_words_only(model):
    batch = batch_of([[3], [1]])  # the second is unknown
    logits = word_logits(model, batch.video, batch.lengths, batch.inside)
    expected = F.cross_entropy(logits[:1], torch.tensor([1]), label_smoothing=model.config.label_smoothing)
    torch.testing.assert_close(objective_of(model.config)(model, batch)["loss"], expected)


def test_mixup_weights_the_losses_of_both_words(monkeypatch):
    torch.manual_seed(0)
    model = LipReader(LipReaderConfig(vocab_size=6, mixup=0.4, dropout=0.0, label_smoothing=0.0, **TINY)).train()
    batch = batch_of([[2], [4]])
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(0.75))
    monkeypatch.setattr(torch, "randperm", lambda n: torch.tensor([1, 0]))
    mixed = 0.75 * batch.video + 0.25 * batch.video[[1, 0]]
    inside = 0.75 * batch.inside.clamp(max=1) + 0.25 * batch.inside[[1, 0]].clamp(max=1)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    loss = objective_of(model.config)(model, batch)["loss"]
    model.load_state_dict(state)  # batch statistics move in training
    logits = word_logits(model, mixed, torch.tensor([9, 9]), inside)
    loss_first, loss_second = (F.cross_entropy(logits, torch.tensor(words)) for words in ([0, 2], [2, 0]))
    expected = 0.75 * loss_first + 0.25 * loss_second
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"classes": 4}, "classes is 4, but the tokenizer lists 3 words"),
        ({"ctc_weight": 0.3, "mixup": 0.1}, "mixup is for a model that has classes alone"),
        ({"classes": 0}, "boundary and mixup are for models that tell words apart"),
        ({"mixup": -1.0}, "mixup is -1.0"),
    ],
)
def test_refuses_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        LipReaderConfig(vocab_size=6, **TINY | settings)


def test_word_tokenizer_encodes_decodes_and_is_saved(tmp_path):
    words = train_tokenizer("word", ["HERE", "ABOVE", "BELOW", "ABOVE"])
    assert words.words == list(WORDS) and words.encode("Below elsewhere") == [3, 1]
    assert words.decode([2, 1, 0, words.eos_id]) == "above"
    assert words.word_spans([4, 2]) == [("here", 0, 1), ("above", 1, 2)]
    words.save(tmp_path)
    assert load_tokenizer(tmp_path).words == list(WORDS)
    for wrong in (["a", "a"], ["Above"], ["two words"], [], [3]):
        with pytest.raises(VsrError, match="distinct words in lower case"):
            WordTokenizer(wrong)


def test_trimmed_clip_keeps_its_word():
    inside = np.zeros(29, bool)
    inside[10:19] = True
    spans = [trim_span(inside, np.random.default_rng(seed)) for seed in range(300)]
    assert {span.start for span in spans} == set(range(11)) and {span.stop for span in spans} == set(range(19, 30))
    assert trim_span(np.zeros(7, bool), np.random.default_rng(0)) == slice(0, 7)


def make_clips(folder, count, seed):
    """Crops in which the place of a bright bar is the word, in frames 3 to 6 of 9; the other frames are noise."""
    rng, clips = np.random.default_rng(seed), []
    for index in range(count):
        word = WORDS[index % 3]
        crop = rng.integers(0, 60, (9, 96, 96)).astype(np.uint8)
        crop[3:7, 10 + 25 * (index % 3) : 30 + 25 * (index % 3)] += 150
        name = f"{seed}_{index}"
        np.save(folder / name, crop)
        times = ((word, 0.12, 0.28),)
        clips.append(Clip(name, f"{name}.mp4", word.upper(), "", 9, str(folder / f"{name}.npy"), times))
    return clips


@pytest.fixture
def lists(tmp_path):
    paths = {}
    for seed, (name, count) in enumerate((("train", 12), ("dev", 3), ("test", 6))):
        paths[name] = str(tmp_path / f"{name}.jsonl")
        write_manifest(paths[name], make_clips(tmp_path, count, seed))
    (tmp_path / "tokens").mkdir()
    WordTokenizer(WORDS).save(tmp_path / "tokens")
    return paths


def config_of(lists, folder, **model):
    data = DataConfig((lists["train"],), (lists["dev"],), str(folder / "tokens"), (lists["test"],), 54,
                      augmentation=Augmentation(flip=0.0, mask_frames=1, trim=True))  # fmt: skip
    trainer = TrainerConfig(25, precision="32-true", accelerator="cpu", threads=1)
    return TrainConfig(data, TINY | model, OptimConfig(3e-3, warmup_steps=2, ema=0.9), trainer)


def test_training_decoding_and_scoring(lists, tmp_path, capsys):
    LipReaderRun(config_of(lists, tmp_path, mixup=0.1), tmp_path / "run").fit()
    assert "dev_accuracy 1.000" in capsys.readouterr().out
    model = str(tmp_path / "run/model")
    assert load_model(model).model.config.classes == 3
    out = str(tmp_path / "hyp.jsonl")
    assert main(["decode", "--model", model, "--manifest", lists["test"], "--out", out]) == 0
    record = json.loads((tmp_path / "hyp.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert record["text"] == "above" and len(record["nbest"]) == 3 and record["words"][0]["end"] == 9 / 25
    assert sum(np.exp([ranked["score"] for ranked in record["nbest"]])) == pytest.approx(1, abs=1e-5)
    result = str(tmp_path / "run/result/test.json")
    assert main(["score", "--ref", lists["test"], "--hyp", out, "--accuracy", "--json", result]) == 0
    assert "top-1 100.00% [60.97%, 100.00%]  top-3 100.00%  scored 6  skipped 0" in capsys.readouterr().out
    page = tmp_path / "RESULTS.md"
    assert main(["results", "--run", str(tmp_path / "run"), "--command", "here", "--out", str(page)]) == 0
    assert "| test | 6 | 0 | 100.00 | 60.97 - 100.00 | - |" in page.read_text(encoding="utf-8")
    arguments = ["--model", model, "--manifest", lists["test"], "--out", str(tmp_path / "p")]
    for verb in (
        ["transcribe", __file__, "--model", model],
        ["posteriors", *arguments],
        ["rescore", "--nbest", out, *arguments],
    ):
        assert main(verb) == 1
        assert "tells 3 isolated words apart, it does not read speech" in capsys.readouterr().err


def test_clips_without_a_listed_word_stop_a_run(lists, tmp_path):
    clips = make_clips(tmp_path, 4, 9)
    write_manifest(lists["dev"], [*clips[:3], replace(clips[3], text="NEVER")])
    with pytest.raises(VsrError, match="1 dev clips do not say one word of the tokenizer's list, such as 9_3: 'NEVER'"):
        LipReaderRun(config_of(lists, tmp_path), tmp_path / "run")


def test_accuracy_counts_ranks(tmp_path):
    references = {"a": "ABOVE", "b": "BELOW", "c": "HERE", "d": "HERE"}
    listed = ["below", "one", "two", "three", "above"]
    total, clips = accuracy(references, {"a": ["above"], "b": [*listed[1:], "below"], "c": [*listed, "here"]})
    assert (total.top1, total.top5, total.scored, total.skipped) == (1 / 3, 2 / 3, 3, 1)
    assert [clip.rank for clip in clips] == [1, 5, 6] and isinstance(total, Accuracy)
    assert "top-5 66.67%" in str(total)
    short, _ = accuracy(references, {"a": ["above", "one", "two"], "b": ["one", "two", "below"], "c": ["two", "one"]})
    assert short.top5 is None and "top-3 66.67%" in str(short)  # the fourth is not known
    assert row("words", short.as_dict()).endswith("| - |")
    assert "top-" not in str(accuracy(references, {"a": ["above"]})[0])[5:]
    with pytest.raises(VsrError, match="1 hypotheses have no reference, such as e"):
        accuracy(references, {"e": ["here"]})
    (tmp_path / "h.jsonl").write_text('{"id": "a", "text": "above"}\n', encoding="utf-8")
    with pytest.raises(VsrError, match="line 1: no hypothesis with id and nbest"):
        read_ranked(tmp_path / "h.jsonl")


def test_wilson_interval():
    """Against the worked example of Newcombe 1998: 81 of 263 gives 0.2553 to 0.3662."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 10)[0] == 0.0 and wilson_interval(10, 10)[1] == 1.0


def test_frames_inside_the_word_are_in_the_batch(lists, tmp_path):
    clips = make_clips(tmp_path, 3, 5)
    clips += [replace(clips[0], id="no_times", words=())]
    batch = CropDataset(clips, WordTokenizer(WORDS), None).batch(range(4))
    assert batch.inside[0].tolist() == [False] * 3 + [True] * 4 + [False] * 2 and not batch.inside[3].any()
