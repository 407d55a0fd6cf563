"""CoGenAV with a Whisper reads as the real peers do: states, Whisper's states of them, its decoder, its search."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("transformers")

from tests.published.agreement import gap
from tests.published.formula import as_one, sound, video, weights
from tests.published.test_cogenav import twice_as_wide
from tests.tiny_llm import LETTERS, save_letters, save_tiny_whisper
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.defaults import options_for, options_in
from vsr.models.borrowed import borrow
from vsr.models.streams import Streams
from vsr.models.whisper_head import PREFIX
from vsr.models.whisper_search import WhisperBeam, suppressed_by
from vsr.modelstore.folder import load_model
from vsr.modelstore.importers import cogenav

GOLDEN = json.loads((Path(__file__).parent / "golden" / "cogenav_reader.json").read_text())


def adapted(shapes):
    """The weights of a checkpoint whose adapter layers share their feed-forward network."""
    return as_one(weights(shapes), "adapter.layers.0.ffn.", "adapter.layers.{}.ffn.")


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """The folder of the Whisper of the golden numbers."""
    folder = tmp_path_factory.mktemp("whisper")
    save_file(weights(GOLDEN["whisper"]), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(GOLDEN["sizes"]), "utf-8")
    save_letters(folder, GOLDEN["sizes"]["vocab_size"])
    return folder


@pytest.fixture(scope="module")
def model(whisper):
    reader = cogenav.build(adapted(GOLDEN["shapes"]), GOLDEN["head"], whisper)
    borrow(reader)
    reader.further_heads["text"].prefix = tuple(LETTERS[index] for index in GOLDEN["begin"])
    return reader.eval()


def inputs_of(record):
    inputs = {"video": video(record["frames"]), "sound": sound(record["frames"])}
    names = inputs if record["modality"] == "both" else (record["modality"],)
    return Streams({name: inputs[name] for name in names})


@torch.no_grad()
@pytest.mark.parametrize("record", GOLDEN["records"], ids=lambda r: f"{r['modality']}-{r['frames']}")
def test_every_stage_and_the_search_are_those_of_the_peers(model, record):
    lengths, head = torch.tensor([record["frames"]]), model.further_heads["text"]
    states = model.encode(inputs_of(record), lengths)
    assert gap(states[0], record["states"]) < 1e-4
    assert gap(head.heard(states)[0], record["heard"]) < 1e-4
    logits = head.logits(states[0], record["frames"], GOLDEN["text"])
    assert gap(logits.log_softmax(-1), record["decoder"]) < 1e-4
    expected = record["found"]
    (hypotheses,) = head.search(states, lengths, 3)
    assert [list(h.tokens) for h in hypotheses] == [h["tokens"] for h in expected[:3]]
    assert [h.score for h in hypotheses] == pytest.approx([h["score"] for h in expected[:3]], abs=1e-3)
    banned = (suppressed_by(head.whisper, name) for name in ("suppress_tokens", "begin_suppress_tokens"))
    beam = WhisperBeam(3, 2.0, tuple(GOLDEN["begin"]), GOLDEN["sizes"]["eos_token_id"], *banned)
    most = GOLDEN["sizes"]["max_target_positions"] // 2
    everything = beam.run(head.whisper, head.heard(states), most)
    assert [list(h.tokens) for h in everything] == [h["tokens"] for h in expected]


@torch.no_grad()
def test_clip_beside_a_longer_one_is_read_the_same(model):
    pad = torch.nn.functional.pad
    lips = torch.cat([video(9), pad(video(4), (0, 0) * 3 + (0, 5), value=0.3)])
    waves = torch.cat([sound(9), pad(sound(4), (0, 0, 0, 5), value=0.3)])
    states = model.encode(Streams({"video": lips, "sound": waves}), torch.tensor([9, 4]))
    assert gap(states[0], GOLDEN["records"][2]["states"]) < 1e-4
    assert gap(states[1], GOLDEN["records"][3]["states"]) < 1e-4
    with pytest.raises(VsrError, match="a clip of 0.5 s, and this model reads 0.48 s at once"):
        model.encode(video(13), torch.tensor([13]))


def test_tensors_and_whispers_that_do_not_fit_are_named(whisper, tmp_path):
    tensors = adapted(GOLDEN["shapes"])
    name = "adapter.layers.1.ffn.gate.0.bias"
    with pytest.raises(VsrError, match=f"'{name}' is not that of the first layer"):
        cogenav.build(tensors | {name: tensors[name] + 1}, GOLDEN["head"], whisper)
    with pytest.raises(VsrError, match=r"lacks 'upsampler.delta_net.0.weight'"):
        lacking = {key: value for key, value in tensors.items() if not key.startswith("upsampler")}
        cogenav.build(lacking, GOLDEN["head"], whisper)
    other = save_tiny_whisper(tmp_path)
    with pytest.raises(VsrError, match="is 16 wide, this model 32: the large one goes with Whisper medium"):
        cogenav.build(tensors, GOLDEN["head"], other)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A checkpoint as published, of one head of 64 channels, and a Whisper of that width with a window of 60 frames."""
    folder = tmp_path_factory.mktemp("large")
    shapes = {
        name: [2 * side for side in shape] for name, shape in GOLDEN["shapes"].items() if name.startswith("adapter.")
    }
    torch.save(adapted(twice_as_wide(GOLDEN["shapes"]) | shapes), folder / "large_cogenav.pt")
    sizes = {"d_model": 64, "max_source_positions": 120}
    return folder / "large_cogenav.pt", save_tiny_whisper(folder / "whisper", prompt=PREFIX, **sizes)


def test_command_makes_a_reader_that_transcribes(large, tmp_path, capsys, face_clip):
    checkpoint, whisper = large
    command = ["import", "cogenav", str(checkpoint), "--whisper", whisper, "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert f"reads video and sound, text by the Whisper in {whisper}, which must stay there" in capsys.readouterr().out
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert "further_heads.text.adapter.feed_forward.gate.0.bias" in tensors
    assert not any(".whisper." in name for name in tensors)
    loaded = load_model(tmp_path / "out")
    assert options_for(loaded).head == "text" == options_in(loaded.folder, loaded.config, {}).head
    clip = ["transcribe", str(face_clip), "--model", str(tmp_path / "out"), "--format", "json", "--modality", "video"]
    assert main(clip) == 0
    transcript = json.loads(capsys.readouterr().out)
    assert transcript["provenance"]["search"] == {"head": "text", "nbest": 1} and transcript["segments"][0]["text"]


def test_published_reader_is_fetched_with_its_whisper(large, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VSR_CACHE", str(tmp_path))
    checkpoint, whisper = large
    get = ["models", "get", "cogenav", "--from", str(checkpoint), "--accept-licence"]
    assert main(get) == 0
    assert not load_model("cogenav").model.heads
    assert main([*get, "--whisper", whisper]) == 0
    assert list(load_model("cogenav").model.heads) == ["text"]
    capsys.readouterr()
    for command, message in (
        (["models", "get", "raven", "--whisper", whisper], "--whisper works only with cogenav, not with raven"),
        (["models", "get", "cogenav", "--from", str(checkpoint), "--whisper", "nowhere"], "no folder of a Whisper"),
        (["import", "raven", str(checkpoint), "--whisper", whisper, "-o", "x"], "--whisper works only with cogenav"),
    ):
        assert main(command) == (1 if "nowhere" in command else 2)
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
