"""AV-HuBERT of lips, sound and both computes what the real peer computed from the same weights."""

import json
import random
from pathlib import Path

import pytest
import torch

from tests.published.agreement import gap
from tests.published.formula import samples, video, weights
from tests.published.test_av_hubert import EOS, ours
from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.decoding.search import decode
from vsr.models.filterbank import LOUDEST, FilterBank, log_filter_bank
from vsr.models.streams import Streams
from vsr.modelstore.importers.av_hubert import build, modality_of, our_order

GOLDEN = json.loads((Path(__file__).parent / "golden" / "av_hubert.json").read_text())
SIZE = len(GOLDEN["symbols"])
RECORDS = {"video": GOLDEN["records"], "sound": GOLDEN["sound"], "both": GOLDEN["both"]}


@pytest.fixture(scope="module")
def model():
    return build(weights(GOLDEN["shapes"]), GOLDEN["settings"], "both")


def wave(frames):
    """The decoded sound of a file of 16 bit: (1, T, 640)."""
    return torch.from_numpy(samples(frames)).float().view(1, frames, 640) / LOUDEST


def inputs_of(modality, frames):
    inputs = {"video": video(frames), "sound": wave(frames)}
    return Streams(inputs if modality == "both" else {modality: inputs[modality]})


@torch.no_grad()
@pytest.mark.parametrize("modality", RECORDS)
@pytest.mark.parametrize("index", range(3))
def test_states_and_decoder_agree_with_the_peer(model, modality, index):
    record = RECORDS[modality][index]
    length = torch.tensor([record["frames"]])
    states = model.encode(inputs_of(modality, record["frames"]), length)
    assert gap(states[0], record["states"]) < 1e-4
    log_probs = model.decoder(ours(record["tokens"]), states, length).log_softmax(-1)[0]
    assert gap(log_probs, torch.tensor(record["decoder"])[:, our_order(SIZE)].tolist()) < 1e-4


@torch.no_grad()
def test_reader_of_both_reads_lips_alone_as_one_of_lips_does(model):
    lips = build(weights(GOLDEN["shapes"]), GOLDEN["settings"])
    assert (lips.modality, model.modality) == ("video", ("video", "sound"))
    length = torch.tensor([9])
    assert torch.allclose(lips.encode(video(9), length), model.encode(video(9), length), atol=1e-5)


@torch.no_grad()
def test_clips_with_and_without_sound_are_read_in_one_batch_as_alone(model):
    both, alone = model.encode(inputs_of("both", 9), torch.tensor([9])), model.encode(video(4), torch.tensor([4]))
    frames_seen = torch.cat([video(9), torch.nn.functional.pad(video(4), (0, 0) * 3 + (0, 5), value=0.3)])
    waves = torch.cat([wave(9), torch.full((1, 9, 640), 0.2)])
    present = {"sound": torch.tensor([True, False])}
    states = model.encode(Streams({"video": frames_seen, "sound": waves}, present), torch.tensor([9, 4]))
    assert torch.allclose(states[0], both[0], atol=1e-5) and torch.allclose(states[1, :4], alone[0], atol=1e-5)
    assert not states[1, 4:].any()


class Kept(torch.nn.Identity):
    """In place of the projection: returns its input."""

    weight = torch.zeros(1)


@pytest.mark.parametrize("index", range(3))
def test_sound_features_are_those_of_the_peers_own_data_loading(index):
    record = RECORDS["sound"][index]
    bank = FilterBank(4)
    bank.project = Kept()
    mask = torch.ones(1, record["frames"], dtype=torch.bool)
    assert gap(bank(wave(record["frames"]), mask)[0], record["features"]) < 1e-4


def test_number_of_spectra_follows_the_length_and_silence_is_finite():
    rng = random.Random(3)
    for _ in range(20):
        length = rng.randrange(1, 5000)
        expected = 1 if length <= 400 else 1 + (length - 400 + 159) // 160
        spectra = log_filter_bank(torch.zeros(length))
        assert spectra.shape == (expected, 26) and spectra.isfinite().all()


def test_tone_is_loudest_in_the_band_around_it():
    time = torch.arange(16000) / 16000
    bands = [log_filter_bank((2 * torch.pi * hertz * time).sin()).mean(0).argmax().item() for hertz in (200, 800, 3000)]
    assert bands == sorted(bands) and len(set(bands)) == 3


@pytest.mark.parametrize(
    "task, expected",
    [
        ({"modalities": ["video", "audio"]}, "both"),
        ({"modalities": ["audio"]}, "both"),
        ({"modalities": ["video"]}, "video"),
        ({}, "video"),
        (None, "video"),
    ],
)
def test_settings_tell_the_modality(task, expected):
    assert modality_of({"cfg": {"model": {}, "task": task}}) == expected


@pytest.mark.parametrize("change, message", [(None, "only its lips"), ([16, 26], "has shape")])
def test_sound_tensors_are_checked(change, message):
    name = "encoder.w2v_model.feature_extractor_audio.proj.weight"
    shapes = {other: shape for other, shape in GOLDEN["shapes"].items() if other != name}
    with pytest.raises(VsrError, match=message):
        build(weights(shapes | ({name: change} if change else {})), GOLDEN["settings"], "both")


@torch.no_grad()
@pytest.mark.parametrize("modality", ["video", "both"])
def test_whole_search_gives_the_peers_n_best(modality):
    tensors = weights(GOLDEN["shapes"])
    for token, factor in GOLDEN["search"]["scaled"]:
        tensors["decoder.embed_tokens.weight"][token] *= factor
    model = build(tensors, GOLDEN["settings"], modality)
    lengths, search = torch.tensor([9, 14]), GOLDEN["search"]
    frames_seen = torch.zeros(2, 14, 1, 88, 88)
    frames_seen[0, :9], frames_seen[1] = video(9)[0], video(14)[0]
    waves = torch.zeros(2, 14, 640)
    waves[0, :9], waves[1] = wave(9)[0], wave(14)[0]
    states = model.encode(
        frames_seen if modality == "video" else Streams({"video": frames_seen, "sound": waves}), lengths
    )
    n_best = decode(model, states, lengths, DecodeOptions(nbest=4, **search["options"]), EOS)
    for ranked, frames in zip(n_best, (9, 14), strict=True):
        expected = search["found"][modality][str(frames)]
        assert [list(h.tokens) for h in ranked] == [ours(h["tokens"])[0].tolist() for h in expected]
        assert [h.score for h in ranked] == pytest.approx([h["score"] for h in expected], abs=1e-4)
        assert all(h.attention_score == pytest.approx(h.score * (len(h.tokens) + 1)) for h in ranked)
