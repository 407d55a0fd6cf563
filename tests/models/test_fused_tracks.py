"""Several readers of tracks in one fused model: what each says of a text is averaged."""

import pytest
import torch

from tests.models.test_fusion import PIXELS, TRACKS, WORDS, reader, seen
from vsr.core.errors import VsrError
from vsr.decoding.align import align_text
from vsr.decoding.evidence import joining, track_words
from vsr.decoding.joint_beam import decode
from vsr.decoding.options import DecodeOptions
from vsr.decoding.viterbi import align_tokens
from vsr.modelstore.folder import load_model, save_model
from vsr.text.tokenizer import CharTokenizer, WordTokenizer
from vsr.training.fusing import fuse_models

__all__ = ["seen"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    small = TRACKS | {"hidden": 16, "dim": 48}
    kinds = {"pixels": (PIXELS, CharTokenizer()), "odd": (TRACKS, WordTokenizer(("c",)))}
    kinds |= {"one": (TRACKS, WordTokenizer(WORDS)), "two": (small, WordTokenizer(WORDS))}
    for name, (settings, tokenizer) in kinds.items():
        save_model(where / name, reader(tokenizer, **settings), tokenizer, {"name": name})
    for name in ("one", "two"):
        fuse_models(where / "pixels", [where / name], where / f"with_{name}")
    fuse_models(where / "pixels", [where / "one", where / "two"], where / "both")
    fuse_models(where / "pixels", [where / "one", where / "one"], where / "same")
    return where


def searched(loaded, seen):
    video, lengths, tracks = seen
    options = DecodeOptions(beam=8, nbest=8, max_length_ratio=0.3)
    states = loaded.model.encode(video, lengths, tracks=tracks)
    return decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, joining(loaded, options))


def test_the_folder_keeps_every_reader(folders):
    loaded = load_model(folders / "both")
    assert [own.config.hidden for own in loaded.model.of_tracks] == [32, 16]
    assert loaded.model.config.dim == 32 + 32 + 48
    assert {name: made["name"] for name, made in loaded.config["fused"].items()} == {
        "pixels": "pixels", "tracks": "one", "tracks 2": "two",
    }  # fmt: skip
    alone = load_model(folders / "two").model.state_dict()
    for name, weights in loaded.model.more_tracks[0].state_dict().items():
        assert torch.allclose(weights, alone[name], atol=1e-2)  # fused models are stored in half precision


@torch.inference_mode()
def test_a_reader_twice_reads_as_once(folders, seen):
    once, twice = (searched(load_model(folders / name), seen) for name in ("with_one", "same"))
    for first, second in zip(once, twice, strict=True):
        assert [own.tokens for own in first] == [own.tokens for own in second]
        assert [own.score for own in first] == pytest.approx([own.score for own in second], abs=1e-4)


@torch.inference_mode()
def test_a_text_is_worth_the_mean_of_what_each_says(folders, seen):
    """Token after token, the evidence of both is the mean of the evidence of each."""
    video, lengths, tracks = seen

    def said(name):
        loaded, total = load_model(folders / name), 0.0
        states = loaded.model.encode(video, lengths, tracks=tracks)
        for weight, words in track_words(loaded):
            search = words.of(states, lengths).start(2, states.device)
            last = torch.zeros(2, 1, dtype=torch.long)
            candidates = torch.tensor([[[loaded.tokenizer.eos_id, *loaded.tokenizer.encode("ab")]]]).expand(2, 1, -1)
            total = total + weight * search.extend(last, candidates)
        return total

    mean = (said("with_one") + said("with_two")) / 2
    real = mean.isfinite()
    assert real.any() and torch.allclose(said("both")[real], mean[real], atol=1e-4)


@torch.inference_mode()
def test_confidence_is_the_mean_of_the_readers_of_tracks(folders, seen):
    video, lengths, tracks = seen
    model, text = load_model(folders / "both").model, CharTokenizer().encode("an a")
    states = model.encode(video, lengths, tracks=tracks)
    alone = align_text(model, model.encode(video, lengths)[0], CharTokenizer(), text)
    both = align_text(model, states[0], CharTokenizer(), text)
    words = WordTokenizer(WORDS).encode("an a")
    spans = [align_tokens(own[0], words) for own in model.said_by_tracks(states, lengths)[0]]
    for place, (first, second) in enumerate(zip(alone, both, strict=True)):
        by_tracks = sum(own[place][2] for own in spans) / 2
        assert second.confidence == pytest.approx((first.confidence + by_tracks) / 2, abs=1e-5)


def test_readers_of_other_words_are_refused(folders, tmp_path):
    with pytest.raises(VsrError, match="the same words"):
        fuse_models(folders / "pixels", [folders / "one", folders / "odd"], tmp_path / "a")
