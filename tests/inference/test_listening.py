"""`vsr transcribe --modality`: lips, sound and both, on one clock, in any container; other models refuse."""

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
    """The folder of an audio-visual model with random weights."""
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
    """Noise whose level rises four times a second."""
    rng, time = np.random.default_rng(seed), np.arange(round(RATE * seconds)) / RATE
    return (0.3 * np.sin(np.pi * 4 * time) ** 2 * rng.standard_normal(len(time))).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_video, make_face):
    """The same face: silent, with one sound in two containers, and with another sound."""
    folder = tmp_path_factory.mktemp("heard")
    silent = make_video(folder / "silent.mp4", make_face(50))
    for name, seed in (("a.mkv", 0), ("b.mov", 0), ("other.mkv", 1)):
        mux(silent, speech(2.0, seed), folder / name)
    return folder


def readings(transcript):
    return [(segment.text, round(segment.nbest[0].score, 3)) for segment in transcript.segments]


def test_sound_changes_the_transcript_but_not_that_of_the_lips(hearing, clips):
    reader = load_model(hearing)
    transcripts = {(name, m): readings(reader.transcribe(clips / name, modality=m))
            for name in ("silent.mp4", "a.mkv", "other.mkv") for m in ("video", "both")}  # fmt: skip
    assert transcripts["a.mkv", "video"] == transcripts["other.mkv", "video"] == transcripts["silent.mp4", "video"]
    assert transcripts["silent.mp4", "both"] == transcripts["silent.mp4", "video"]
    assert len({str(transcripts[name, "both"]) for name in ("silent.mp4", "a.mkv", "other.mkv")}) == 3
    assert readings(reader.transcribe(clips / "a.mkv")) == transcripts["a.mkv", "both"]


def test_sound_alone_needs_no_face_and_no_video(hearing, clips, landscape_clip, tmp_path):
    reader = load_model(hearing)
    write_wave(tmp_path / "a.wav", speech(5.0))
    transcript = reader.transcribe(tmp_path / "a.wav", modality="sound")
    assert (
        transcript.fps is None
        and transcript.duration == pytest.approx(5.0)
        and transcript.provenance["modality"] == "sound"
    )
    assert transcript.segments and all(0 <= s.start < s.end <= 5.0 for s in transcript.segments if s.words)
    mux(landscape_clip, speech(0.6), tmp_path / "noface.mkv")
    assert reader.transcribe(tmp_path / "noface.mkv", modality="sound").segments


def test_sound_is_on_the_clock_of_the_frames(clips):
    times = np.arange(50) / FPS
    (whole,) = waves_at(clips / "a.mkv", [times])
    parts = waves_at(clips / "a.mkv", [times[:20], times[10:37], times[30:]])
    for part, (start, stop) in zip(parts, ((0, 20), (10, 37), (30, 50)), strict=True):
        assert len(part) == (stop - start) * SAMPLES_PER_FRAME
        expected = whole[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
        assert np.corrcoef(part, expected)[0, 1] > 0.999
    beyond = waves_at(clips / "a.mkv", [np.arange(60, 70) / FPS])[0]
    assert len(beyond) == 10 * SAMPLES_PER_FRAME and not beyond.any()
    assert has_sound(clips / "a.mkv") and not has_sound(clips / "silent.mp4")


def test_containers_give_the_same_transcript(hearing, clips):
    reader = load_model(hearing)
    first, second = (reader.transcribe(clips / name) for name in ("a.mkv", "b.mov"))
    assert [s.text for s in first.segments] == [s.text for s in second.segments]


def run(capsys, *arguments):
    status = main(["transcribe", *map(str, arguments)])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_clip_without_sound_is_read_by_lips_with_a_warning(hearing, clips, capsys):
    status, out, err = run(capsys, clips / "silent.mp4", "--model", hearing, "--format", "json")
    record = json.loads(out)
    assert status == 0 and record["provenance"]["modality"] == "both" and record["segments"]
    assert [w["reason"] for w in record["warnings"]] == ["no_sound"]
    assert [line for line in err.splitlines() if "no sound" in line] == [
        f"vsr: {clips / 'silent.mp4'}: it has no sound: read by the lips alone"
    ]
    status, out, _ = run(capsys, clips / "a.mkv", "--model", hearing, "--format", "json")
    assert status == 0 and not json.loads(out)["warnings"]
    status, out, err = run(capsys, clips / "silent.mp4", "--model", hearing, "--modality", "sound")
    assert status == 1 and out == "" and len(err.splitlines()) == 1 and "has no sound" in err


@pytest.mark.parametrize("modality", ["sound", "both"])
def test_model_without_sound_refuses_in_one_line(tiny_model, clips, capsys, tmp_path, modality):
    arguments = (clips / "a.mkv", "--model", tiny_model, "--modality", modality, "-o", tmp_path)
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1
    assert f"tiny does not hear: it reads lips alone, so that --modality {modality} cannot be had" in err
    assert not list(tmp_path.glob("a.*"))


def test_results_are_kept_only_for_the_same_modality(hearing, clips, capsys, tmp_path):
    def resume(*options):
        common = (clips / "a.mkv", "--model", hearing, "--format", "json", "-o", tmp_path, "--resume")
        return run(capsys, *common, *options)[2]

    for modality in ("sound", "both", "video"):
        resume("--modality", modality)
        assert json.loads((tmp_path / "a.json").read_text())["provenance"]["modality"] == modality
        assert "1 kept" in resume("--modality", modality)
    assert "other modality" in resume() and "1 kept" in resume("--modality", "both")


def test_provenance_of_a_lip_model_has_no_modality(tiny_model, clips):
    provenance = load_model(tiny_model).transcribe(clips / "a.mkv").provenance
    assert "modality" not in provenance and provenance["video"].keys() == {"bytes", "sha256"}


def test_video_of_the_mouth_may_have_sound(hearing, tmp_path, make_video, capsys):
    rng = np.random.default_rng(0)
    mouth = make_video(tmp_path / "mouth.mp4", rng.integers(0, 255, (30, 96, 96, 3), dtype=np.uint8))
    mux(mouth, speech(1.2), tmp_path / "mouth.mkv")
    options = ("--model", hearing, "--cropped", "--format", "json")
    scores = [json.loads(run(capsys, tmp_path / name, *options)[1])["segments"][0]["nbest"][0]["score"]
              for name in ("mouth.mp4", "mouth.mkv")]  # fmt: skip
    assert scores[0] != scores[1]
    status, _, err = run(capsys, tmp_path / "mouth.mkv", "--model", hearing, "--cropped", "--modality", "sound")
    assert status == 2 and "leave one out" in err


def test_sound_of_high_entropy_is_ignored(hearing, clips, tmp_path):
    """By the entropies of CTC; a limit that is never exceeded changes nothing."""
    shutil.copytree(hearing, tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    original = json.loads(config.read_text(encoding="utf-8"))
    transcripts = {}
    for limit in (-100.0, 100.0, None, "much"):
        config.write_text(json.dumps(original | ({"hearing": {"entropy": limit}} if limit else {})), encoding="utf-8")
        reader = load_model(tmp_path / "m")
        if limit == "much":
            with pytest.raises(VsrError, match='"hearing" in its config'):
                reader.transcribe(clips / "a.mkv")
            continue
        transcripts[limit] = [
            readings(reader.transcribe(clips / "a.mkv", modality=m)) for m in ("video", "both", "sound")
        ]
    assert (
        transcripts[100.0] == transcripts[None]
        and transcripts[-100.0][0] == transcripts[None][0]
        and transcripts[-100.0][2] == transcripts[None][2]
    )
    assert transcripts[-100.0][1] == transcripts[None][0] != transcripts[None][1]


def test_live_captions_of_an_audio_visual_model_run(hearing, clips, capsys):
    assert main(["live", str(clips / "a.mkv"), "--model", str(hearing)]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_truncated_sound_is_read_to_its_end(hearing, clips, tmp_path, capsys):
    data = (clips / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 7 // 10])
    command = ["transcribe", str(tmp_path / "cut.mkv"), "--model", str(hearing), "--modality", "sound"]
    assert main([*command, "--format", "json"]) == 1
    output = capsys.readouterr()
    assert "the sound breaks off after 0.9" in output.err and "what was read of it is kept" in output.err
    record = json.loads(output.out)
    assert record["segments"] and not record["complete"]


def test_damage_of_the_sound_is_reported_if_both_are_read(hearing, clips, tmp_path, capsys):
    import av

    with av.open(str(clips / "b.mov")) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray((clips / "b.mov").read_bytes())
    for position, size in packets[10:16]:
        data[position : position + size] = b"\xff" * size
    (tmp_path / "b.mov").write_bytes(data)
    command = ["transcribe", str(tmp_path / "b.mov"), "--model", str(hearing)]
    assert main([*command, "--modality", "both"]) == 1
    output = capsys.readouterr()
    assert "the sound is damaged from" in output.err and output.out.strip()
    assert main([*command, "--modality", "video"]) == 0
