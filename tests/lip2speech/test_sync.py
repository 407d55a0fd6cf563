"""Offsets of sound and video are found where clips have them, and left at zero where there are none."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lip2speech.av_sync import offsets as sync
from lip2speech.av_sync.eigenlips import Eigenlips
from lip2speech.av_sync.predictor import BANDS, bands_of, fit_predictor
from lip2speech.cli import main
from lip2speech.features.corpus import extract_corpus
from lip2speech.features.lag import Lag, clip_lag, lag, shift_bands, shift_wave
from lip2speech.features.stored import load_features
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.units import Mfcc, fit_codebook

pytestmark = pytest.mark.slow

NO_OFFSET = json.dumps({"format": sync.FORMAT, "clips": {"a": {}}})
FRAMES = 60
HIDDEN = 3  # movements of the mouth that are heard


def movement(rng, count, width):
    """(count, 3) signals of unit deviation, smooth over ``width`` steps."""
    noise = rng.normal(size=(count + width - 1, HIDDEN))
    kernel = np.hanning(width)
    return np.stack([np.convolve(column, kernel, "valid") for column in noise.T], 1) / np.linalg.norm(kernel)


def make_clip(folder, rng, number, offset):
    """A clip whose sound is late by ``offset`` seconds: crop and features."""
    same = np.random.default_rng(7)  # the same for all clips
    looks = same.normal(size=(HIDDEN, 32, 32)).repeat(3, 1).repeat(3, 2)
    mixing = same.normal(size=(HIDDEN, 20)).repeat(4, 1)
    moves = movement(rng, 40 * FRAMES + 400, 250)  # at 1000 Hz
    crop = 128 + 12 * np.tensordot(moves[200 + 20 :: 40][:FRAMES], looks, 1)
    mel = moves[200 + 5 - round(1000 * offset) :: 10][: 4 * FRAMES] @ mixing - 3
    name = f"clip{number:03d}"
    np.save(folder / f"{name}.npy", crop.clip(0, 255).astype(np.uint8))
    save_file(
        {
            "wave": torch.zeros(640 * FRAMES, dtype=torch.int16), "mel": torch.from_numpy(mel).float(),
            "units": torch.zeros(2 * FRAMES, dtype=torch.int16), "speaker": torch.ones(256) / 16,
        },
        str(folder / f"{name}.safetensors"),
    )  # fmt: skip
    return Clip(name, "no video", "", "s", FRAMES, str(folder / f"{name}.npy"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """(clips, true offsets, folder) of a corpus cut at whole frames."""
    folder, rng = tmp_path_factory.mktemp("sync"), np.random.default_rng(0)
    offsets = rng.uniform(-0.02, 0.02, 40)
    return [make_clip(folder, rng, n, offset) for n, offset in enumerate(offsets)], offsets, folder


def test_offsets_are_recovered(corpus):
    clips, offsets, folder = corpus
    measured = sync.measure(clips[:32], clips[32:], folder)
    estimated = np.array([measured.offsets()[clip.id] for clip in clips])
    assert np.corrcoef(estimated, offsets)[0, 1] > 0.9
    assert np.std(estimated - offsets) < 0.5 * np.std(offsets)
    assert measured.reliability > 0.7


def test_noise_has_no_offset(corpus):
    """Sound that is unrelated to the lips must not be moved."""
    clips, _, folder = corpus
    rng = np.random.default_rng(3)
    lags = [Lag(*rng.uniform(-0.16, 0.16, 3)) for _ in clips]
    assert sync.reliability(lags) < 0.3
    assert sync.reliability([Lag(0.0, 0.0, 0.0)] * 5) == 0.0


def test_lag_that_its_halves_contradict_counts_as_none():
    lags = {"a": Lag(0.01, 0.012, 0.008), "b": Lag(0.01, -0.03, 0.05), "c": Lag(0.15, 0.15, 0.15)}
    measured = sync.CorpusLags(lags, 0.9)
    assert measured.offsets() == {"a": pytest.approx(0.009), "b": 0.0, "c": 0.0}
    assert "2 could not be measured" in measured.summary()


@pytest.mark.parametrize("late", [-0.0213, -0.01, 0.0, 0.0044, 0.02])
def test_lag_of_shifted_bands_is_found(late):
    rng = np.random.default_rng(1)
    bands = torch.from_numpy(movement(rng, 300, 25) @ rng.normal(size=(HIDDEN, BANDS))).float()
    shifted = shift_bands(bands, -late)
    assert lag(shifted, bands) == pytest.approx(late, abs=0.001)
    assert clip_lag(shifted, bands).whole == pytest.approx(late, abs=0.001)


@pytest.mark.parametrize("late", [-0.02, 0.0, 0.0131])
def test_moved_sound_keeps_its_length_and_is_on_time(voice_like, late):
    samples = round(16_000 * late)
    recorded = np.roll(voice_like, samples)
    on_time = shift_wave(recorded, late)
    assert on_time.shape == voice_like.shape
    inside = slice(400, -400)
    np.testing.assert_array_equal(on_time[inside], voice_like[inside])


def test_eigenlips_do_not_depend_on_the_person(corpus):
    clips, _, _ = corpus
    crops = [np.load(clip.crop) for clip in clips]
    lips = Eigenlips.fit(crops)
    brighter = np.clip(crops[0].astype(int) + 20, 0, 255).astype(np.uint8)
    projected = lips(crops[0])
    assert projected.mean(0).abs().max() < 1e-4
    assert (lips(brighter) - projected).abs().mean() < 0.1 * projected.abs().mean()


def test_refuses_still_lips():
    with pytest.raises(VsrError, match="no movement"):
        Eigenlips.fit([np.full((10, 96, 96), 90, np.uint8)] * 3)


def test_bands_do_not_depend_on_loudness():
    mel = torch.randn(40, 80)
    torch.testing.assert_close(bands_of(mel + 1.5), bands_of(mel))


def test_fitting_is_reproducible_and_keeps_the_random_state(corpus):
    lips, bands = [torch.randn(30, 8), torch.randn(200, 8)], [torch.randn(120, 20), torch.randn(800, 20)]
    state = torch.random.get_rng_state()
    first, second = (fit_predictor(lips, bands, seed=4, epochs=1) for _ in range(2))
    torch.testing.assert_close(first(lips[0][None]), second(lips[0][None]), rtol=0, atol=0)
    assert torch.equal(state, torch.random.get_rng_state())
    assert first(lips[0][None]).shape == (1, 120, 20)


def test_refuses_too_few_clips(corpus, tmp_path, capsys):
    clips, _, folder = corpus
    write_manifest(tmp_path / "few.jsonl", clips[:5])
    command = [
        "sync",
        "--manifest",
        str(tmp_path / "few.jsonl"),
        "--features",
        str(folder),
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(command) == 1
    assert "5 clips are too few" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other"}', NO_OFFSET])
def test_refuses_wrong_file_of_offsets(tmp_path, text):
    (tmp_path / "offsets.json").write_text(text)
    with pytest.raises(VsrError, match="is no file of lip2speech sync"):
        sync.read_offsets(tmp_path / "offsets.json")


def test_saved_offsets_are_read_back(tmp_path):
    measured = sync.CorpusLags({"a": Lag(0.01, 0.012, 0.008)}, 0.9)
    measured.save(tmp_path / "offsets.json")
    assert sync.read_offsets(tmp_path / "offsets.json") == pytest.approx(measured.offsets())
    assert json.loads((tmp_path / "offsets.json").read_text())["clips"]["a"]["second"] == 0.008


def test_features_are_made_again_only_for_another_offset(tmp_path, voice_like):
    import av

    from vsr.media.mux.mux import mux

    clips = []
    for name in ("a", "b"):
        silent = tmp_path / f"{name}0.mp4"
        with av.open(str(silent), "w") as output:
            stream = output.add_stream("mpeg4", rate=25)
            stream.width = stream.height = 32
            for _ in range(75):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
            output.mux(stream.encode())
        mux(silent, voice_like, tmp_path / f"{name}.mp4")
        clips.append(Clip(name, str(tmp_path / f"{name}.mp4"), "", "s", 75, "crop"))
    codebook = tmp_path / "units.safetensors"
    fit_codebook(Mfcc(), [voice_like], 8, 0).save(codebook)
    output = tmp_path / "features"
    assert extract_corpus(clips, codebook, output) == {"made": 2}
    without_offset = load_features(output, clips[1]).wave.numpy()
    assert extract_corpus(clips, codebook, output, offsets={"b": 0.01}) == {"made": 1, "kept": 1}
    assert extract_corpus(clips, codebook, output, offsets={"b": 0.01}) == {"kept": 2}
    np.testing.assert_array_equal(load_features(output, clips[1]).wave.numpy()[:-160], without_offset[160:])
    assert extract_corpus(clips, codebook, output) == {"made": 1, "kept": 1}
