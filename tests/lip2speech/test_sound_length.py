"""The voice is as long as the video that is read, whatever its header says."""

import av
import numpy as np
import pytest

from lip2speech.inference.dubbing import speak, speak_clip
from lip2speech.inference.folder import load_model
from lip2speech.inference.sound_length import voice_samples
from tests.conftest import talking_face, write_sound, write_video
from vsr.core.errors import VsrError
from vsr.face.mouth_crop import crop_tracks
from vsr.media.mux.listing import list_packets


class Pipe:
    """A file that can only be written from start to end, as by a browser or a pipe."""

    def __init__(self, path):
        self.file = path.open("wb")

    def write(self, data):
        return self.file.write(data)


def write_piped(path, images, format_name, codec, options):
    """A recording whose header has no length."""
    pipe = Pipe(path)
    with av.open(pipe, "w", format=format_name, options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"deadline": "realtime", "cpu-used": "8"})
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    pipe.file.close()
    return path


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
FORMS = {"webm": ("webm", "libvpx", {}), "mp4": ("mp4", "libx264", FRAGMENTS), "ts": ("mpegts", "libx264", {})}


@pytest.mark.parametrize("name", FORMS)
def test_recording_without_a_length_is_voiced_to_its_end(tiny_voice_folder, tmp_path, name):
    """Somebody speaks for a second, then the frame is black for two."""
    images = np.concatenate([talking_face(25, 128), np.zeros((50, 128, 128, 3), np.uint8)])
    video = write_piped(tmp_path / f"film.{name}", images, *FORMS[name])
    loaded = load_model(tiny_voice_folder)
    assert len(speak(loaded, video).wave) == pytest.approx(3 * 16_000, abs=700)
    (clip,) = crop_tracks(video)
    assert len(speak_clip(loaded, clip).wave) == pytest.approx(3 * 16_000, abs=700)


def test_held_last_frame_belongs_to_the_video(tmp_path):
    times = [*np.arange(20) / 25, 5.0]
    video = write_video(tmp_path / "film.mp4", np.zeros((21, 64, 64, 3), np.uint8), times=times)
    assert voice_samples(video, seconds_read=0.84, frames=21) == pytest.approx(5.04 * 16_000, abs=1300)


def test_longer_sound_does_not_count(tmp_path, face_clip):
    paths = [face_clip, write_sound(tmp_path / "sound.mp4", 5.0)]
    with (
        av.open(str(tmp_path / "film.mkv"), "w") as output,
        av.open(str(paths[0])) as video,
        av.open(str(paths[1])) as sound,
    ):
        streams = [output.add_stream_from_template(source.streams[0]) for source in (video, sound)]
        for source, stream in zip((video, sound), streams, strict=True):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    assert voice_samples(tmp_path / "film.mkv", seconds_read=1.0, frames=25) == pytest.approx(16_000, abs=16)


def test_time_stamps_that_jump_by_hours_cost_no_memory(tmp_path):
    times = [*np.arange(20) / 25, 90_000.0]
    video = write_video(tmp_path / "film.mkv", np.zeros((21, 64, 64, 3), np.uint8), times=times)
    assert list_packets(video).seconds > 89_000 and voice_samples(video, seconds_read=0.8, frames=20) == 0.8 * 16_000
    with pytest.raises(VsrError, match="its time stamps jump by 25 hours"):
        voice_samples(video, seconds_read=90_000.04, frames=21)
