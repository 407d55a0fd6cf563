"""Two readers in one search: either may see nothing, and neighbours in a batch change nothing."""

import numpy as np
import pytest
import torch

from vsr.decode.beam import decode
from vsr.decode.options import DecodeOptions
from vsr.errors import VsrError
from vsr.hub import load_model, pixel_reader, save_model
from vsr.models.fusion import FusedConfig, FusedReader
from vsr.models.lipreader import FEATURES, LipReader, LipReaderConfig
from vsr.text.tokenizer import CharTokenizer
from vsr.training.fusing import fuse_models

SMALL = {"dim": 32, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32, "dropout": 0.0}
PIXELS = {"frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2} | SMALL
TRACKS = {"frontend": "landmarks", "encoder": "recurrent"} | SMALL


def reader(**settings):
    torch.manual_seed(len(settings))
    return LipReader(LipReaderConfig(CharTokenizer().vocab_size, **settings)).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    for name, settings in (("pixels", PIXELS), ("tracks", TRACKS)):
        save_model(where / name, reader(**settings), CharTokenizer(), {"name": name, "window": 3.0}, half=True)
    fuse_models(where / "pixels", where / "tracks", where / "fused" / "model", 0.4)
    return where


@pytest.fixture(scope="module")
def fused(folders):
    return load_model(folders / "fused" / "model")


@pytest.fixture(scope="module")
def seen():
    torch.manual_seed(1)
    return torch.randn(2, 30, 1, 88, 88), torch.tensor([30, 21]), torch.randn(2, 30, FEATURES)


def texts(model, states, lengths):
    found = decode(model, states, lengths, DecodeOptions(beam=3, max_length_ratio=0.3), CharTokenizer().eos_id)
    return [(own[0].tokens, round(own[0].score, 3)) for own in found]


def test_the_folder_tells_what_was_joined(fused):
    assert isinstance(fused.model, FusedReader)
    assert fused.config["window"] == 3.0 and fused.config["fused"]["tracks"]["name"] == "tracks"
    assert fused.model.config.track_weight == 0.4 and fused.model.config.vocab_size == CharTokenizer().vocab_size
    assert isinstance(pixel_reader(fused.model), LipReader)


@torch.inference_mode()
def test_pixels_alone_are_read_as_by_their_own_reader(folders, fused, seen):
    video, lengths, _ = seen
    alone = load_model(folders / "pixels").model
    assert texts(fused.model, fused.model.encode(video, lengths), lengths) == texts(
        alone, alone.encode(video, lengths), lengths
    )


@torch.inference_mode()
def test_tracks_alone_are_read_as_by_their_own_reader(folders, fused, seen):
    _, lengths, tracks = seen
    alone = load_model(folders / "tracks").model
    states = fused.model.encode(None, lengths, tracks=tracks)
    assert texts(fused.model, states, lengths) == texts(alone, alone.encode(tracks, lengths), lengths)


@torch.inference_mode()
def test_clips_with_and_without_a_track_share_a_batch(fused, seen):
    video, lengths, tracks = seen
    tracks = tracks.clone()
    tracks[1] = 0  # the second clip has none
    together = fused.model.encode(video, lengths, tracks=tracks)
    first = fused.model.encode(video[:1], lengths[:1], tracks=tracks[:1])
    second = fused.model.encode(video[1:, :21], lengths[1:])
    both = texts(fused.model, first, lengths[:1]) + texts(fused.model, second, lengths[1:])
    assert texts(fused.model, together, lengths) == both
    np.testing.assert_allclose(together[1, :21], second[0], atol=2e-5)


@torch.inference_mode()
def test_heads_give_distributions_of_both(fused, seen):
    video, lengths, tracks = seen
    states = fused.model.encode(video, lengths, tracks=tracks)
    parts = states.split([32, 32], -1)
    mean = 0.6 * fused.model.pixels.ctc_log_probs(parts[0]).exp() + 0.4 * fused.model.tracks.ctc_log_probs(parts[1]).exp()
    np.testing.assert_allclose(fused.model.ctc_log_probs(states)[0].exp(), mean[0], atol=1e-5)
    np.testing.assert_allclose(fused.model.ctc_log_probs(states[0]).exp(), mean[0], atol=1e-5)


def test_readers_that_do_not_fit_are_refused(folders, tmp_path):
    with pytest.raises(VsrError, match="joined already"):
        fuse_models(folders / "fused" / "model", folders / "tracks", tmp_path / "a")
    with pytest.raises(VsrError, match="front end landmarks"):
        fuse_models(folders / "tracks", folders / "pixels", tmp_path / "a")
    save_model(tmp_path / "digits", LipReader(LipReaderConfig(15, **TRACKS)), CharTokenizer(" 0123456789a"))
    with pytest.raises(VsrError, match="other tokens"):
        fuse_models(folders / "pixels", tmp_path / "digits", tmp_path / "a")
    with pytest.raises(VsrError, match="track_weight"):
        fuse_models(folders / "pixels", folders / "tracks", tmp_path / "a", 1.0)


def test_a_reader_of_either_kind_begins_from_the_joined_one(fused):
    from vsr.training.lipreader import fitting_reader

    assert fitting_reader(fused.model, reader(**TRACKS)) is fused.model.tracks
    assert fitting_reader(fused.model, reader(**PIXELS)) is fused.model.pixels


def test_the_same_tokens_are_needed():
    pixels = LipReaderConfig(20, **PIXELS)
    with pytest.raises(ValueError, match="vocabularies"):
        FusedConfig(pixels, LipReaderConfig(21, **TRACKS))
