"""`vsr crop --tracks`: mouth tracks beside the crops, made again if older than the crop."""

import os

import numpy as np

from vsr.cli import main
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.face.mouth_features import read_track


def test_tracks_are_written_beside_the_crops_and_renewed(face_clip, tmp_path, capsys):
    write_manifest(tmp_path / "clips.jsonl", [Clip("a", str(face_clip), "bin blue")])
    command = ["crop", "--manifest", str(tmp_path / "clips.jsonl"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert main(command) == 0
    (clip,) = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert clip.track == ""
    before = np.load(clip.crop)
    assert main([*command, "--tracks"]) == 0
    assert "1 tracks" in capsys.readouterr().out
    (clip,) = read_manifest(tmp_path / "out" / "manifest.jsonl")
    points, measures = read_track(clip.track)
    assert len(points) == len(measures) == clip.num_frames and np.isfinite(points).all()
    np.testing.assert_array_equal(np.load(clip.crop), before)
    os.utime(clip.track, (0, 0))  # older than the crop: of another one
    assert main([*command, "--tracks"]) == 0
    assert os.stat(clip.track).st_mtime > 0
