"""Units, mels and vectors prepared elsewhere become features on our clock; what does not fit is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lip2speech.features.stored import load_features
from lip2speech.training.vocoder_segments import Segments
from lip2speech.vocoders.config import VocoderDataConfig
from vsr.cli import main
from vsr.data.exchange.prepared_speech import at_unit_rate, fit_steps
from vsr.data.exchange.roi import write_roi
from vsr.data.manifest import Clip, read_manifest
from vsr.media.audio import write_wave
from vsr.media.mel import log_mel
from vsr.media.units import Codebook

FRAMES = {"00001": 30, "00002": 26}
UNITS = ["7", "3", "11", "0"]  # the dictionary's order is not numeric


@pytest.fixture
def tree(tmp_path):
    """Two clips as lip2speech-unit stores them, with the root of another machine; the sound is 256 samples longer."""
    root, rng, lines, units = tmp_path / "lrs3", np.random.default_rng(0), ["../elsewhere"], []
    for name, frames in FRAMES.items():
        crop = rng.integers(0, 255, (frames, 96, 96), dtype=np.uint8)
        np.save(tmp_path / "crop.npy", crop)
        clip = Clip("c", "c.mp4", "", "abc", frames, str(tmp_path / "crop.npy"))
        write_roi(clip, root / "video" / "test" / "abc" / f"{name}.mp4")
        wave = rng.normal(0, 0.1, frames * 640 + 256).astype(np.float32)
        for folder in ("audio", "mel", "spk_emb"):
            (root / folder / "test" / "abc").mkdir(parents=True, exist_ok=True)
        write_wave(root / "audio" / "test" / "abc" / f"{name}.wav", wave)
        np.save(root / "mel" / "test" / "abc" / f"{name}.npy", np.full((frames * 4 + 2, 80), int(name), np.float32))
        vector = np.zeros(256, np.float32)
        vector[int(name)] = 1
        np.save(root / "spk_emb" / "test" / "abc" / f"{name}.npy", vector)
        name_in_list = f"test/abc/{name}"
        lines.append(f"{name_in_list}\tvideo/{name_in_list}.mp4\taudio/{name_in_list}.wav\t{frames}\t{len(wave)}")
        units.append(" ".join(UNITS[k % 4] for k in range(2 * frames - 1)))
    (root / "label").mkdir()
    (root / "label" / "test.tsv").write_text("\n".join(lines) + "\n")
    (root / "label" / "test.unt").write_text("\n".join(units) + "\n")
    (root / "label" / "dict.unt.txt").write_text("".join(f"{unit} 1\n" for unit in UNITS))
    return root


def convert(tree, out):
    arguments = ["--input", str(tree / "label" / "test.tsv"), "--out", str(out)]
    return main(["convert", "--from", "av_hubert", "--to", "manifest", *arguments])


def test_tree_without_texts_becomes_a_manifest_with_features(tree, tmp_path):
    assert convert(tree, tmp_path / "out") == 0
    clips = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert [(clip.id, clip.text, clip.num_frames) for clip in clips] == [
        ("test_abc_00001", "", 30), ("test_abc_00002", "", 26)
    ]  # fmt: skip
    for number, clip in enumerate(clips, 1):
        features = load_features(tmp_path / "out" / "features", clip)
        assert (features.mel == number).all() and features.speaker.argmax() == number
        expected = [k % 4 for k in range(2 * clip.num_frames - 1)]
        assert features.units.tolist() == [*expected, expected[-1]], "units are indices of the dictionary"
    assert len(Codebook.load(tmp_path / "out" / "features" / "units.safetensors")) == 4
    data = VocoderDataConfig(("a",), ("b",), str(tmp_path / "out" / "features"), segment=10)
    assert Segments(clips, data, 0).batch([0, 1]).mel.shape == (2, 40, 80)


def test_missing_mels_are_computed_from_the_sound(tree, tmp_path):
    (tree / "mel" / "test" / "abc" / "00001.npy").unlink()
    assert convert(tree, tmp_path / "out") == 0
    features = load_features(tmp_path / "out" / "features", read_manifest(tmp_path / "out" / "manifest.jsonl")[0])
    assert np.allclose(features.mel, log_mel(features.wave), atol=0.05)  # of the wave before it was rounded to 16 bits


def test_texts_are_used_if_present(tree, tmp_path):
    (tree / "label" / "test.wrd").write_text("so it goes\nand on\n")
    assert convert(tree, tmp_path / "out") == 0
    assert [clip.text for clip in read_manifest(tmp_path / "out" / "manifest.jsonl")] == ["so it goes", "and on"]
    assert (tmp_path / "out" / "features" / "test_abc_00002.safetensors").is_file()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("label/test.unt", "7 3\n", "has 2 clips, test.unt 1 rows of units"),
        ("label/test.unt", "7 3\n7 99\n", "line 2: '99' is no unit of the dictionary"),
        ("label/test.unt", "7 3 0\n" * 2, "its clip has 30"),
        ("label/dict.unt.txt", None, "dict.unt.txt is not there"),
        ("label/test.unt", None, "test.wrd"),
        ("spk_emb/test/abc/00002.npy", None, "00002.npy is not there"),
        ("spk_emb/test/abc/00002.npy", "no array", "00002.npy cannot be read"),
        ("audio/test/abc/00001.wav", None, "00001.wav is not there"),
    ],
)
def test_files_that_do_not_fit_are_named(tree, tmp_path, capsys, name, text, message):
    if text is None:
        (tree / name).unlink()
    else:
        (tree / name).write_text(text)
    assert convert(tree, tmp_path / "out") == 1
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1


@given(frames=st.integers(5, 200), rate=st.sampled_from([1, 2, 4]), off=st.integers(-1, 1))
def test_units_of_any_rate_are_brought_to_50_hz(frames, rate, off):
    resampled = at_unit_rate(np.arange(frames * rate + off), frames)
    assert abs(len(resampled) - 2 * frames) <= 2
    assert np.abs(resampled[: 2 * frames : 2] - rate * np.arange(len(resampled[: 2 * frames : 2]))).max() == 0


def test_longer_rows_are_cut_and_shorter_ones_repeat_the_end():
    assert fit_steps(np.arange(9), 8, 4, "a").tolist() == list(range(8))
    assert fit_steps(np.arange(7), 8, 4, "a").tolist() == [*range(7), 6]


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_failed_conversion_leaves_what_was_there(tree, tmp_path, capsys):
    vector = tree / "spk_emb" / "test" / "abc" / "00002.npy"
    content = vector.read_bytes()
    np.save(vector, np.ones(3, np.float32))
    assert convert(tree, tmp_path / "sub" / "out") == 1 and "00002.npy" in capsys.readouterr().err
    assert not (tmp_path / "sub").exists(), "neither crops nor folders"
    vector.write_bytes(content)
    assert convert(tree, tmp_path / "out") == 0
    before = files_in(tmp_path / "out")
    np.save(vector, np.ones(3, np.float32))
    for path in (tree / "video").rglob("*.mp4"):  # other crops, which would not fit the first run's manifest
        clip = Clip("c", "c.mp4", "", "abc", FRAMES[path.stem], str(tmp_path / "other.npy"))
        np.save(tmp_path / "other.npy", np.full((FRAMES[path.stem], 96, 96), 9, np.uint8))
        write_roi(clip, path)
    assert convert(tree, tmp_path / "out") == 1 and files_in(tmp_path / "out") == before
    vector.write_bytes(content)
    assert convert(tree, tmp_path / "out") == 0 and files_in(tmp_path / "out").keys() == before.keys()
