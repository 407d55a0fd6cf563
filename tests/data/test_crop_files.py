"""Stored mouth crops: arrays and videos give the same frames, exactly or nearly, and the loader reads both."""

from dataclasses import replace

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.batch import CropDataset
from vsr.data.crop_files import count_frames, file_name, read_crop, write_crop
from vsr.data.crop_formats import STORES
from vsr.data.cropping import crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.text.tokenizer import CharTokenizer

pytest.importorskip("decord", reason="decord is not installed")


def crop_of(frames, seed=0):
    """(T, 96, 96): a bright blob that wanders over a gradient, from black to white."""
    y, x = np.mgrid[:96, :96]
    middles = 30 + 30 * np.random.default_rng(seed).random((frames, 2))
    blobs = [255 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 300) for a, b in middles]
    return np.stack([np.clip(blob + x - 20, 0, 255) for blob in blobs]).astype(np.uint8)


@pytest.mark.parametrize("frames", [1, 2, 75, 301])
@pytest.mark.parametrize("store", STORES)
def test_written_crop_is_read_back(tmp_path, store, frames):
    crop, path = crop_of(frames), tmp_path / file_name("a", store)
    assert crop.min() == 0 and crop.max() > 250, "the whole range of gray"
    write_crop(path, crop, store)
    stored = read_crop(path)
    assert stored.shape == crop.shape and stored.dtype == np.uint8 and count_frames(path) == frames
    error = np.abs(stored.astype(int) - crop)
    assert error.max() == 0 if store != "video" else error.mean() < 1


def test_videos_are_smaller_than_arrays(tmp_path):
    crop = crop_of(50)
    sizes = []
    for store in STORES:
        path = tmp_path / store
        write_crop(path, crop, store)
        sizes.append(path.stat().st_size)
    array, video, lossless = sizes
    assert video < lossless < array / 2 and video < array / 10


def other_size(path):
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(128, 96, "yuv420p")))
        container.mux(stream.encode())


def half_a_video(path):
    write_crop(path, crop_of(9), "video")
    path.write_bytes(path.read_bytes()[:1500])


DAMAGED = {
    "text": lambda path: path.write_text("no video"), "empty": lambda path: path.write_bytes(b""),
    "half": half_a_video, "wide": other_size, "missing": lambda path: None,
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_crop_has_no_frames_and_is_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "a.mp4"
    DAMAGED[kind](path)
    assert count_frames(path) == 0
    clips = [Clip("a", "v.mp4", "bin", num_frames=9, crop=str(path))]
    with pytest.raises(VsrError, match="cannot read the crop of a") as caught:
        CropDataset(clips, CharTokenizer(), None).item(0)
    assert len(str(caught.value).splitlines()) == 1


def test_loader_gives_the_same_batch_of_arrays_and_videos(tmp_path):
    clips = []
    for number, frames in enumerate((12, 30)):
        for store in ("npy", "lossless"):
            write_crop(tmp_path / file_name(f"c{number}", store), crop_of(frames, number), store)
        clips.append(Clip(f"c{number}", "v.mp4", "bin", num_frames=frames, crop=str(tmp_path / f"c{number}.npy")))
    videos = [replace(clip, crop=clip.crop.replace(".npy", ".mp4")) for clip in clips]
    first, second = (CropDataset(stored, CharTokenizer(), None).batch([0, 1]) for stored in (clips, videos))
    assert (first.video == second.video).all() and (first.lengths == second.lengths).all()


@pytest.fixture
def corpus(tmp_path, face_clip):
    write_manifest(tmp_path / "in.jsonl", [Clip("c", str(face_clip), "bin blue")])
    return tmp_path


def test_corpus_is_cropped_to_videos_and_kept(corpus, capsys):
    command = ["crop", "--manifest", str(corpus / "in.jsonl"), "--out", str(corpus / "out"), "--jobs", "1", "--store"]
    for store, summary in (
        ("lossless", "1 cropped"),
        ("lossless", "1 kept"),
        ("video", "1 cropped"),
        ("video", "1 kept"),
    ):
        assert main([*command, store]) == 0
        assert capsys.readouterr().out.strip() == summary
    assert main([*command[:-1]]) == 0
    array, video = (read_crop(corpus / "out" / name) for name in ("c.npy", "c.mp4"))
    assert array.shape == video.shape == (25, 96, 96) and np.abs(array.astype(int) - video).mean() < 1.5
    (clip,) = read_manifest(corpus / "out" / "manifest.jsonl")
    assert clip.crop.endswith("c.npy")


def test_video_of_a_corpus_is_never_replaced_by_its_crop(corpus, face_clip):
    video = corpus / "videos" / "c.mp4"
    video.parent.mkdir()
    video.write_bytes(face_clip.read_bytes())
    write_manifest(corpus / "in.jsonl", [Clip("c", str(face_clip), "bin blue")])
    for source in (face_clip, video):  # a foreign file of that name, and the very video that is read
        write_manifest(corpus / "in.jsonl", [Clip("c", str(source), "bin blue")])
        with pytest.raises(VsrError):
            crop_corpus(corpus / "in.jsonl", video.parent, store="video")
        assert video.read_bytes() == face_clip.read_bytes()
