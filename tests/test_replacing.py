"""An existing output is replaced only if the verb could have written it."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from lip2speech.inference.synthetic_marks import SYNTHETIC, VOICE, WORDS
from vsr.cli import main
from vsr.core.artifacts import Ledger, recorded_kind
from vsr.core.errors import VsrError
from vsr.core.file_kinds import FIGURES, HYPOTHESES, json_kind, json_lines_kind, marked_kind, text_kind
from vsr.core.files import check_output, check_outputs, write_json
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave
from vsr.output.burning import CAPTIONED, burn
from vsr.output.ledger import TRANSCRIPT, write_recorded
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Transcript

FOREIGN = b"somebody's only copy"
LINES = [
    "transcribe a.mp4 --burn there.mp4",
    "inspect a.mp4 -o there.mp4",
    "inspect a.mp4 -o there.html",
    "align a.mp4 --text bin -o there.srt",
    "align a.mp4 --text bin --format txt -o there.py",
    "live a.mp4 -o there.srt",
    "phrases own a.mp4 --speak there.wav",
    "sync a.mp4 --out there.jsonl",
    "speakers a.mp4 --out there.jsonl",
    "expert a.mp4 b.mp4 --out there.jsonl",
    "validate --manifest manifest.jsonl --report there.json",
    "score --ref manifest.jsonl --hyp hyp.jsonl --json there.json",
    "score --ref manifest.jsonl --hyp hyp.jsonl --tsv there.tsv",
    "score --ref manifest.jsonl --hyp hyp.jsonl --wer there.txt",
    "decode --manifest manifest.jsonl --out there.jsonl",
    "rescore --manifest manifest.jsonl --nbest hyp.jsonl --out there.jsonl",
    "restore --manifest manifest.jsonl --model m --llm l --out there.jsonl",
    "combine hyp.jsonl hyp2.jsonl --out there.jsonl",
    "combine hyp.jsonl hyp2.jsonl --fit manifest.jsonl --save-weights there.json --out new.jsonl",
    "export onnx grid -o there.onnx",
    "results --run . --command x --out there.md",
    "posteriors --manifest manifest.jsonl --out folder",
    "encode there.mp4 -o .",
    "convert --from manifest --to manifest --input manifest.jsonl --out folder",
    "convert --from manifest --to kaldi --input manifest.jsonl --out folder",
]
VOICES = [
    "speak a.mp4 -o there.mp4",
    "speak a.mp4 -o there.wav",
    "speak a.mp4 -o new.wav --words there.json",
    "dub a.mp4 --script script.txt -o there.mp4 --consent",
    "live a.mp4 -o there.wav",
    "inspect a.mp4 -o there.html",
    "compare one two --manifest manifest.jsonl -o there.json",
    "match --voice a.wav a.mp4 --out there.jsonl",
    "sync --manifest manifest.jsonl --features . --out there.json",
    "evaluate --manifest manifest.jsonl --out folder",
    "results --run . --command x --out there.md",
    "translate a.wav --to es -o there.wav --consent",
    "revoice a.wav --reference anonymous -o there.wav --consent",
    "say hello -o there.wav --units-model m --consent",
    "units --sound a.wav --out there.safetensors",
]
SUFFIXES = ("mp4", "html", "srt", "py", "wav", "jsonl", "json", "tsv", "txt", "md", "onnx", "safetensors")


@pytest.fixture
def foreign_files(tmp_path, monkeypatch):
    """A folder in which every output exists and is foreign."""
    monkeypatch.chdir(tmp_path)
    for name in (*(f"there.{suffix}" for suffix in SUFFIXES), "a.mp4", "b.mp4", "a.wav"):
        Path(name).write_bytes(FOREIGN)
    for name in ("folder", "one", "two"):
        Path(name).mkdir()
    for name in ("manifest.jsonl", "text", "tokens.json", "result.json"):
        Path("folder", name).write_bytes(FOREIGN)
    Path("script.txt").write_text("bin blue\n", encoding="utf-8")
    write_manifest("manifest.jsonl", [Clip("a", "a.mp4", "bin", num_frames=25, crop="a.npy")])
    for name in ("hyp.jsonl", "hyp2.jsonl"):
        Path(name).write_text(json.dumps({"id": "a", "text": "bin"}) + "\n", encoding="utf-8")
    return tmp_path


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_refused(main, line, folder, capsys):
    before = contents(folder)
    assert main(line.split()) == 1
    (message,) = capsys.readouterr().err.splitlines()
    assert "is there, and nothing says" in message or "exists and is not" in message, message
    assert contents(folder) == before


@pytest.mark.parametrize("line", LINES)
def test_file_of_another_kind_is_not_replaced(foreign_files, line, capsys):
    check_refused(main, line, foreign_files, capsys)


@pytest.mark.parametrize("line", VOICES)
def test_file_of_another_kind_is_not_replaced_by_a_voice(foreign_files, line, capsys):
    from lip2speech.cli import main

    check_refused(main, line, foreign_files, capsys)


def write_video(path, comment=""):
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_foreign_video_is_neither_a_voice_nor_captioned(tmp_path, suffix):
    foreign, voice, captioned = (tmp_path / f"{name}.{suffix}" for name in ("theirs", "ours", "captioned"))
    write_video(foreign, "a holiday")
    write_video(voice, SYNTHETIC)
    burn(foreign, Transcript(str(foreign), 25.0, 1.0, "grid", ()), captioned)
    check_output(voice, kind=VOICE)
    check_output(captioned, kind=CAPTIONED)
    for path, kind in ((foreign, VOICE), (foreign, CAPTIONED), (voice, CAPTIONED), (captioned, VOICE)):
        with pytest.raises(VsrError, match="exists and is not"):
            check_output(path, kind=kind)


def test_own_sound_is_recognised_by_its_comment(tmp_path):
    ours, foreign = tmp_path / "ours.wav", tmp_path / "theirs.wav"
    write_wave(ours, np.zeros(1600, np.float32), SYNTHETIC)
    write_wave(foreign, np.zeros(1600, np.float32))
    check_output(ours, kind=VOICE)
    with pytest.raises(VsrError, match="is not a voice"):
        check_output(foreign, kind=VOICE)


@pytest.mark.parametrize("suffix", WRITERS)
def test_transcript_is_replaced_until_it_is_corrected(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    transcript = Transcript("a.mp4", 25.0, 1.0, "grid", ())
    text = WRITERS[suffix](transcript) or "\n"
    write_recorded(path, transcript, text)
    check_output(path, kind=TRANSCRIPT)
    write_recorded(path, replace(transcript, model="other"), text)
    check_output(path, kind=TRANSCRIPT)
    path.write_text("corrected by hand", encoding="utf-8")
    with pytest.raises(VsrError, match="is not a transcript as vsr wrote it"):
        check_output(path, kind=TRANSCRIPT)


def test_kinds_of_files_are_recognised_by_content(tmp_path):
    path = tmp_path / "file"
    written = {
        json_kind("", "a", "b"): ('{"a": 1,\n "b": 2, "c": 3}', '{"a": 1}', "[1]", "{", "text"),
        json_lines_kind("", "a"): ('{"a": 1}\n{', '{"b": 1}\n{"a": 1}\n', "", "text"),
        HYPOTHESES: ('{"id": "a", "text": "b"}', '{"id": "a", "text": "b", "video": "c"}'),
        FIGURES: ('{"file": "a"}', '{"id": "a"}'),
        WORDS: ('{"voice": "v", "words": []}', '{"words": []}'),
        text_kind("", "%WER ", "%ACC "): ("%ACC 1", "WER"),
        marked_kind("", b"here"): ("x" * (1 << 20) + "here", "her"),
    }
    for kind, (right, *wrong_ones) in written.items():
        path.write_text(right, encoding="utf-8")
        check_outputs([(path, kind), (None, kind)])
        for wrong in filter(None, wrong_ones):
            path.write_text(wrong, encoding="utf-8")
            with pytest.raises(VsrError, match="move it away"):
                check_output(path, kind=kind)
    path.write_text("", encoding="utf-8")
    check_output(path, kind=FIGURES)  # nothing is lost


def test_converted_files_are_replaced_until_they_are_changed(foreign_files):
    command = ["convert", "--from", "manifest", "--to", "kaldi", "--input", "manifest.jsonl", "--out", "kaldi"]
    assert main(command) == main(command) == 0
    Path("kaldi/text").write_text("a corrected\n", encoding="utf-8")
    assert main(command) == 1 and Path("kaldi/text").read_text("utf-8") == "a corrected\n"


def test_figures_are_replaced(foreign_files):
    write_json("there.json", {})
    outputs = ["--json", "f.json", "--tsv", "f.tsv", "--wer", "f.txt"]
    command = ["score", "--ref", "manifest.jsonl", "--hyp", "hyp.jsonl", *outputs]
    assert main(command) == main(command) == 0
    Path("a.npy").write_bytes(FOREIGN)
    report = ["validate", "--manifest", "manifest.jsonl", "--report", "r.json", "--tolerate", "1"]
    assert main(report) == main(report) == 0


@pytest.mark.parametrize("verb", [["train"], ["lm", "train"]])
def test_foreign_configuration_is_not_replaced_by_a_run(verb, tmp_path, capsys):
    config, run_config = tmp_path / "own.yaml", tmp_path / "run" / "config.yaml"
    config.write_text("data: {}\n")
    run_config.parent.mkdir()
    run_config.write_bytes(FOREIGN)
    assert main([*verb, "--config", str(config), "--out", str(run_config.parent)]) == 1
    assert "is not the configuration of a run" in capsys.readouterr().err and run_config.read_bytes() == FOREIGN
    run_config.rename(run_config.with_name("elsewhere.yaml"))
    (run_config.parent / "model").mkdir()
    assert main([*verb, "--config", str(config), "--out", str(run_config.parent)]) == 1
    assert "choose another --out" in capsys.readouterr().err and not run_config.exists()
    run_config.write_bytes(FOREIGN)
    record = recorded_kind("")
    assert not record.holds(run_config)
    Ledger(run_config.parent).add("config.yaml", {})
    assert record.holds(run_config)
    run_config.write_bytes(FOREIGN + b"!")
    assert not record.holds(run_config), "changed since"
