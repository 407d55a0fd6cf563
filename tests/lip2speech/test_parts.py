"""Clips that are parts of a long video: whatever reads sound reads that part; clips without sound are reported."""

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.evaluation.summary import header
from lip2speech.features.corpus import extract_corpus
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.features.stored import StoredFeatures, load_features, with_features
from lip2speech.inference.synthesis_options import SynthesisOptions
from lip2speech.training.acoustic import VoiceTrainConfig
from lip2speech.training.vocoder_segments import Segments
from lip2speech.vocoders.config import VocoderDataConfig
from tests.footage import clicks, read, second_of, write_recording
from tests.lip2speech.test_audio import chirp, write_video_with_sound
from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.data.manifest import Clip, write_manifest
from vsr.data.sound import natural_wave
from vsr.media.audio import read_wave, write_wave
from vsr.media.mel import log_mel
from vsr.media.units import Codebook, Mfcc, fit_codebook
from vsr.training.typed_yaml import build

pytestmark = pytest.mark.slow

SECONDS = 8.0


@pytest.mark.parametrize(("frames", "samples"), [(0, 16_640), (20, 12_800), (30, 19_200)])
def test_part_of_a_recording_has_its_sound(tmp_path, voice_like, frames, samples):
    write_wave(tmp_path / "film.wav", voice_like)
    # 0.59 s is nearest to frame 15 and 1.63 s to frame 41, as the reader of frames counts
    wave = natural_wave(Clip("x", str(tmp_path / "film.wav"), "", "s", frames, start=0.59, end=1.63))
    expected = voice_like[15 * 640 : 41 * 640]
    assert len(wave) == samples
    shared = min(samples, len(expected))
    assert np.abs(wave[:shared] - expected[:shared]).max() < 1e-4 and not wave[shared:].any()


@pytest.fixture(scope="module")
def long_video(tmp_path_factory):
    """Eight seconds of video and sound: (path, wave)."""
    wave = chirp(SECONDS)
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return write_video_with_sound(path, wave, round(SECONDS * 25), ("libx264", "pcm_s16le"), rate=16_000), wave


@pytest.fixture
def parts(long_video, tmp_path):
    """Four parts of the video with their crops; that named late has a crop that begins late."""
    spans = {"a": (0.0, 1.2, 30), "b": (3.0, 4.6, 40), "late": (5.0, 7.0, 45), "end": (7.0, 0.0, 25)}
    clips = []
    for name, (start, end, frames) in spans.items():
        np.save(tmp_path / f"{name}.npy", np.zeros((frames, 96, 96), np.uint8))
        crop = str(tmp_path / f"{name}.npy")
        clips.append(Clip(name, str(long_video[0]), "text", "talk", frames, crop, start=start, end=end))
    return clips


@pytest.fixture
def codebook(tmp_path, long_video):
    path = tmp_path / "units.safetensors"
    fit_codebook(Mfcc(), [long_video[1][: 640 * 100]], 9).save(path)
    return path


@pytest.fixture
def features(parts, codebook, tmp_path):
    assert extract_corpus(parts, codebook, tmp_path / "features") == {"made": 3, "late_face": 1}
    return tmp_path / "features"


def test_features_are_those_of_the_part(parts, long_video, features):
    """Not of the start of the video, nor of what comes before or after."""
    for clip in (parts[0], parts[1], parts[3]):
        stored = load_features(features, clip)
        first = round(clip.start * 25) * 640
        expected = torch.from_numpy(long_video[1][first : first + clip.num_frames * 640])
        assert (stored.wave - expected).abs().max() < 1e-3
        assert torch.allclose(stored.mel, log_mel(stored.wave), atol=0.05)


def test_units_are_fitted_on_the_parts(parts, long_video, tmp_path, monkeypatch, capsys):
    used_waves = []

    def record(extractor, waves, size, seed):
        used_waves.extend(waves)
        return fit_codebook(extractor, used_waves, size, seed)

    monkeypatch.setattr("vsr.media.units.fit_codebook", record)
    mute = Clip("mute", str(tmp_path / "no.mp4"), "", "s", 10, "mute.npy")
    write_manifest(tmp_path / "clips.jsonl", [*parts[:2], mute])
    out = tmp_path / "k.safetensors"
    assert main(["units", "--manifest", str(tmp_path / "clips.jsonl"), "--size", "5", "--out", str(out)]) == 0
    assert "left out mute" in capsys.readouterr().err and len(Codebook.load(out)) == 5
    expected = [long_video[1][round(c.start * 25) * 640 :][: c.num_frames * 640] for c in parts[:2]]
    for wave, part_wave in zip(sorted(used_waves, key=len), expected, strict=True):
        assert len(wave) == len(part_wave) and np.abs(wave - part_wave).max() < 1e-3


def test_refused_clips_are_left_out_and_reported(parts, features, codebook):
    kept, message = with_features(parts, features)
    assert [clip.id for clip in kept] == ["a", "b", "end"] and message == "1 of 4 clips have no features: 1 late_face"
    assert with_features(kept, features)[1] == ""
    other = Clip("gone", "/nowhere.mp4", "", "", 5)
    assert extract_corpus([parts[0], other], codebook, features) == {"kept": 1, "unreadable": 1}
    assert read_json(features / "refused.json")["counts"] == {"late_face": 1, "unreadable": 1}, "earlier ones stay"
    assert Segments(parts, VocoderDataConfig(("train",), ("dev",), str(features), segment=10), 0).clips == kept


def test_processes_make_the_same_features(parts, features, codebook, tmp_path):
    assert extract_corpus(parts, codebook, tmp_path / "again", jobs=2) == {"made": 3, "late_face": 1}
    for clip in with_features(parts, features)[0]:
        first, second = (load_features(folder, clip) for folder in (features, tmp_path / "again"))
        assert torch.equal(first.wave, second.wave) and torch.equal(first.units, second.units)
        assert torch.allclose(first.speaker, second.speaker, atol=1e-4)


def test_statistics_of_stored_features(parts, features):
    clips = with_features(parts, features)[0]
    dataset = SpeechDataset(clips, features, NoText(), None)
    mels = torch.cat([stored.mel for stored in StoredFeatures(features, clips)])
    mean, deviation = dataset.mel_statistics()
    assert torch.allclose(mean, mels.mean(0), atol=1e-4)
    assert torch.allclose(deviation, mels.std(0).clamp(min=0.1), atol=1e-4)
    voices = {tuple(dataset.voice(0, epoch).tolist()) for epoch in range(8)}
    assert voices == {tuple(load_features(features, clip).speaker.tolist()) for clip in clips[1:]}, "cross"


def test_missing_features_are_named(parts, features):
    with pytest.raises(VsrError, match="late.safetensors is not there: run lip2speech features"):
        StoredFeatures(features, parts)


def test_model_without_text_cannot_be_tuned_on_text():
    data = {"train": ["a"], "dev": ["b"], "features": "f", "units": "u"}
    config = build(VoiceTrainConfig, {"data": data})
    with pytest.raises(VsrError, match="no CTC head to train on text: set text_weight to 0"):
        config.model_config({"vocab_size": 0, "ctc_weight": 0.0}, 9)


def test_protocol_without_a_reference_voice_is_vision():
    assert SynthesisOptions(protocol="vision").protocol == "vision"
    assert header("vision", "").startswith("Reference voice: vision (none: the model's own voice). ASR: none.")
    with pytest.raises(VsrError, match="the protocol is 'none'; it can be cross, self, vision"):
        SynthesisOptions(protocol="none")


EVEN = np.arange(75) / 25


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_of_a_part_is_that_of_its_frames(tmp_path, suffix):
    """In a video whose sound begins 7 s before the frames, one of which is held from 10 to 25 s."""
    path = write_recording(tmp_path / f"film.{suffix}", [*(7 + EVEN), *(25 + EVEN), *(28 + EVEN)], clicks(34))
    for start, end, seconds in ((8, 9, [8]), (26, 28, [26, 27]), (9, 26, [9, 25]), (5, 8, [7]), (29, 0, [29, 30])):
        numbers, times = read(path, start=start, end=end)
        wave = natural_wave(Clip("x", str(path), "", "s", start=start, end=end))
        assert len(wave) == 640 * len(numbers) == 16_000 * len(seconds)
        assert [second_of(wave[k * 16_000 + 1600 : (k + 1) * 16_000 - 1600]) for k in range(len(seconds))] == seconds
    whole = natural_wave(Clip("x", str(path), "", "s", 225))
    assert len(whole) == 225 * 640 and second_of(whole[3 * 16_000 + 1600 : 4 * 16_000 - 1600]) == 25


def test_sound_of_a_part_is_found_by_the_index(tmp_path, monkeypatch):
    from vsr.media import container

    path = write_recording(tmp_path / "film.mp4", np.arange(1500) / 25, clicks(60), options={"g": "50"})
    whole, packets, safe = read_wave(path), [], container.safe_packets

    def counting(source, stream):
        for packet in safe(source, stream):
            packets.append(packet.stream.type)
            yield packet

    monkeypatch.setattr(container, "safe_packets", counting)
    wave = natural_wave(Clip("x", str(path), "", "s", start=50, end=52))
    assert np.abs(wave - whole[50 * 16_000 : 52 * 16_000]).max() < 1e-3
    assert packets.count("audio") < 60_000 / 960 * 10


@pytest.mark.parametrize("count", [75, 79, 91])
def test_crop_is_not_late_by_rounding(tmp_path, codebook, count):
    """Half a frame at 25 a second is rounded as the reader rounds it."""
    path = write_recording(tmp_path / "fast.mp4", np.arange(count) / 50, clicks(3), fps=50)
    frames = len(read(path)[1])
    clip = Clip("fast", str(path), "bin", "s", frames, "fast.npy")
    assert extract_corpus([clip], codebook, tmp_path / "features") == {"made": 1}
    shorter = Clip("late", str(path), "bin", "s", frames - 1, "late.npy")
    assert extract_corpus([shorter], codebook, tmp_path / "features") == {"late_face": 1}
