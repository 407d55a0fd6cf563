"""`vsr waves`: the sound of crops on their clock, kept while its video is the same."""

from dataclasses import replace

import numpy as np
import pytest

from vsr.cli import main
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sound_input import clip_wave, stored_wave
from vsr.media.audio import write_wave
from vsr.media.mux.mux import mux

RATE = 16_000


@pytest.fixture()
def corpus(tmp_path, make_video, make_face):
    """Two clips with a click at 0.4 s, and one without sound."""
    wave = np.zeros(RATE, np.float32)
    wave[6400:6480] = 0.9
    silent = make_video(tmp_path / "silent.mp4", make_face(25))
    clips = [Clip("silent", str(silent), "a", num_frames=25, crop="c.npy")]
    for name in ("one.mp4", "two.mkv"):
        mux(silent, wave, tmp_path / name)
        clips.append(replace(clips[0], id=name[:3], video=str(tmp_path / name)))
    write_manifest(tmp_path / "crops.jsonl", clips)
    return tmp_path


def run(folder):
    return main(["waves", "--manifest", str(folder / "crops.jsonl"), "--out", str(folder / "out"), "--jobs", "1"])


def test_clips_get_their_sound_and_a_silent_one_none(corpus, capsys):
    assert run(corpus) == 0
    assert capsys.readouterr().out == "1 no_sound, 2 written\n"
    clips = {clip.id: clip for clip in read_manifest(corpus / "out" / "manifest.jsonl")}
    assert not clips["silent"].sound
    for name in ("one", "two"):
        wave = clip_wave(clips[name])
        assert len(wave) == 25 * 640 and abs(int(np.abs(wave).argmax()) - 6440) < 80


def test_list_without_any_sound_fails(corpus, capsys):
    write_manifest(corpus / "crops.jsonl", read_manifest(corpus / "crops.jsonl")[:1])
    assert run(corpus) == 1 and capsys.readouterr().out == "1 no_sound\n"


def test_sound_is_kept_until_the_video_changes(corpus, capsys):
    assert run(corpus) == 0
    before = (corpus / "out" / "one.wav").stat().st_mtime_ns
    assert run(corpus) == 0
    assert "2 kept, 1 no_sound" in capsys.readouterr().out
    assert (corpus / "out" / "one.wav").stat().st_mtime_ns == before
    tone = 0.3 * np.sin(np.arange(RATE) / 5).astype(np.float32)
    mux(corpus / "silent.mp4", tone, corpus / "one.mp4")
    assert run(corpus) == 0
    assert "1 kept, 1 no_sound, 1 written" in capsys.readouterr().out
    assert abs(float(stored_wave(corpus / "out" / "one.wav").std()) - tone.std()) < 0.02


def test_refuses_foreign_file_and_list_without_crops(corpus, capsys):
    (corpus / "out").mkdir()
    (corpus / "out" / "one.wav").write_bytes(b"a song")
    assert run(corpus) == 1
    assert "no sound of vsr waves" in capsys.readouterr().err
    assert (corpus / "out" / "one.wav").read_bytes() == b"a song"
    write_manifest(corpus / "crops.jsonl", [Clip("a", "a.mp4", "a")])
    assert run(corpus) == 1
    assert "run vsr crop first" in capsys.readouterr().err


def test_recording_in_the_output_folder_is_never_overwritten(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    write_wave(tmp_path / "out" / "a.wav", np.zeros(RATE, np.float32))
    write_manifest(tmp_path / "crops.jsonl", [Clip("a", str(tmp_path / "out" / "a.wav"), "a", num_frames=25, crop="c")])
    assert run(tmp_path) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
