"""A long video that is killed at any moment is resumed to the same bytes."""

import json
import multiprocessing
import os
import random
import signal

import numpy as np
import pytest

from vsr.cli import main

FORMATS = "txt,srt,vtt,json,tsv"
KILLS = int(os.environ.get("VSR_KILLS", "2"))


def read_in_small_blocks(arguments):
    """`vsr transcribe` with blocks of three seconds in place of a minute, and of one second where shots end."""
    from vsr.cli import main
    from vsr.face import mouth_source, pipeline

    pipeline.SHORTEST, mouth_source.LONGEST = 25, 75
    raise SystemExit(main(["transcribe", *map(str, arguments)]))


@pytest.fixture(scope="module")
def start():
    """Start the command in a process of its own, forked from a server that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    modules = "vsr.inference.transcriber", "vsr.modelstore.folder", "vsr.cli.commands.transcribe"
    context.set_forkserver_preload(["torch", "mediapipe", *modules])

    def start_process(*arguments):
        process = context.Process(target=read_in_small_blocks, args=(arguments,))
        process.start()
        return process

    return start_process


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory, make_face, make_video):
    """Twelve seconds in two shots: two faces, then one of them larger."""
    face = make_face(150, size=128)
    wide = np.full((150, 160, 288, 3), 70, np.uint8)
    wide[:, 16:144, 8:136] = face
    wide[:, 16:144, 150:278] = face[::-1, :, ::-1]
    close = np.full_like(wide, 150)
    close[:, :, 64:224] = make_face(150, size=160)[::-1]
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return make_video(path, np.concatenate([wide, close]), options={"preset": "ultrafast"})


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_resume_after_kills_at_random_moments_gives_the_same_bytes(start, two_shots, tiny_model, tmp_path):
    common = (two_shots, "--model", tiny_model, "--faces", "all", "--format", FORMATS, "--beam", 2)
    uninterrupted = start(*common, "-o", tmp_path / "whole")
    uninterrupted.join()
    assert uninterrupted.exitcode == 0
    expected = contents(tmp_path / "whole")
    assert set(expected) == {f"long.{name}" for name in FORMATS.split(",")}
    assert json.loads(expected["long.json"])["complete"] and len(json.loads(expected["long.json"])["shots"]) == 2

    out, rng, exit_codes, largest_journal = tmp_path / "killed", random.Random(0), [], 0
    while len(exit_codes) < KILLS:
        process = start(*common, "-o", out, "--resume")
        if not exit_codes:  # the first is killed in the middle: one block is finished, but not all
            wait_for(lambda: (out / "long.journal").is_file() and (out / "long.json").is_file(), process)
        process.join(rng.uniform(0.0, 3.0) if exit_codes else 0)
        process.kill()
        process.join()
        exit_codes.append(process.exitcode)
        journal = out / "long.journal"
        largest_journal = max(largest_journal, journal.stat().st_size if journal.exists() else 0)
    assert exit_codes[0] == -signal.SIGKILL and largest_journal
    last = start(*common, "-o", out, "--resume")
    last.join()
    assert last.exitcode == 0
    assert contents(out) == expected


def wait_for(ready, process):
    while process.is_alive() and not ready():
        process.join(0.01)


def test_foreign_file_is_not_resumed_and_resume_needs_a_folder(tmp_path, capsys):
    (tmp_path / "clip.txt").write_text("bin blue", encoding="utf-8")
    assert main(["transcribe", "clip.mp4", "-o", str(tmp_path), "--resume"]) == 1
    assert (tmp_path / "clip.txt").read_text("utf-8") == "bin blue"
    assert "vsr did not write it" in capsys.readouterr().err
    assert main(["transcribe", "clip.mp4", "--resume"]) == 2
    assert "-o DIR" in capsys.readouterr().err
