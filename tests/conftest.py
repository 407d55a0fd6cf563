"""What several tests need: small videos and a tiny model with random weights."""

import itertools
import os
import re
from fractions import Fraction

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
_folder_numbers = itertools.count()


def _new_folder(tmp_path_factory, name):
    """pytest's own numbered folders list all earlier ones, which takes a minute with thousands of tests."""
    folder = tmp_path_factory.getbasetemp() / f"{name}-{next(_folder_numbers)}"
    folder.mkdir()
    return folder


@pytest.fixture
def tmp_path(tmp_path_factory, request):
    """An empty folder, named like the test."""
    return _new_folder(tmp_path_factory, re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(autouse=True)
def consented(tmp_path_factory, monkeypatch):
    """Consent was given before, in no folder of the user's."""
    from lip2speech.cli.consent import check_consent

    monkeypatch.setenv("XDG_CONFIG_HOME", str(_new_folder(tmp_path_factory, "config")))
    check_consent(True, "a test")


def talking_face(num_frames, size=256):
    """RGB frames (num_frames, size, size, 3) of a public-domain photograph whose mouth opens and closes."""
    from skimage.data import astronaut
    from skimage.transform import resize

    photograph = (resize(astronaut()[:320, 60:380], (size, size)) * 255).astype(np.uint8)
    rows, columns = np.mgrid[:size, :size] / size
    images = np.repeat(photograph[None], num_frames, axis=0)
    for index, image in enumerate(images):
        opening = 0.004 + 0.012 * (1 + np.sin(index / 2))
        mouth = ((columns - 0.5) / 0.05) ** 2 + ((rows - 0.445) / opening) ** 2 < 1
        image[mouth] = (60, 20, 20)
    return images


def write_video(path, images, fps=25, codec="libx264", pixel_format="yuv420p", times=None, options=None):
    """Encode RGB frames (T, H, W, 3); `times` (seconds) make the frame rate variable."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = pixel_format
        if codec == "libx264":  # which writes other bytes with other threads: as many as it takes on two cores
            stream.codec_context.thread_count = 3
        # Old codecs know no time base but the frame rate.
        ticks = fps if times is None else 90_000
        stream.codec_context.time_base = stream.time_base = Fraction(1, ticks)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else round(times[index] * ticks)
            frame.time_base = Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path, seconds=1.0):
    """An mp4 with sound and no frame."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        wave = np.zeros((1, int(16_000 * seconds)), np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory):
    """A talking face of one second, 25 fps."""
    return write_video(tmp_path_factory.mktemp("clips") / "face.mp4", talking_face(25))


@pytest.fixture(scope="session")
def landscape_clip(tmp_path_factory):
    """A frame without a face."""
    rows = np.linspace(255, 40, 128).astype(np.uint8)
    image = np.stack([rows // 2, rows // 2 + 60, rows], axis=-1)[:, None].repeat(128, axis=1)
    images = np.repeat(image[None], 15, axis=0)
    return write_video(tmp_path_factory.mktemp("clips") / "landscape.mp4", images)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of a model with random weights that reads nonsense, but reads."""
    import torch

    from vsr.models.lipreader import LipReader, LipReaderConfig
    from vsr.modelstore.folder import save_model
    from vsr.text.tokenizer import CharTokenizer

    torch.manual_seed(0)
    tokenizer = CharTokenizer()
    config = LipReaderConfig(
        vocab_size=tokenizer.vocab_size, frontend_width=16, frontend_layers=1, frontend_heads=2,
        dim=32, heads=2, hidden=32, layers=1, kernel=3, decoder_layers=1, decoder_hidden=32,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return save_model(folder, LipReader(config), tokenizer, {"name": "tiny"})


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A tiny language model of the real class with a tokenizer of characters, as safetensors."""
    pytest.importorskip("tokenizers")
    pytest.importorskip("transformers")
    from tests.tiny_llm import save_tiny_llm

    return save_tiny_llm(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def make_face():
    return talking_face


@pytest.fixture(scope="session")
def make_video():
    return write_video


@pytest.fixture(scope="session")
def gapped_clip(tmp_path_factory):
    """A face for 4 s, nobody for 2 s, the face again for 4 s, mirrored and darker."""
    face = talking_face(100, size=128)
    nobody = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3), np.uint8).repeat(50, 0)
    frames = np.concatenate([face, nobody, face[:, :, ::-1] // 2])
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", frames, options={"preset": "ultrafast"})


@pytest.fixture(scope="session")
def make_sound():
    return write_sound


def pytest_collection_modifyitems(items):
    """Files with slow tests first: where two files are tested at a time, none of them is left for the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
