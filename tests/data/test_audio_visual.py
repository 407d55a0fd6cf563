"""Clips with sound in batches: modality dropout follows the seed, noise has its ratio, no clip loses both streams."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vsr.core.errors import VsrError
from vsr.data.audio_visual import AudioVisualDataset, ModalityDropout, WrongLips
from vsr.data.corruption import Corruption
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.sound_corruption import Noise, SoundCorruption
from vsr.data.sound_input import clip_wave, stored_wave, to_sound_input
from vsr.data.transforms import Augmentation
from vsr.media import mixing
from vsr.media.audio import write_wave
from vsr.media.levels import mix_at_snr
from vsr.text.tokenizer import CharTokenizer


def make_clips(folder, count=6, frames=20, silent=()):
    """Crops and sounds in which each frame has a brightness and a loudness of its own."""
    clips = []
    for i in range(count):
        levels = np.linspace(0.05, 0.5, frames)
        crop = np.repeat((6 * np.arange(frames, dtype=np.uint8))[:, None, None], 96, 1).repeat(96, 2)
        np.save(folder / f"c{i}.npy", crop)
        rng = np.random.default_rng(i)
        write_wave(folder / f"c{i}.wav", np.repeat(levels, 640) * rng.uniform(-1, 1, 640 * frames))
        sound = "" if i in silent else str(folder / f"c{i}.wav")
        clips.append(Clip(f"c{i}", f"c{i}.mp4", "ab", "s", frames, str(folder / f"c{i}.npy"), sound=sound))
    return clips


TOKENS = CharTokenizer("ab ")


def test_modality_dropout_follows_seed_clip_and_epoch_and_keeps_one_stream(tmp_path):
    clips = make_clips(tmp_path)
    make = lambda: AudioVisualDataset(clips, TOKENS, Augmentation(), 3, dropout=ModalityDropout(0.3, 0.3))  # noqa: E731
    modalities_shown = [[make().modalities_shown(i, epoch) for i in range(6)] for epoch in range(60)]
    assert modalities_shown == [[make().modalities_shown(i, epoch) for i in range(6)] for epoch in range(60)]
    all_shown = [streams for epoch in modalities_shown for streams in epoch]
    assert {(VIDEO,), (SOUND,), (VIDEO, SOUND)} == set(all_shown)
    assert (
        abs(all_shown.count((SOUND,)) / len(all_shown) - 0.3) < 0.08
        and abs(all_shown.count((VIDEO,)) / len(all_shown) - 0.3) < 0.08
    )
    dropout = ModalityDropout(0.5, 0.5)
    assert all(len(dropout.draw_modalities(np.random.default_rng(i))) == 1 for i in range(100))


def test_batch_has_zeros_and_a_flag_for_dropped_streams(tmp_path):
    clips = make_clips(tmp_path, silent=(1,))
    dataset = AudioVisualDataset(clips, TOKENS, Augmentation(), dropout=ModalityDropout(0.4, 0.3))
    for epoch in range(8):
        batch = dataset.batch(list(range(6)), epoch)
        for row in range(6):
            for name in (VIDEO, SOUND):
                assert bool(batch.has(name)[row]) == bool(batch.inputs[name][row].abs().sum() > 0)
        assert not batch.has(SOUND)[1] and batch.has(VIDEO)[1]
        assert (batch.has(VIDEO) | batch.has(SOUND)).all()


def test_sound_is_resampled_with_the_frames(tmp_path):
    """Faster and slower clips keep four mel frames for each frame."""
    clips = make_clips(tmp_path, 1, 40)
    plain = AudioVisualDataset(clips, TOKENS).item(0).inputs[SOUND]
    moved = AudioVisualDataset(clips, TOKENS, Augmentation(flip=0, speed=0.3, mask_frames=0, light=0), 1).item(0, 2)
    frames = moved.inputs[VIDEO].mean((1, 2, 3))
    places = ((frames * 0.165 + 0.421) * 42.5).round().long()
    assert len(places) != 40
    torch.testing.assert_close(moved.inputs[SOUND], plain[places])


def noisy(probability=1.0, snr=(-5.0, 15.0), kinds=("babble", "white")):
    """Corruption of the sound by noise of any ratio in a range."""
    return Corruption(SoundCorruption(Noise(probability, kinds, snr, 2, evenly=True)))


def test_noise_has_the_drawn_ratio_and_is_reproducible(tmp_path, monkeypatch):
    clips, added = make_clips(tmp_path), []

    def record(wave, noise, decibels):
        mixture = mix_at_snr(wave, noise, decibels)
        added.append((decibels, mixing.snr(wave, mixture.astype(np.float64) - wave)))
        return mixture

    monkeypatch.setattr("vsr.data.sound_corruption.mix_at_snr", record)
    dataset = AudioVisualDataset(clips, TOKENS, None, 0, corruption=noisy())
    for epoch in range(5):
        dataset.batch(list(range(6)), epoch)
    drawn, measured = map(np.array, zip(*added, strict=True))
    assert len(drawn) == 30 and drawn.min() >= -5 and drawn.max() <= 15 and drawn.std() > 3
    assert len(set(drawn)) == 30 and np.corrcoef(drawn, measured)[0, 1] > 0.99
    again = AudioVisualDataset(clips, TOKENS, None, 0, corruption=noisy())
    torch.testing.assert_close(again.item(2, 1).inputs[SOUND], dataset.item(2, 1).inputs[SOUND], rtol=0, atol=0)


def test_only_clear_sound_is_shown_with_other_lips(tmp_path, monkeypatch):
    clips, crops_read = make_clips(tmp_path), []
    monkeypatch.setattr(AudioVisualDataset, "crop", lambda self, clip: crops_read.append(clip.id) or np.load(clip.crop))
    noise = noisy(0.7, (-10, 20), ("white",))
    dataset = AudioVisualDataset(clips, TOKENS, None, 5, wrong_lips=WrongLips(0.5, 5.0), corruption=noise)
    exchanged = {True: [], False: []}
    for epoch in range(40):
        for index in range(6):
            dataset.item(index, epoch)
            exchanged[not dataset._noisy(index, epoch, 5.0)].append(crops_read[-1] != f"c{index}")
    assert not any(exchanged[False]) and abs(np.mean(exchanged[True]) - 0.5 * 5 / 6) < 0.1
    alone = AudioVisualDataset(clips, TOKENS, None, 5, modalities=(VIDEO,), wrong_lips=WrongLips(1.0))
    alone.item(3)
    assert crops_read[-1] == "c3"


def test_two_groups_of_bands_are_masked_for_the_whole_clip(tmp_path):
    clips = make_clips(tmp_path)
    still = Augmentation(flip=0, speed=0, mask_frames=0, light=0)
    make = lambda bands: AudioVisualDataset(clips, TOKENS, replace(still, mask_bands=bands))  # noqa: E731
    plain, masked = make(0), make(20)
    hidden = []
    for index in range(6):
        unmasked, cut = (dataset.item(index).inputs[SOUND] for dataset in (plain, masked))
        bands = (unmasked != cut).any((0, 1)).nonzero()[:, 0]
        assert not cut[..., bands].any() and torch.equal(unmasked[..., cut.any((0, 1))], cut[..., cut.any((0, 1))])
        hidden.append(len(bands))
    assert max(hidden) <= 40 and len(set(hidden)) > 2


def test_level_and_spectrum_of_the_microphone_do_not_change_the_input():
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.standard_normal(640 * 30) * np.repeat(rng.uniform(0.2, 1, 30), 640)).astype(np.float32)
    features = to_sound_input(wave)
    assert features.shape == (30, 4, 80)
    torch.testing.assert_close(features, to_sound_input(wave * 3), atol=1e-3, rtol=1e-3)
    assert not to_sound_input(np.zeros(6400, np.float32)).any()
    with pytest.raises(ValueError):
        to_sound_input(wave[:-1])


def test_manifest_keeps_the_sound_and_earlier_manifests_are_read(tmp_path):
    clips = make_clips(tmp_path, 2)
    write_manifest(tmp_path / "m.jsonl", clips)
    assert read_manifest(tmp_path / "m.jsonl") == clips
    (tmp_path / "old.jsonl").write_text('{"id": "a", "video": "a.mp4", "text": "b"}\n', encoding="utf-8")
    assert read_manifest(tmp_path / "old.jsonl")[0].sound == ""


@pytest.mark.parametrize("modalities, silent", [((SOUND,), (1,)), ((VIDEO, SOUND), range(6))])
def test_refuses_clips_without_the_sound_that_is_read(tmp_path, modalities, silent):
    clips = make_clips(tmp_path, silent=silent)
    with pytest.raises(VsrError, match="have no sound, such as c.: run vsr waves first"):
        AudioVisualDataset(clips, TOKENS, modalities=modalities)
    AudioVisualDataset(clips, TOKENS, modalities=(VIDEO,))


def test_refuses_sound_that_does_not_fit_its_crop(tmp_path):
    clip = make_clips(tmp_path, 1)[0]
    with pytest.raises(VsrError, match="12800 samples, its crop of 19 frames wants 12160"):
        clip_wave(replace(clip, num_frames=19))
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(VsrError, match="cannot read the sound of c0"):
        clip_wave(replace(clip, sound=str(tmp_path / "bad.wav")))
    with pytest.raises(OSError):
        stored_wave(tmp_path / "none.wav")


@pytest.mark.parametrize(
    "kind, settings",
    [
        (ModalityDropout, {"video": 0.7, "sound": 0.6}),
        (ModalityDropout, {"video": -0.1}),
        (Augmentation, {"mask_bands": 81}),
    ],
)
def test_refuses_impossible_settings(kind, settings):
    with pytest.raises(VsrError, match="data\\."):
        kind(**settings)
