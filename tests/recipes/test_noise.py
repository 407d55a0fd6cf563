"""The measurement over noise: what each condition does to a clip, the gain in dB, and the table."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_audio_visual import make_clips
from vsr.data.crop_files import read_crop
from vsr.data.sound_input import clip_wave

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "noise.py"))
Cell, changed, gain = (SCRIPT[name] for name in ("Cell", "corrupt_clips", "gain"))


@pytest.fixture()
def clips(tmp_path):
    return make_clips(tmp_path, 8, 24)


def test_noise_is_the_same_at_every_ratio_and_has_its_level(clips, tmp_path):
    tested, voices = clips[:2], clips[2:]
    noises = {}
    for snr in (30.0, 10.0):
        changed_clips = changed(tested, Cell("both", "babble", snr), voices, tmp_path / f"{snr}", 0)
        added = clip_wave(changed_clips[0]) - clip_wave(tested[0])
        noises[snr] = added
        expected = SCRIPT["noisy"](tested[0], Cell("both", "babble", snr), voices, 0)
        assert np.abs(expected - clip_wave(changed_clips[0])).max() < 1e-4
    ratio = np.sqrt(np.mean(noises[10.0] ** 2) / np.mean(noises[30.0] ** 2))
    assert 20 * np.log10(ratio) == pytest.approx(20, abs=0.5)
    assert np.corrcoef(*noises.values())[0, 1] > 0.98
    assert np.abs(SCRIPT["noisy"](tested[0], Cell("both", "white", -20.0), voices, 0)).max() <= 1.0


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_share_of_frames_is_covered_and_no_others(clips, tmp_path, share):
    (covered_clip,) = changed(clips[:1], Cell("video", covered=share), clips[2:], tmp_path / "c", 0)
    before, after = read_crop(clips[0].crop), read_crop(covered_clip.crop)
    different = (before != after).any((1, 2))
    assert different.sum() == round(share * 24) and np.ptp(np.flatnonzero(different)) == different.sum() - 1
    assert (before[:, :20] == after[:, :20]).all()
    assert covered_clip.sound == clips[0].sound


def test_control_has_the_sound_of_another_clip(clips, tmp_path):
    shuffled = changed(clips[:3], Cell("both", shuffled=True), clips[3:], tmp_path / "s", 0)
    for clip, other in zip(shuffled, [clips[1], clips[2], clips[0]], strict=True):
        assert np.abs(clip_wave(clip) - clip_wave(other)).max() < 1e-4


def test_gain_is_the_distance_of_the_curves():
    sound = {10.0: 5.0, 0.0: 40.0, -10.0: 90.0}
    assert gain(sound, sound) == pytest.approx(0.0)
    assert gain(sound, {10.0: 2.0, 0.0: 20.0, -10.0: 60.0}) == pytest.approx(5.0)
    assert gain(sound, {10.0: 2.0, 0.0: 4.0, -10.0: 6.0}) == float("inf")
    assert gain(sound, {10.0: 50.0, 0.0: 60.0, -10.0: 95.0}) is None


def test_table_has_a_row_for_each_noise():
    cells = list(SCRIPT["cells_of"](["white"], [10.0, 0.0], [0.5]))
    assert len(cells) == len(set(cells)) == len({cell.name for cell in cells}) == 1 + 2 * 3 + 1 + 2
    results = {cell: {"errors": 6 if cell.modality == "both" else 12, "words": 120} for cell in cells}
    text = SCRIPT["table"](results, ["white"], [10.0, 0.0], [0.5])
    assert "| white | 0 | 10.0 (12) | 10.0 (12) | 5.0 (6) | -5.0 |" in text
    assert "more than 0 dB" in text and "| 50 % | 10.0 (12) | 5.0 (6) |" in text


def test_scores_that_follow_the_noise_correlate_with_it(clips, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "egs" / "grid" / "vsr" / "local"))
    script = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "reliability.py"))
    rng = np.random.default_rng(0)
    follows = [[(snr, {"sound": snr + rng.normal(0, 1)}) for snr in (-10, 0, 10, 20)] for _ in range(12)]
    rho, low, high = script["correlation"](follows, "sound")
    assert low > 0.85 and rho <= 1 and low <= high
    chance = [[(snr, {"sound": rng.normal()}) for snr in (-10, 0, 10, 20)] for _ in range(40)]
    rho, low, high = script["correlation"](chance, "sound")
    assert low < 0 < high and abs(rho) < 0.3


def test_scores_of_a_fusion_are_read_from_its_front_end(clips, monkeypatch):
    from tests.models.test_audio_visual import reader

    monkeypatch.syspath_prepend(str(ROOT / "egs" / "grid" / "vsr" / "local"))
    script = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "reliability.py"))
    model = reader("relscore")
    over_noise = script["over_noise"](model, clips[0], clips[2:], "white", 0)
    assert [snr for snr, _ in over_noise] == list(SCRIPT["SNRS"]) and len(
        {scores["sound"] for _, scores in over_noise}
    ) == 6
    over_cover = script["over_cover"](model, clips[0], 0)
    assert [round(share, 2) for share, _ in over_cover] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert all(0 < scores["video"] < 1 for _, scores in over_cover)


def test_limit_leaves_out_sound_that_misleads(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "egs" / "grid" / "vsr" / "local"))
    script = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "hearing.py"))
    reading, best = script["Reading"], script["best_limit"]
    readings = [reading(0.1, 2, 0), reading(0.2, 2, 1), reading(0.5, 1, 3), reading(0.9, 0, 6)]
    assert best(readings) == (0.2, 2)
    assert best([reading(0.1, 2, 0), reading(0.9, 2, 2)]) == (float("inf"), 2)
    assert script["errors_at"](-1.0, readings) == 5 and script["errors_at"](float("inf"), readings) == 10


def test_interpolated_model_has_a_share_of_both():
    import torch

    between = runpy.run_path(str(ROOT / "egs" / "grid" / "vsr" / "local" / "interpolate_weights.py"))["interpolated"]
    first = {"a": torch.tensor([0.0, 10.0]), "steps": torch.tensor(3)}
    second = {"a": torch.tensor([1.0, 20.0]), "steps": torch.tensor(7)}
    mixed = between(first, second, 0.3)
    torch.testing.assert_close(mixed["a"], torch.tensor([0.7, 17.0]))
    assert mixed["steps"] == 7 and torch.equal(between(first, second, 1.0)["a"], first["a"])
