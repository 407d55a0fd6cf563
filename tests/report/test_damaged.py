"""A film that is damaged is shown as far as it can be read, and said to be damaged."""

import pytest

from tests.conftest import talking_face, write_video
from tests.video.test_damage import damaged
from vsr.cli import main
from vsr.face.mouth_crop import crop_tracks, crop_video
from vsr.report.moment import find_clip


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Six seconds, of which a half is gone in the midst."""
    folder = tmp_path_factory.mktemp("film")
    whole = write_video(folder / "whole.mkv", talking_face(150), options={"g": "12"})
    return damaged(whole, folder / "film.mkv", share=0.05)


def test_the_page_is_written_and_the_damage_told(film, tiny_model, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["inspect", str(film), "-o", str(page), "--model", str(tiny_model), "--beam", "5"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vsr: ")]
    assert "is damaged from" in line and line.endswith("the page shows what could be read")
    assert "not whole" in page.read_text("utf-8") and "is damaged from" in page.read_text("utf-8")


def test_crops_leave_out_what_is_damaged_where_that_is_wanted(film):
    told: list = []
    clips = crop_tracks(film, errors=told)
    assert "is damaged from" in str(told[0]) and 75 < sum(len(clip.crop) for clip in clips) < 150
    for refused in (crop_tracks, crop_video, find_clip):
        with pytest.raises(type(told[0]), match="is damaged from"):
            refused(film)
