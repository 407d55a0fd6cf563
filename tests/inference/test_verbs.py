"""align, find, encode and --cropped, with the shipped model on the demo clip: its words and times."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tests.conftest import write_video
from vsr.cli import main
from vsr.face.mouth_crop import crop_video
from vsr.inference.alignment import align_video, original_times
from vsr.inference.free_reading import domain_probability
from vsr.inference.reader import load_model
from vsr.inference.speech import EncodedWindow, encoded_windows, speech_windows
from vsr.inference.states import encode_video
from vsr.inference.trained_words import strange_words
from vsr.modelstore.folder import SHIPPED, pixel_reader

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
USAGE = (
    "must end in", "what one face says", "no video of a mouth alone", "can be 0 to 1", "has no layer '9'",
    "is given twice", "a phrase is empty", "--text is empty", "is not a layer; give frontend",
)  # fmt: skip
SAID = "place blue by m five please"


@pytest.fixture(scope="module")
def loaded():
    return load_model()


@pytest.fixture(scope="module")
def transcript(loaded):
    return loaded.transcribe(CLIP)


@pytest.fixture(scope="module")
def mouth(tmp_path_factory):
    """The mouth of the clip as a lossless video of its own."""
    crop = crop_video(CLIP).crop
    images = np.repeat(crop[..., None], 3, axis=-1)
    return write_video(tmp_path_factory.mktemp("mouth") / "mouth.mkv", images, codec="ffv1", pixel_format="bgr0")


@pytest.fixture(scope="module")
def wide_clip(tmp_path_factory):
    """A video whose shape cannot be that of a mouth."""
    return write_video(tmp_path_factory.mktemp("wide") / "wide.mp4", np.zeros((15, 96, 128, 3), np.uint8))


def messages(capsys):
    output = capsys.readouterr()
    return [line for line in output.err.splitlines() if line.startswith("vsr: ")]


def test_aligned_words_have_the_times_of_the_same_words_read(loaded, transcript):
    aligned = align_video(loaded, CLIP, "Place blue, by M five please.")
    aligned_words, read_words = aligned.segments[0].words, transcript.segments[0].words
    assert [w.word for w in aligned_words] == SAID.split()
    for aligned_word, read_word in zip(aligned_words, read_words, strict=True):
        assert (aligned_word.start, aligned_word.end) == pytest.approx((read_word.start, read_word.end), abs=0.041)
    wrong = align_video(loaded, CLIP, "bin red at z nine again").segments[0]
    assert wrong.confidence < 0.5 < aligned.segments[0].confidence


def test_align_writes_the_format_of_the_suffix(tmp_path, capsys):
    out = tmp_path / "clip.textgrid"
    assert main(["align", str(CLIP), "--text", SAID, "-o", str(out)]) == 0
    assert out.read_text().startswith("File type")
    (tmp_path / "said.txt").write_text(SAID + "\n")
    assert main(["align", str(CLIP), "--text-file", str(tmp_path / "said.txt")]) == 0
    assert [row.split("\t")[-1] for row in capsys.readouterr().out.splitlines()[1:]] == SAID.split()


@pytest.mark.parametrize(
    "command, message",
    [
        (["align", "{clip}", "--text", " . "], "there are no words"),
        (["align", "{clip}", "--text", "пять"], "cannot write"),
        (["align", "{clip}", "--text", "place " * 60], "the text needs"),
        (["align", "{clip}", "--text", "x", "-o", "a.doc"], "must end in"),
        (["align", "{clip}", "--text-file", "nowhere.txt"], "nowhere.txt"),
        (["align", "nowhere.mp4", "--text", "x"], "nowhere.mp4: no such file"),
        (["align", "{clip}", "--text", "x", "--faces", "all"], "what one face says"),
        (["align", "{wide}", "--text", "x", "--cropped"], "no video of a mouth alone"),
        (["find", "пять", "{clip}"], "cannot write"),
        (["find", "x", "{clip}", "--threshold", "2"], "can be 0 to 1"),
        (["find", "x", "nowhere.mp4"], "no such file"),
        (["find", "", "{clip}"], "a phrase is empty"),
        (["align", "{clip}", "--text", " "], "--text is empty"),
        (["encode", "{clip}", "-o", "out", "--layers", "0,x"], "is not a layer; give frontend"),
        (["encode", "{clip}", "-o", "out", "--layers", "9"], "has no layer '9'"),
        (["encode", "{clip}", "{clip}", "-o", "out"], "is given twice"),
        (["encode", "nowhere.mp4", "-o", "out"], "no such file"),
        (["transcribe", "{wide}", "--cropped"], "no video of a mouth alone"),
    ],
)
def test_bad_input_is_one_line(command, message, capsys, tmp_path, monkeypatch, wide_clip):
    monkeypatch.chdir(tmp_path)
    status = 2 if message in USAGE and command[0] != "transcribe" else 1
    assert main([word.format(clip=CLIP, wide=wide_clip) for word in command]) == status
    (line,) = messages(capsys)
    assert message in line and not list(tmp_path.rglob("*.*"))


def test_phrase_is_found_where_it_is_said_and_no_other(transcript, capsys):
    phrases = ["m five", "blue", "red", "z nine", "again", "lace"]
    options = [word for phrase in phrases[1:] for word in ("--also", phrase)]
    assert main(["find", phrases[0], str(CLIP), "--json", *options]) == 0
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [hit["phrase"] for hit in hits] == ["blue", "m five"]  # "lace" is only a part of a word
    spoken = {word.word: word for word in transcript.segments[0].words}
    for hit, first, last in ((hits[0], "blue", "blue"), (hits[1], "m", "five")):
        assert hit["start"] == pytest.approx(spoken[first].start, abs=0.09)
        assert hit["end"] == pytest.approx(spoken[last].end, abs=0.09) and hit["score"] > 0.9


def test_every_layer_is_written_with_its_times(loaded, tmp_path, capsys):
    layers = "frontend,1,last"
    for name in ("safetensors", "npz"):
        assert main(["encode", str(CLIP), "-o", str(tmp_path), "--layers", layers, "--format", name]) == 0
    with safe_open(tmp_path / "clip.safetensors", "np") as stored:
        first = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
        assert stored.metadata()["model"] == loaded.name
    second = np.load(tmp_path / "clip.npz")
    assert set(first) == {"frontend", "1", "last", "start", "end", "face", "window"}
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])
    (window,) = encoded_windows(loaded, CLIP)
    width = first["last"].shape[1]  # the states of pixels, which a fused model has beside those of tracks
    np.testing.assert_array_equal(first["last"], window.states[:, :width].numpy())
    assert first["1"].shape == first["last"].shape and not np.allclose(first["1"], first["last"])
    assert (first["end"] - first["start"]).min() > 0 and len(first["start"]) == len(window.states)


def test_normalised_last_layer_is_what_the_heads_read(loaded):
    reader = pixel_reader(loaded.model)
    count = len(reader.encoder.layers)
    states = encode_video(loaded, CLIP, (str(count), "last"))
    with torch.inference_mode():
        normalised = reader.encoder.norm(torch.from_numpy(states[str(count)]))
    np.testing.assert_allclose(normalised.numpy(), states["last"], atol=1e-5)


def test_video_of_the_mouth_is_read_like_its_source(mouth, transcript, capsys, loaded):
    assert main(["transcribe", str(mouth), "--cropped", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["text"] == transcript.text == SAID and record["provenance"]["cropped"]
    assert main(["find", "blue", str(mouth), "--cropped"]) == 0
    assert "blue" in capsys.readouterr().out
    aligned = align_video(loaded, mouth, SAID, cropped=True).segments[0].words
    source_words = transcript.segments[0].words
    assert [w.start for w in aligned] == pytest.approx([w.start for w in source_words], abs=0.09)


def test_mouth_of_another_size_is_scaled(mouth, tmp_path):
    from vsr.inference.cropped import cropped_clip

    crop = cropped_clip(mouth).crop
    doubled = np.repeat(np.repeat(crop, 2, axis=1), 2, axis=2)
    path = write_video(tmp_path / "m.mkv", np.repeat(doubled[..., None], 3, -1), codec="ffv1", pixel_format="bgr0")
    np.testing.assert_array_equal(cropped_clip(path).crop, crop)


def test_transcripts_of_mouth_videos_are_kept_on_resume(mouth, tmp_path, capsys):
    command = ["transcribe", str(mouth), "--cropped", "-o", str(tmp_path), "--format", "json", "--resume"]
    assert main(command) == 0
    before = (tmp_path / "mouth.json").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "mouth.json").stat().st_mtime_ns == before and "1 kept" in capsys.readouterr().err


def test_windows_of_a_long_video_share_no_frame(loaded, tmp_path, mouth):
    """Each frame of a mouth video longer than a window is encoded once, in order."""
    from vsr.inference.cropped import cropped_clip

    crop = np.concatenate([cropped_clip(mouth).crop] * 3)
    path = write_video(tmp_path / "long.mkv", np.repeat(crop[..., None], 3, -1), codec="ffv1", pixel_format="bgr0")
    windows = list(speech_windows(loaded, path, cropped=True))
    assert len(windows) > 1 and any(window.first for window in windows)
    starts = np.concatenate([window.edges[:-1][window.first :] for window in windows])
    assert len(starts) == len(crop) and (np.diff(starts) > 0).all()


def test_times_across_windows_stay_on_their_side():
    first, second = np.array([1.0, 1.04, 1.08]), np.array([5.0, 5.04, 5.08])
    begin, end = original_times(
        [EncodedWindow(0, torch.zeros(2, 1), first), EncodedWindow(0, torch.zeros(2, 1), second)]
    )
    assert (begin(0.08), end(0.08)) == (5.0, 1.08)
    assert (begin(0.04), end(0.12)) == pytest.approx((1.04, 5.04))


@pytest.mark.parametrize("command", [["align", "--text", "place blue"], ["encode", "-o", "out"], ["phrases"]])
def test_lips_at_rest_are_one_line(command, tmp_path, monkeypatch, capsys):
    """As of a patient who keeps still."""
    (tmp_path / "list.txt").write_text("place blue\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsr.inference.speech._streamed", lambda *given: iter(()))
    verb, *rest = command
    assert main([verb, *(["list.txt"] if verb == "phrases" else []), str(CLIP), *rest]) == 1
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


STRANGE = "hippopotamus"


def test_find_with_lips_at_rest_finds_nothing_and_says_why(monkeypatch, capsys):
    monkeypatch.setattr("vsr.inference.speech._streamed", lambda *arguments: iter(()))
    assert main(["find", "blue", str(CLIP)]) == 0
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and "at rest from beginning to end" in output.err


@pytest.mark.parametrize("command", [["find", STRANGE], ["align", "--text", STRANGE], ["phrases", "list.txt"]])
def test_unknown_words_of_a_small_vocabulary_are_named_first(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "list.txt").write_text(f"place blue\n{STRANGE}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsr.inference.speech._streamed", lambda *arguments: iter(()))
    main([*command, str(CLIP)])
    note, _ = capsys.readouterr().err.splitlines()
    assert "has seen 51 words said, and 'hippopotamus' is not among them" in note
    assert not strange_words(SHIPPED, ["Place BLUE at f, two now!"]) and strange_words(SHIPPED, ["a w"]) == ["w"]


def test_unknown_words_are_not_reported_without_a_known_vocabulary(tiny_model):
    assert strange_words(tiny_model, [STRANGE]) == []


@pytest.mark.parametrize(
    "line", ["transcribe {clip}", "decode --manifest m.jsonl --out o.jsonl", "inspect {clip} -o page.html"]
)
def test_missing_lexicon_is_reported_before_models_are_loaded(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsr.modelstore.folder.load_model", None)
    assert main([*line.format(clip=CLIP).split(), "--method", "lexicon"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert "give --lexicon FILE" in message


@pytest.mark.parametrize("command, message", [
    (["live", "nowhere.mp4"], "nowhere.mp4: no such file"),
    (["dictate", "nowhere.mp4"], "nowhere.mp4: no such file"),
    (["fuse", "--pixels", "a", "--tracks", "b", "--out", "c", "--widest-turn", "nan"], "from 0 to 90 degrees"),
    (["combine", "--method", "vote", "--out", "x.jsonl", "empty.jsonl", "other.jsonl"], "no hypothesis"),
    (["phrases", "list.txt", "0", "--seconds", "-3"], "--seconds is above 0"),
    (["phrases", "own", "0", "--speak", "said.mp3"], "writes a .wav"),
    (["find", "blue", "nowhere.mp4"], "nowhere.mp4: no such file"),
    (["sync", "nowhere.mp4", "nor.mp4"], "no such file, nor any of the 1 others"),
    (["inspect", "nowhere.mp4", "-o", "p.html"], "nowhere.mp4: no such file"),
    (["transcribe", str(CLIP), "--ngram", "nowhere.arpa"], "--ngram nowhere.arpa: no such file"),
    (["transcribe", str(CLIP), "--ngram", "clip.mp4"], "is no file of n-grams: neither ARPA"),
    (["transcribe", str(CLIP), "--model", "grid", "--head", "es"], "grid has no head 'es'"),
    (["find", "blue", str(CLIP), "--threshold", "3"], "--threshold is 3.0"),
    (["combine", "--out", "x.jsonl", "empty.jsonl"], "nothing to combine"),
    (["average", "--exp", "nosuch", "--out", "c"], "no such folder of a run"),
    (["average", "--models", "m", "./m", "--out", "c"], "given twice"),
    (["corrupt", "clip.mp4", "--occlude", "5", "--out", "c"], "not above 1"),
    (["transcribe", str(CLIP), "--format", "json", "--unsure", "drop"], "--unsure works only with"),
])  # fmt: skip
def test_refuses_impossible_requests_before_models_are_loaded(command, message, tmp_path, monkeypatch, capsys):
    for name in ("empty.jsonl", "other.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsr.modelstore.folder.load_model", None)
    of_files = any(cause in message for cause in ("no such file", "no hypothesis", "no file of n-grams"))
    assert main(command) == (1 if of_files else 2)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err and not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize("arguments", [["find", "blue"], ["align", "--text", SAID]])
def test_places_on_lips_unlike_the_trained_ones_are_called_guesses(arguments, monkeypatch, capsys):
    command = [arguments[0], *arguments[1:], str(CLIP)]
    assert main(command) == 0 and not messages(capsys)
    monkeypatch.setattr("vsr.decoding.guesses.FLAGGED", 1.1)  # no lips are known that well
    assert main(command) == 0
    (note,) = messages(capsys)
    assert "look unlike what the model was trained on" in note and "guesses" in note


def test_model_without_a_domain_needs_no_free_reading(tiny_model, monkeypatch):
    def fail(*arguments):
        raise AssertionError("a search for nothing")

    monkeypatch.setattr("vsr.inference.free_reading.decode", fail)
    loaded = load_model(tiny_model)
    assert (
        domain_probability(loaded, [EncodedWindow(0, torch.zeros(30, loaded.model.config.dim), np.zeros(31))]) is None
    )


def test_domain_of_a_long_video_is_the_mean_over_windows(loaded, monkeypatch):
    lengths = []
    monkeypatch.setattr(
        "vsr.inference.free_reading.read_freely",
        lambda _, states: ([], lengths.append(len(states)) or 0.1 * len(lengths)),
    )
    assert domain_probability(
        loaded, [EncodedWindow(0, torch.zeros(count, 4), np.zeros(count + 1)) for count in (30, 20)]
    ) == pytest.approx(0.15) and lengths == [30, 20]


@pytest.mark.parametrize("model", ["grid", "grid-tracks", "grid-av"])
def test_missing_layer_is_refused_before_the_model_is_loaded(model, monkeypatch, capsys):
    monkeypatch.setattr("vsr.modelstore.folder.load_model", lambda *arguments: pytest.fail("a model was loaded"))
    assert main(["encode", str(CLIP), "-o", "out", "--layers", "4,5", "--model", model]) == 2
    assert "has no layer '5'; it has 'frontend', 1 to 4, or 'last'" in capsys.readouterr().err
