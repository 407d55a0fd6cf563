"""The page of a damaged video shows what can be read, and names the damage."""

import pytest

from tests.conftest import talking_face, write_video
from tests.video.test_damage import damaged
from vsr.cli import main
from vsr.face.mouth_crop import crop_tracks, crop_video
from vsr.report.moment import find_clip


@pytest.fixture(scope="module")
def damaged_video(tmp_path_factory):
    """Six seconds, of which half is damaged in the middle."""
    folder = tmp_path_factory.mktemp("film")
    complete = write_video(folder / "whole.mkv", talking_face(150), options={"g": "12"})
    return damaged(complete, folder / "film.mkv", share=0.05)


def test_page_is_written_and_names_the_damage(damaged_video, tiny_model, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["inspect", str(damaged_video), "-o", str(page), "--model", str(tiny_model), "--beam", "5"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vsr: ")]
    assert "is damaged from" in line and line.endswith("the page shows what could be read")
    assert "not whole" in page.read_text("utf-8") and "is damaged from" in page.read_text("utf-8")


def test_crops_leave_out_damaged_parts_on_request(damaged_video):
    errors: list = []
    clips = crop_tracks(damaged_video, errors=errors)
    assert "is damaged from" in str(errors[0]) and 75 < sum(len(clip.crop) for clip in clips) < 150
    for function in (crop_tracks, crop_video, find_clip):
        with pytest.raises(type(errors[0]), match="is damaged from"):
            function(damaged_video)
