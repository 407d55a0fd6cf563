"""Live sources are named as people know them."""

import pytest

from vsr.inference.live import source


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtsp://camera.local/stream", "the stream rtsp://camera.local/stream"),
        ("-", "the stream on standard input"),
        ("clip.mp4", "the file clip.mp4 at its own pace"),
        ("odd://clip.mp4", "the file odd://clip.mp4 at its own pace"),
        ("07", "camera 7"),
    ],
)
def test_sources_have_plain_names(name, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(source, "CAMERAS", tmp_path)
    assert source.source_description(name) == expected


def test_camera_has_the_name_that_the_system_knows(monkeypatch, tmp_path):
    (tmp_path / "video2").mkdir()
    (tmp_path / "video2" / "name").write_text("Integrated Webcam\n", encoding="utf-8")
    monkeypatch.setattr(source, "CAMERAS", tmp_path)
    assert source.source_description("2") == "camera 2 (Integrated Webcam)"
