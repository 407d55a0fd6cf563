"""A voice of lips at a low frame rate is warned of."""

from lip2speech.cli import main
from tests.conftest import write_video
from tests.video.test_stretches import DEMO, frames_of


def test_voice_of_few_frames_is_warned_of(tiny_voice_folder, tmp_path, capsys):
    video = write_video(tmp_path / "low.mp4", frames_of(DEMO)[2::5], fps=5)
    assert main(["speak", str(video), "-o", str(tmp_path / "v.wav"), "--model", str(tiny_voice_folder)]) == 0
    assert "fewer than 11 times a second" in capsys.readouterr().err
