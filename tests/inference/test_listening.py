"""`vsr transcribe --modality`: lips, sound and both, on one clock, in any container; who does not hear says so."""

import json
import shutil

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.clock import FPS, SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.inference.listening import has_sound, waves_at
from vsr.inference.reader import load_model
from vsr.media.audio import write_wave
from vsr.media.mux.mux import mux
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import save_model
from vsr.text.tokenizer import CharTokenizer

RATE = 16_000


@pytest.fixture(scope="module")
def hearing(tmp_path_factory):
    """The folder of a model of lips and sound with random weights."""
    torch.manual_seed(0)
    tokenizer = CharTokenizer()
    settings = {"video": {"kind": "video_transformer", "width": 16, "layers": 1, "heads": 2}}
    config = LipReaderConfig(
        vocab_size=tokenizer.vocab_size, frontend="audio_visual", frontend_settings=settings,
        dim=32, heads=2, hidden=32, layers=1, kernel=3, decoder_layers=1, decoder_hidden=32,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "hearing"
    return save_model(folder, LipReader(config), tokenizer, {"name": "hearing", "window": 2.0})


def speech(seconds, seed=0):
    """Noise that swells four times a second."""
    rng, time = np.random.default_rng(seed), np.arange(round(RATE * seconds)) / RATE
    return (0.3 * np.sin(np.pi * 4 * time) ** 2 * rng.standard_normal(len(time))).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_video, make_face):
    """The same face: silent, with a sound in two containers, and with another sound."""
    folder = tmp_path_factory.mktemp("heard")
    silent = make_video(folder / "silent.mp4", make_face(50))
    for name, seed in (("a.mkv", 0), ("b.mov", 0), ("other.mkv", 1)):
        mux(silent, speech(2.0, seed), folder / name)
    return folder


def words(transcript):
    return [(segment.text, round(segment.nbest[0].score, 3)) for segment in transcript.segments]


def test_sound_changes_what_is_read_and_lips_alone_do_not_hear_it(hearing, clips):
    reader = load_model(hearing)
    read = {(name, m): words(reader.transcribe(clips / name, modality=m))
            for name in ("silent.mp4", "a.mkv", "other.mkv") for m in ("video", "both")}  # fmt: skip
    assert read["a.mkv", "video"] == read["other.mkv", "video"] == read["silent.mp4", "video"]
    assert read["silent.mp4", "both"] == read["silent.mp4", "video"]
    assert len({str(read[name, "both"]) for name in ("silent.mp4", "a.mkv", "other.mkv")}) == 3
    assert words(reader.transcribe(clips / "a.mkv")) == read["a.mkv", "both"]


def test_sound_alone_needs_no_face_and_no_video(hearing, clips, landscape_clip, tmp_path):
    reader = load_model(hearing)
    write_wave(tmp_path / "a.wav", speech(5.0))
    found = reader.transcribe(tmp_path / "a.wav", modality="sound")
    assert found.fps is None and found.duration == pytest.approx(5.0) and found.provenance["modality"] == "sound"
    assert found.segments and all(0 <= s.start < s.end <= 5.0 for s in found.segments if s.words)
    mux(landscape_clip, speech(0.6), tmp_path / "noface.mkv")
    assert reader.transcribe(tmp_path / "noface.mkv", modality="sound").segments


def test_sound_lies_on_the_clock_of_the_frames(clips):
    times = np.arange(50) / FPS
    (whole,) = waves_at(clips / "a.mkv", [times])
    parts = waves_at(clips / "a.mkv", [times[:20], times[10:37], times[30:]])
    for part, (start, stop) in zip(parts, ((0, 20), (10, 37), (30, 50)), strict=True):
        assert len(part) == (stop - start) * SAMPLES_PER_FRAME
        own = whole[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        assert np.corrcoef(part, own)[0, 1] > 0.999
    beyond = waves_at(clips / "a.mkv", [np.arange(60, 70) / FPS])[0]
    assert len(beyond) == 10 * SAMPLES_PER_FRAME and not beyond.any()
    assert has_sound(clips / "a.mkv") and not has_sound(clips / "silent.mp4")


def test_containers_do_not_matter(hearing, clips):
    reader = load_model(hearing)
    one, two = (reader.transcribe(clips / name) for name in ("a.mkv", "b.mov"))
    assert [s.text for s in one.segments] == [s.text for s in two.segments]


def run(capsys, *arguments):
    status = main(["transcribe", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_clip_without_sound_is_read_by_the_lips_and_says_so(hearing, clips, capsys):
    status, out, err = run(capsys, clips / "silent.mp4", "--model", hearing, "--format", "json")
    found = json.loads(out)
    assert status == 0 and found["provenance"]["modality"] == "both" and found["segments"]
    assert [w["reason"] for w in found["warnings"]] == ["no_sound"]
    assert [line for line in err.splitlines() if "no sound" in line] == [
        f"vsr: {clips / 'silent.mp4'}: it has no sound: read by the lips alone"
    ]
    status, out, _ = run(capsys, clips / "a.mkv", "--model", hearing, "--format", "json")
    assert status == 0 and not json.loads(out)["warnings"]
    status, out, err = run(capsys, clips / "silent.mp4", "--model", hearing, "--modality", "sound")
    assert status == 1 and out == "" and len(err.splitlines()) == 1 and "has no sound" in err


@pytest.mark.parametrize("modality", ["sound", "both"])
def test_a_model_that_does_not_hear_refuses_in_one_line(tiny_model, clips, capsys, tmp_path, modality):
    arguments = (clips / "a.mkv", "--model", tiny_model, "--modality", modality, "-o", tmp_path)
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1
    assert f"tiny does not hear: it reads lips alone, so that --modality {modality} cannot be had" in err
    assert not list(tmp_path.glob("a.*"))


def test_what_is_finished_is_kept_for_the_same_modality_alone(hearing, clips, capsys, tmp_path):
    def again(*more):
        common = (clips / "a.mkv", "--model", hearing, "--format", "json", "-o", tmp_path, "--resume")
        return run(capsys, *common, *more)[2]

    for modality in ("sound", "both", "video"):
        again("--modality", modality)
        assert json.loads((tmp_path / "a.json").read_text())["provenance"]["modality"] == modality
        assert "1 kept" in again("--modality", modality)
    assert "other modality" in again() and "1 kept" in again("--modality", "both")


def test_a_model_of_lips_says_what_it_said(tiny_model, clips):
    made = load_model(tiny_model).transcribe(clips / "a.mkv").provenance
    assert "modality" not in made and made["video"].keys() == {"bytes", "sha256"}


def test_a_mouth_alone_may_have_sound(hearing, tmp_path, make_video, capsys):
    rng = np.random.default_rng(0)
    mouth = make_video(tmp_path / "mouth.mp4", rng.integers(0, 255, (30, 96, 96, 3), dtype=np.uint8))
    mux(mouth, speech(1.2), tmp_path / "mouth.mkv")
    reader = ("--model", hearing, "--cropped", "--format", "json")
    scores = [json.loads(run(capsys, tmp_path / name, *reader)[1])["segments"][0]["nbest"][0]["score"]
              for name in ("mouth.mp4", "mouth.mkv")]  # fmt: skip
    assert scores[0] != scores[1]
    status, _, err = run(capsys, tmp_path / "mouth.mkv", "--model", hearing, "--cropped", "--modality", "sound")
    assert status == 2 and "leave one out" in err


def test_sound_that_is_not_understood_is_left_out(hearing, clips, tmp_path):
    """By the entropies of CTC; a limit that nothing exceeds changes nothing."""
    shutil.copytree(hearing, tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    plain = json.loads(config.read_text(encoding="utf-8"))
    read = {}
    for limit in (-100.0, 100.0, None, "much"):
        config.write_text(json.dumps(plain | ({"hearing": {"entropy": limit}} if limit else {})), encoding="utf-8")
        reader = load_model(tmp_path / "m")
        if limit == "much":
            with pytest.raises(VsrError, match='"hearing" in its config'):
                reader.transcribe(clips / "a.mkv")
            continue
        read[limit] = [words(reader.transcribe(clips / "a.mkv", modality=m)) for m in ("video", "both", "sound")]
    assert read[100.0] == read[None] and read[-100.0][0] == read[None][0] and read[-100.0][2] == read[None][2]
    assert read[-100.0][1] == read[None][0] != read[None][1]


def test_captions_of_a_camera_are_read_by_the_lips(hearing, clips, capsys):
    assert main(["live", str(clips / "a.mkv"), "--model", str(hearing)]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_sound_that_breaks_off_is_read_to_there(hearing, clips, tmp_path, capsys):
    data = (clips / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 7 // 10])
    command = ["transcribe", str(tmp_path / "cut.mkv"), "--model", str(hearing), "--modality", "sound"]
    assert main([*command, "--format", "json"]) == 1
    printed = capsys.readouterr()
    assert "the sound breaks off after 0.9" in printed.err and "what was read of it is kept" in printed.err
    record = json.loads(printed.out)
    assert record["segments"] and not record["complete"]


def test_damage_of_the_sound_alone_is_told_where_both_are_read(hearing, clips, tmp_path, capsys):
    import av

    with av.open(str(clips / "b.mov")) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray((clips / "b.mov").read_bytes())
    for at, size in packets[10:16]:
        data[at : at + size] = b"\xff" * size
    (tmp_path / "b.mov").write_bytes(data)
    command = ["transcribe", str(tmp_path / "b.mov"), "--model", str(hearing)]
    assert main([*command, "--modality", "both"]) == 1
    printed = capsys.readouterr()
    assert "the sound is damaged from" in printed.err and printed.out.strip()
    assert main([*command, "--modality", "video"]) == 0
