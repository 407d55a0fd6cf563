"""Two models in one search: either may be without input, and neighbours in a batch change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vsr.core.errors import VsrError
from vsr.decoding.align import align_text
from vsr.decoding.assess import KNOWN, assess, by_both, fitted_for
from vsr.decoding.encoding import encode_clips
from vsr.decoding.evidence import UNLISTED, WordEvidence, joining
from vsr.decoding.heads import chosen_head, further_readings, read_by
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.decoding.viterbi import align_tokens
from vsr.decoding.word_tree import WordTree
from vsr.face.mouth_features import mouth_features
from vsr.face.mouth_points import POINTS
from vsr.face.requested_points import RequestedPoints
from vsr.models.fusion import FusedConfig, FusedReader
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.parts import FEATURES
from vsr.modelstore.folder import load_model, pixel_reader, save_model
from vsr.text.tokenizer import CharTokenizer, WordTokenizer
from vsr.training.fusing import fuse_models

SMALL = {"dim": 32, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32, "dropout": 0.0}
PIXELS = {"frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2} | SMALL
TRACKS = {"frontend": "landmarks", "encoder": "recurrent"} | SMALL | {"decoder_layers": 0}


WORDS = ("a", "an", "and", "b")


def reader(tokenizer, **settings):
    torch.manual_seed(len(settings))
    return LipReader(LipReaderConfig(tokenizer.vocab_size, **settings)).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, settings, tokenizer in (("pixels", PIXELS, CharTokenizer()), ("tracks", TRACKS, WordTokenizer(WORDS))):
        save_model(folder / name, reader(tokenizer, **settings), tokenizer, {"name": name, "window": 3.0}, half=True)
    fuse_models(folder / "pixels", folder / "tracks", folder / "fused" / "model")
    return folder


@pytest.fixture(scope="module")
def fused(folders):
    return load_model(folders / "fused" / "model")


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, 30, 1, 88, 88), torch.tensor([30, 21]), torch.randn(2, 30, FEATURES)


def mouth(frames):
    """Mouth points (T, 14, 2) of lips that open and close."""
    rng = np.random.default_rng(frames)
    track = rng.normal(0, 30, (len(POINTS), 2)) + np.sin(np.arange(frames) / 3)[:, None, None]
    return track.astype(np.float32)


def search(loaded, states, lengths):
    options = DecodeOptions(beam=8, nbest=8, max_length_ratio=0.3)
    return decode(loaded.model, states, lengths, options, loaded.tokenizer.eos_id, joining(loaded, options))


def texts(loaded, states, lengths):
    return [(hypotheses[0].tokens, round(hypotheses[0].score, 2)) for hypotheses in search(loaded, states, lengths)]


def test_folder_records_what_was_fused(fused):
    assert isinstance(fused.model, FusedReader)
    assert fused.config["window"] == 3.0 and fused.config["fused"]["tracks"]["name"] == "tracks"
    assert fused.model.config.words == WORDS and fused.model.config.vocab_size == CharTokenizer().vocab_size
    assert isinstance(pixel_reader(fused.model), LipReader)


@torch.inference_mode()
def test_pixels_alone_are_read_as_by_their_own_model(folders, fused, inputs):
    video, lengths, _ = inputs
    alone = load_model(folders / "pixels")
    assert texts(fused, fused.model.encode(video, lengths), lengths) == texts(
        alone, alone.model.encode(video, lengths), lengths
    )


@torch.inference_mode()
@pytest.mark.parametrize("head", ["ctc", "alignment"])
def test_tracks_have_more_weight_where_pixels_are_uncertain(folders, tmp_path, inputs, head):
    video, lengths, tracks = inputs
    loaded = load_model(fuse_models(folders / "pixels", folders / "tracks", tmp_path / "a", (1.0, 3.0), (0.0, 20.0)))
    assert loaded.model.config.known_by == "ctc"
    loaded.model.config = replace(loaded.model.config, known_by=head)
    tracks = tracks.clone()
    tracks[1] = 0
    states = loaded.model.encode(video, lengths, tracks=tracks)
    known, unknown = loaded.model.track_log_probs(states, lengths)[1].tolist()
    log_probs = getattr(loaded.model, head)(states[0]).log_softmax(-1)
    assert (
        known == pytest.approx(1 + 2 * float(-(log_probs.exp() * log_probs).sum(-1).mean()) / 20, rel=1e-3)
        and unknown == 0
    )


def evidence_of(text, log_probs, lengths):
    """The sum of the evidence, token by token."""
    tokenizer = CharTokenizer()
    search = WordEvidence(log_probs, torch.ones(1), lengths, WordTree.of(WORDS, tokenizer)).start(1, "cpu")
    score, last = 0.0, torch.tensor([[tokenizer.eos_id]])
    for token in [*tokenizer.encode(text), tokenizer.eos_id]:
        candidates = torch.tensor([[[tokenizer.eos_id, token]]])
        score += float(search.extend(last, candidates)[0, 0, int(token != tokenizer.eos_id)])
        last = torch.tensor([[token]])
        if token != tokenizer.eos_id:
            search.follow(torch.tensor([[0]]), last)
    return score


@pytest.mark.parametrize("text", ["a", "an", "and a", "a a b", "b an and an"])
def test_words_are_scored_as_whole_texts(text):
    torch.manual_seed(3)
    log_probs, lengths = torch.randn(1, 20, len(WORDS) + 3).log_softmax(-1), torch.tensor([20])
    targets = torch.tensor([WordTokenizer(WORDS).encode(text)])
    loss = F.ctc_loss(log_probs.transpose(0, 1), targets, (20,), (targets.shape[1],), reduction="sum")
    assert evidence_of(text, log_probs, lengths) == pytest.approx(-float(loss), rel=1e-4)


def test_unknown_words_cost_once():
    log_probs, lengths = torch.randn(1, 20, len(WORDS) + 3).log_softmax(-1), torch.tensor([20])
    assert evidence_of("a qqq zzz", log_probs, lengths) < UNLISTED
    assert np.isfinite(evidence_of("qqq", log_probs, lengths)) and np.isfinite(evidence_of("", log_probs, lengths))


@torch.inference_mode()
def test_clips_with_and_without_a_track_share_a_batch(fused, inputs):
    video, lengths, tracks = inputs
    tracks = tracks.clone()
    tracks[1] = 0  # the second clip has none
    together = fused.model.encode(video, lengths, tracks=tracks)
    first = fused.model.encode(video[:1], lengths[:1], tracks=tracks[:1])
    second = fused.model.encode(video[1:, :21], lengths[1:])
    both = texts(fused, first, lengths[:1]) + texts(fused, second, lengths[1:])
    assert texts(fused, together, lengths) == both
    np.testing.assert_allclose(together[1, :21], second[0], atol=2e-5)


def test_refuses_models_that_do_not_fit(folders, tmp_path):
    with pytest.raises(VsrError, match="joined already"):
        fuse_models(folders / "fused" / "model", folders / "tracks", tmp_path / "a")
    with pytest.raises(VsrError, match="must write characters"):
        fuse_models(folders / "tracks", folders / "pixels", tmp_path / "a")
    with pytest.raises(VsrError, match="weights of the tracks"):
        fuse_models(folders / "pixels", folders / "tracks", tmp_path / "a", (-1.0, 1.0))


def test_training_of_either_kind_starts_from_its_part(fused):
    from vsr.training.lipreader import fitting_reader

    model, tokenizer = fitting_reader(fused, reader(WordTokenizer(WORDS), **TRACKS))
    assert model is fused.model.tracks and tuple(tokenizer.words) == WORDS
    assert fitting_reader(fused, reader(CharTokenizer(), **PIXELS)) == (fused.model.pixels, fused.tokenizer)


def test_number_of_words_must_be_that_of_the_track_model():
    with pytest.raises(ValueError, match="2 words"):
        FusedConfig(LipReaderConfig(20, **PIXELS), LipReaderConfig(21, **TRACKS), ("a", "b"))


@torch.inference_mode()
def test_confidence_is_the_mean_of_both_models(fused, inputs):
    video, lengths, tracks = inputs
    text = CharTokenizer().encode("an a")
    alone, both = (
        align_text(fused.model, fused.model.encode(video, lengths, tracks=given)[0], CharTokenizer(), text)
        for given in (None, tracks)
    )
    word_log_probs = fused.model.track_log_probs(fused.model.encode(video, lengths, tracks=tracks), lengths)[0][0]
    spans = align_tokens(word_log_probs, WordTokenizer(WORDS).encode("an a"))
    for first, second, (_, _, of_tracks) in zip(alone, both, spans, strict=True):
        assert second.confidence == pytest.approx((first.confidence + of_tracks) / 2, abs=1e-5)
        assert (second.start, second.end) == (first.start, first.end)


@torch.inference_mode()
def test_heads_of_either_model_are_searched_alone(tmp_path, inputs):
    """As in their own models and tokens; heads of tracks give nothing for a clip without a track."""
    video, lengths, tracks = inputs
    further = {"which": {"kind": "word_classes", "words": ["an", "b"]}}
    for name, settings, tokenizer in (("pixels", PIXELS, CharTokenizer()), ("tracks", TRACKS, WordTokenizer(WORDS))):
        save_model(tmp_path / name, reader(tokenizer, **settings, further_heads=further), tokenizer, {"name": name})
    fuse_models(tmp_path / "pixels", tmp_path / "tracks", tmp_path / "fused" / "model")
    loaded = load_model(tmp_path / "fused" / "model")
    tracks = tracks.clone()
    tracks[1] = 0
    states = loaded.model.encode(video, lengths, tracks=tracks)
    parts = {"pixels": loaded.model.split(states)[0], "tracks": loaded.model.split(states)[1]}
    for part, before in (("pixels", ""), ("tracks", "tracks.")):
        alone = getattr(loaded.model, part)
        for name, head in alone.heads.items():
            ranked = loaded.model.heads[before + name].search(states, lengths)
            expected = head.search(parts[part], lengths)
            assert ranked == (expected if part == "pixels" else [expected[0], []])
    texts_of_heads = further_readings(loaded, states, lengths)
    assert [heads.keys() for heads in texts_of_heads] == [{"which", "tracks.which"}, {"which"}]
    assert {text for heads in texts_of_heads for text in heads.values()} <= {"an", "b"}
    assert read_by(loaded, "tracks.ctc", states, lengths)[0][0]["text"].split(" ")[0] in ("", *WORDS)
    with pytest.raises(VsrError, match="no head 'nothing'; it has ctc or attention or alignment or which or tracks"):
        chosen_head(loaded, "nothing")


@torch.inference_mode()
def test_points_are_computed_only_for_people_unknown_to_the_pixels(folders, tmp_path, inputs):
    """Their states and transcript are those with every point given."""
    video, lengths, _ = inputs
    entropies = entropies_of(load_model(folders / "pixels").model, video, lengths)
    unknown = int(np.argmax(entropies))
    rule = (0.0, 3.0), (min(entropies), max(entropies))
    loaded = load_model(fuse_models(folders / "pixels", folders / "tracks", tmp_path / "a", *rule))
    requests, points = [], [mouth(int(length)) for length in lengths]

    def requested(clip):
        return RequestedPoints(lambda: requests.append(clip) or points[clip], np.arange(len(points[clip])))

    states = encode_clips(loaded, video, lengths, [requested(0), requested(1)])
    assert requests == [unknown]
    tracks = torch.zeros(*video.shape[:2], FEATURES)
    for row, clip_points in zip(tracks, points, strict=True):
        row[: len(clip_points)] = torch.from_numpy(mouth_features(clip_points))
    all_states = loaded.model.encode(video, lengths, tracks=tracks)
    torch.testing.assert_close(states[unknown], all_states[unknown])
    assert texts(loaded, states, lengths) == texts(loaded, all_states, lengths)


@torch.inference_mode()
def test_stored_track_is_read_like_its_points(fused, inputs):
    video, lengths, _ = inputs
    points = [mouth(int(length)) for length in lengths]
    stored = encode_clips(fused, video, lengths, [mouth_features(points[0]), None])
    torch.testing.assert_close(stored, encode_clips(fused, video, lengths, [points[0], None]))
    assert not torch.equal(stored, encode_clips(fused, video, lengths))


@torch.inference_mode()
def test_clips_known_to_the_pixels_have_their_models_confidence(folders, tmp_path, inputs):
    video, lengths, tracks = inputs
    alone = load_model(folders / "pixels")
    alone.config["confidence"] = {"scale": 0.5, "offset": 1.0}
    loaded = load_model(fuse_models(folders / "pixels", folders / "tracks", tmp_path / "a", (0.0, 3.0), (90.0, 99.0)))
    loaded.config |= {KNOWN: {"confidence": alone.config["confidence"]}, "confidence": {"scale": 9.0, "offset": -5.0}}
    states = loaded.model.encode(video, lengths, tracks=tracks)
    for clip, length in enumerate(lengths.tolist()):
        hypotheses = search(loaded, states, lengths)[clip]
        assert not by_both(loaded, states[clip, :length])
        words, domain = assess(loaded, states[clip, :length], hypotheses)
        assert (
            words == assess(alone, alone.model.encode(video, lengths)[clip, :length], hypotheses)[0] and domain is None
        )
    assert fitted_for(loaded, states[0]) is loaded.config[KNOWN]
    loaded.model.config = replace(loaded.model.config, entropies=(0.0, 1e-3))
    assert fitted_for(loaded, states[0]) is loaded.config
    assert by_both(loaded, states[0]) and assess(loaded, states[0], hypotheses)[0] != words


def entropies_of(reader, video, lengths):
    """Mean entropy of the CTC of each clip, in nats."""
    logs = reader.ctc_log_probs(reader.encode(video, lengths))
    entropies = -(logs.exp() * logs).sum(-1)
    return [float(clip_entropies[:length].mean()) for clip_entropies, length in zip(entropies, lengths, strict=True)]
