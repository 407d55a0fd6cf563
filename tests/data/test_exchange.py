"""Other toolkits' formats: their files are read, ours are as they expect, and round trips are lossless."""

from dataclasses import replace

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.exchange.convert import Settings, convert
from vsr.data.exchange.kaldi import utterance_id
from vsr.data.exchange.roi import load_crop
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.face.mouth_crop import crop_video
from vsr.text.tokenizer import load_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, face_clip):
    """Two clips of one video with real crops, and a SentencePiece tokenizer."""
    folder = tmp_path_factory.mktemp("exchange")
    crop = crop_video(face_clip).crop
    clips = []
    for name, text, part in (("test_abc_00001", "BIN BLUE", slice(0, 20)), ("test_abc_00002", "LAY RED", slice(5, 25))):
        np.save(folder / f"{name}.npy", crop[part])
        words = tuple((word, 0.1 + i * 0.3, 0.3 + i * 0.3) for i, word in enumerate(text.split()))
        start, end = part.start / 25, part.stop / 25
        clips.append(Clip(name, str(face_clip), text, "abc", 20, str(folder / f"{name}.npy"), words, start, end))
    write_manifest(folder / "in.jsonl", clips)
    tokens = folder / "tokens"
    tokens.mkdir()
    train_tokenizer("unigram", ["bin blue", "lay red", "set green again"], 30).save(tokens)
    return folder


def test_auto_avsr_labels_and_mouth_videos_are_written_and_read(corpus, tmp_path):
    settings = Settings("lrs3", "test", str(corpus / "tokens"))
    clips = convert("manifest", "auto_avsr", corpus / "in.jsonl", tmp_path, settings)
    labels = tmp_path / "labels" / "lrs3_test_transcript_lengths_seg16s.csv"
    name, path, frames, ids = labels.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert (name, path, frames) == ("lrs3", "lrs3_video_seg16s/abc/test_abc_00001.mp4", "20")
    assert load_tokenizer(corpus / "tokens").decode([int(i) for i in ids.split()]) == "bin blue"
    assert (tmp_path / "lrs3/lrs3_text_seg16s/abc/test_abc_00001.txt").read_text() == "BIN BLUE"
    back = convert("auto_avsr", "manifest", labels, tmp_path / "back", settings)
    assert [(clip.id, clip.text, clip.speaker) for clip in back] == [
        ("abc_test_abc_00001", "BIN BLUE", "abc"), ("abc_test_abc_00002", "LAY RED", "abc")]  # fmt: skip
    for ours, theirs in zip(clips, read_manifest(tmp_path / "back" / "manifest.jsonl"), strict=True):
        before, after = load_crop(ours).astype(int), np.load(theirs.crop).astype(int)
        assert before.shape == after.shape == (20, 96, 96) and theirs.num_frames == 20
        assert np.abs(before - after).mean() < 2  # H.264
    (tmp_path / "lrs3/lrs3_text_seg16s/abc/test_abc_00001.txt").unlink()
    assert convert("auto_avsr", "kaldi", labels, tmp_path / "kaldi", settings)[0].text == "bin blue"
    with pytest.raises(VsrError, match="labels are token ids: give --tokens"):
        convert("auto_avsr", "kaldi", labels, tmp_path / "kaldi", Settings())


def test_label_file_of_auto_avsr_itself_is_read(tmp_path):
    (tmp_path / "labels").mkdir()
    row = "lrs3,lrs3_video_seg16s/pretrain/-0aBcDeFgHi/00001_00.mp4,87,19 4 5"
    (tmp_path / "labels/a.csv").write_text(f"{row}\n", encoding="utf-8")
    text = tmp_path / "lrs3/lrs3_text_seg16s/pretrain/-0aBcDeFgHi/00001_00.txt"
    text.parent.mkdir(parents=True)
    text.write_text("SO IT GOES", encoding="utf-8")
    (clip,) = convert("auto_avsr", "kaldi", tmp_path / "labels/a.csv", tmp_path / "out", Settings())
    assert (clip.id, clip.speaker, clip.num_frames) == ("pretrain_-0aBcDeFgHi_00001_00", "-0aBcDeFgHi", 87)
    assert clip.text == "SO IT GOES" and clip.crop.endswith("lrs3/lrs3_video_seg16s/pretrain/-0aBcDeFgHi/00001_00.mp4")
    (tmp_path / "labels/a.csv").write_text("lrs3,only two\n", encoding="utf-8")
    with pytest.raises(VsrError, match="line 1: 2 columns, at least 4"):
        convert("auto_avsr", "kaldi", tmp_path / "labels/a.csv", tmp_path / "out", Settings())


def test_av_hubert_tables_are_written_and_read(corpus, tmp_path):
    settings = Settings(subset="test", tokens=str(corpus / "tokens"))
    convert("manifest", "av_hubert", corpus / "in.jsonl", tmp_path, settings)
    root, first, _ = (tmp_path / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert root == "/"
    name, video, sound, frames, samples = first.split("\t")
    assert (name, frames, samples) == ("test/abc/test_abc_00001", "20", "12800")
    assert video.startswith("/") and video.endswith("video/abc/test_abc_00001.mp4") and sound.endswith(".wav")
    assert (tmp_path / "test.wrd").read_text(encoding="utf-8") == "bin blue\nlay red\n"
    pieces = (tmp_path / "dict.wrd.txt").read_text(encoding="utf-8").splitlines()
    assert len(pieces) == load_tokenizer(corpus / "tokens").vocab_size - 3 and all(p.endswith(" 1") for p in pieces)
    (first, second) = convert("av_hubert", "manifest", tmp_path / "test.tsv", tmp_path / "back", Settings())
    assert first.text == "bin blue" and np.load(tmp_path / "back" / f"{second.id}.npy").shape == (20, 96, 96)
    (tmp_path / "test.wrd").write_text("bin blue\n", encoding="utf-8")
    with pytest.raises(VsrError, match="has 2 clips, its .wrd file 1 texts"):
        convert("av_hubert", "manifest", tmp_path / "test.tsv", tmp_path / "again", Settings())


def test_kaldi_folder_is_written_and_read(corpus, tmp_path):
    clips = convert("manifest", "kaldi", corpus / "in.jsonl", tmp_path, Settings())
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in tmp_path.iterdir()}
    assert lines["text"] == ["abc-test_abc_00001 BIN BLUE", "abc-test_abc_00002 LAY RED"]
    assert lines["segments"][1] == "abc-test_abc_00002 abc-test_abc_00001 0.20 1.00"
    assert len(lines["video.scp"]) == 1 and lines["spk2utt"] == ["abc abc-test_abc_00001 abc-test_abc_00002"]
    back = convert("kaldi", "manifest", tmp_path, tmp_path / "back", Settings())
    assert [replace(clip, words=()) for clip in clips] == [replace(clip, id=clip.id[4:]) for clip in back]
    (tmp_path / "segments").write_text("abc-test_abc_00001 nobody 0 1\n", encoding="utf-8")
    with pytest.raises(VsrError, match="nothing usable in segments"):
        convert("kaldi", "manifest", tmp_path, tmp_path / "back", Settings())


def test_times_of_a_kaldi_folder_give_the_same_frames(tmp_path):
    """1.6199 s, rounded to 1.62, would be the next frame."""
    times = [(0.0, 1.6199), (1.6199, 3.38), (3.38, 0.0), (1 / 3, 2 / 3)]
    clips = [Clip(f"s_{k}", "film.mp4", "a", "s", start=start, end=end) for k, (start, end) in enumerate(times)]
    write_manifest(tmp_path / "in.jsonl", clips)
    convert("manifest", "kaldi", tmp_path / "in.jsonl", tmp_path / "out", Settings())
    back = convert("kaldi", "manifest", tmp_path / "out", tmp_path / "back", Settings())
    assert [(clip.start, clip.end) for clip in back] == times
    assert (tmp_path / "out" / "segments").read_text(encoding="utf-8").splitlines()[2].endswith(" 3.38 -1.00")


def test_kaldi_order_by_utterance_is_order_by_speaker(tmp_path):
    clips = [Clip(f"{s}_{i}", f"{s}{i}.mp4", "a", s) for s in ("s10", "s1", "s2", "s1b") for i in range(2)]
    write_manifest(tmp_path / "in.jsonl", clips)
    convert("manifest", "kaldi", tmp_path / "in.jsonl", tmp_path / "out", Settings())
    rows = [line.split() for line in (tmp_path / "out" / "utt2spk").read_text(encoding="utf-8").splitlines()]
    assert rows == sorted(rows) and [speaker for _, speaker in rows] == sorted(speaker for _, speaker in rows)
    assert {name for name, _ in rows} == {utterance_id(clip) for clip in clips}


def test_lhotse_cuts_are_written_and_read(corpus, tmp_path):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    clips = convert("manifest", "lhotse", corpus / "in.jsonl", tmp_path, Settings())
    cuts = lhotse.CutSet.from_file(tmp_path / "cuts.jsonl.gz").to_eager()
    lhotse.validate(cuts)
    cut = cuts["test_abc_00002"]
    assert (cut.start, cut.duration) == (0.2, 0.8) and cut.recording.video.fps == 25 and cut.has_video
    back = convert("lhotse", "manifest", tmp_path, tmp_path / "back", Settings())
    assert back == [clips[0], replace(clips[1], end=0.0)]  # 1.0 s is the end of the video
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"not a gzip file")
    with pytest.raises(VsrError, match="cannot read cuts"):
        convert("lhotse", "manifest", tmp_path, tmp_path / "back", Settings())


def test_convert_command_and_unknown_format(corpus, tmp_path, capsys):
    arguments = ["--input", str(corpus / "in.jsonl"), "--out", str(tmp_path / "out")]
    assert main(["convert", "--from", "manifest", "--to", "kaldi", *arguments]) == 0
    assert "2 clips" in capsys.readouterr().out
    assert main(["convert", "--from", "manifest", "--to", "htk", *arguments]) == 2
    assert "unknown format 'htk'" in capsys.readouterr().err
