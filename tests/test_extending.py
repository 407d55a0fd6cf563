"""Parts from outside of the package: the files that docs/extending.md shows work."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vsr.core.registry import Registry
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.registry import HEADS


class KnownHead:
    """Settings of a head that is never built."""


PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
TINY = {"vocab_size": 9, "dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1, "decoder_hidden": 32}


def files_of_page() -> dict[str, str]:
    """Name -> text of the files that the page shows: blocks whose first line is `# NAME.py`."""
    blocks = re.findall(r"^```python\n(# (\w+\.py).*?)^```$", PAGE.read_text("utf-8"), flags=re.M | re.S)
    return {name: text for text, name in blocks}


@pytest.fixture(scope="module")
def plugin_folder(tmp_path_factory):
    """The folder with the files of the page."""
    folder = tmp_path_factory.mktemp("outside")
    for name, text in files_of_page().items():
        (folder / name).write_text(text)
    return folder


def python(plugin_folder, program, plugins):
    """What a program prints when it can import the files of the page."""
    environment = {"PYTHONPATH": f"{plugin_folder}:{PAGE.parents[1]}", "VSR_PLUGINS": plugins, "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False, cwd=plugin_folder
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_page_shows_a_file_for_each_kind_of_part(plugin_folder):
    assert {path.stem for path in plugin_folder.glob("*.py")} == {
        "my_frontend", "my_encoder", "my_head", "my_objective", "my_corpus", "my_condition"
    }  # fmt: skip


MODEL = """
import torch
from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model
from vsr.modelstore.saving import save_model
from vsr.objectives.ctc_attention import weights_of
from vsr.objectives.registry import objective_of
from vsr.text.tokenizer import CharTokenizer

torch.manual_seed(0)
tokens = CharTokenizer("abcdef ")
config = LipReaderConfig(
    vocab_size=tokens.vocab_size, dim=16, heads=2, hidden=32, layers=1, decoder_layers=1, decoder_hidden=32,
    frontend="corners", frontend_settings={"corners": 2}, encoder="mean_of_neighbours",
    further_heads={"length": {"kind": "word_count", "most": 12, "weight": 0.5}},
)
model = LipReader(config)
targets = {
    "tokens": torch.tensor([[2, 3, 4], [2, -1, -1]]), "frame_tokens": torch.full((2, 12), -1),
    "length.number": torch.tensor([[3], [1]]),
}
batch = Batch({"video": torch.randn(2, 12, 1, 88, 88)}, torch.tensor([12, 7]), targets, ["a", "b"])
losses = objective_of(config)(model, batch)
assert losses["length"].isfinite(), losses
standard = {name: value for name, value in losses.items() if name in ("ctc", "attention", "alignment")}
weighted = sum(weights_of(config)[name] * value for name, value in standard.items()) + 0.5 * losses["length"]
assert torch.allclose(losses["loss"], weighted)
ctc_alone = objective_of(config, "ctc_alone")(model, batch)
assert set(ctc_alone) == {"loss", "ctc"}
ctc_alone["loss"].backward()
model.eval()
with torch.inference_mode():
    both = model.encode(batch.video, batch.lengths)
    alone = model.encode(batch.video[1:, :7], batch.lengths[1:])
assert torch.allclose(both[1:, :7], alone, atol=1e-5) and not both[1, 7:].any()
save_model("saved", model, tokens)
again = load_model("saved").model
with torch.inference_mode():
    assert torch.equal(again.encode(batch.video, batch.lengths), both)
print([ranked[0].tokens for ranked in again.further_heads["length"].search(both, batch.lengths)])
"""


def test_front_end_encoder_head_and_objective_from_outside(plugin_folder):
    output = python(plugin_folder, MODEL, "my_frontend,my_encoder,my_head,my_objective")
    assert output.startswith("[(") and json.loads((plugin_folder / "saved" / "config.json").read_text())["model"]


DECODE = """
import json
import sys

import numpy as np
import torch
from vsr.cli import main
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, write_manifest
from vsr.models.lipreader import further_heads_of
from vsr.modelstore.folder import load_model

texts = ["ab cd", "a b c"]
clips = [Clip(str(n), "none.mp4", text, num_frames=9 + n, crop=f"{n}.npy") for n, text in enumerate(texts)]
for clip in clips:
    np.save(clip.crop, np.random.default_rng(0).integers(0, 255, (clip.num_frames, 96, 96), np.uint8))
write_manifest("clips.jsonl", clips)
loaded = load_model("saved")
heads = further_heads_of(loaded.model.config)
batch = CropDataset(clips, loaded.tokenizer, None, heads=heads).batch([0, 1])
assert batch.targets["length.number"].tolist() == [[2], [3]] and batch.of("length").targets["number"].shape == (2, 1)
with torch.no_grad():
    head = loaded.model.further_heads["length"].out
    head.weight.zero_()
    head.bias.copy_(torch.arange(13) == 4)
from vsr.modelstore.saving import save_model
save_model("saved", loaded.model, loaded.tokenizer)
search = ["--model", "saved", "--manifest", "clips.jsonl", "--device", "cpu"]
assert not main(["decode", *search, "--out", "all.jsonl", "--beam", "3"])
assert not main(["decode", *search, "--out", "length.jsonl", "--head", "length", "--nbest", "2"])
assert not main(["decode", *search, "--out", "ctc.jsonl", "--head", "ctc"])
assert main(["decode", *search, "--out", "none.jsonl", "--head", "nothing"]) == 2
every, by_length, ctc = ([json.loads(line) for line in open(f"{name}.jsonl")] for name in ("all", "length", "ctc"))
assert [record["heads"] for record in every] == [{"length": "4"}] * 2, every
assert [record["text"] for record in by_length] == ["4", "4"] and len(by_length[0]["nbest"]) == 2
assert by_length[0]["head"] == "length"
assert all(set(record["text"]) <= set("abcdef ") for record in ctc)
print("ok")
"""


def test_further_head_has_targets_and_decodes_in_its_own_tokens(plugin_folder):
    plugins = "my_frontend,my_encoder,my_head,my_objective"
    python(plugin_folder, MODEL, plugins)
    assert python(plugin_folder, DECODE, plugins).endswith("ok\n")


def test_loading_without_the_plugin_names_the_missing_part(plugin_folder):
    program = "from vsr.core.errors import VsrError\nfrom vsr.modelstore.folder import load_model\n"
    program += "try:\n    load_model('saved')\nexcept VsrError as error:\n    print(error)"
    python(plugin_folder, MODEL, "my_frontend,my_encoder,my_head,my_objective")
    message = python(plugin_folder, program, "")
    assert "frontend is 'corners'" in message and "of a plug-in that is installed or named in VSR_PLUGINS" in message


def test_corpus_from_outside(plugin_folder):
    (plugin_folder / "corpus").mkdir(exist_ok=True)
    (plugin_folder / "corpus" / "one.mp4").touch()
    (plugin_folder / "corpus" / "one.txt").write_text("hello you\n")
    program = "import sys\nfrom vsr.cli import main\n"
    program += "sys.exit(main(['prepare', 'folder', '--corpus', 'corpus', '--out', 'made']))"
    assert python(plugin_folder, program, "my_corpus") == "all 1\n"
    assert json.loads((plugin_folder / "made" / "all.jsonl").read_text())["text"] == "hello you"


CONDITION = """
import numpy as np
import torch
from lip2speech.conditions.registry import conditions_of
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.voice import Voice
from lip2speech.models.voice_config import VoiceConfig
from vsr.data.manifest import Clip

sizes = dict(units=5, dim=16, layers=1, velocity_layers=1, heads=2, hidden=32)
reader = dict(vocab_size=9, dim=16, heads=2, hidden=32, layers=1, decoder_layers=1, decoder_hidden=32)
torch.manual_seed(0)
before = Voice(VoiceConfig(reader=reader, **sizes)).eval()
torch.nn.init.normal_(before.velocity.output.weight)
paced = Voice(VoiceConfig(reader=reader, conditions={"pace": {"kind": "pace"}}, **sizes)).eval()
new = {name: value for name, value in paced.state_dict().items() if name.startswith("conditions.")}
assert set(new) == {"conditions.pace.null", "conditions.pace.project.weight", "conditions.pace.project.bias"}
paced.load_state_dict(new | before.state_dict())
pace = conditions_of(paced.config.conditions)["pace"].load(Clip("a", "a.mp4", "one two"), 50)
assert pace.tolist() == [2.0]
video, lengths, speaker = torch.randn(1, 6, 1, 88, 88), torch.tensor([6]), torch.zeros(1, 256)
options = FlowOptions(steps=2, guidance=1.5)
def speak(model, **more):
    return model.speak(video, lengths, speaker, options, **more).mel
shown = {"conditions": {"pace": torch.tensor([[2.0]])}}
assert torch.equal(speak(before), speak(paced)) and torch.equal(speak(before), speak(paced, **shown))
torch.nn.init.normal_(paced.conditions["pace"].project.weight)
assert not torch.allclose(speak(paced, **shown), speak(paced))
print("ok")
"""


def test_condition_of_the_flow_from_outside(plugin_folder):
    assert python(plugin_folder, CONDITION, "my_condition") == "ok\n"


def test_settings_of_built_in_kinds_may_be_nested():
    nested = LipReaderConfig(**TINY, frontend="video_transformer", frontend_settings={"width": 32, "heads": 2})
    flat = LipReaderConfig(**TINY, frontend="video_transformer", frontend_width=32, frontend_heads=2)
    torch.manual_seed(0)
    first = LipReader(nested)
    torch.manual_seed(0)
    second = LipReader(flat)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"frontend": "resnet"}, "frontend is 'resnet'; it can be resnet3d"),
        ({"frontend_settings": {"depth": 3}}, "depth"),
        ({"encoder": "lstm"}, "encoder is 'lstm'"),
        ({"further_heads": {"x": {"weight": 1}}}, "further_heads.x needs a kind"),
        ({"further_heads": {"x": {"kind": "nothing"}}}, "head is 'nothing'"),
    ],
    ids=["frontend", "setting", "encoder", "no kind", "unknown head"],
)
def test_unknown_kind_or_setting_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        LipReaderConfig(**TINY | settings)


def test_refuses_head_without_training_or_with_negative_weight():
    HEADS.register("known")(KnownHead)
    settings = {"ctc_weight": 0, "alignment_weight": 0, "decoder_layers": 0, "classes": 6, "mixup": 0.2}
    with pytest.raises(ValueError, match="mixup is for a model that has classes alone"):
        LipReaderConfig(**TINY | settings, further_heads={"x": {"kind": "known"}})
    with pytest.raises(ValueError, match="further_heads.x.weight is -1"):
        LipReaderConfig(**TINY, further_heads={"x": {"kind": "known", "weight": -1}})


def test_refuses_two_kinds_of_one_name():
    kinds = Registry("thing", "vsr.things")
    kinds.register("a")(int)
    kinds.register("a")(int)
    with pytest.raises(ValueError, match="two kinds of thing are called 'a'"):
        kinds.register("a")(float)


def test_plugin_that_cannot_be_imported_is_named(monkeypatch):
    from vsr.core.errors import VsrError

    monkeypatch.setenv("VSR_PLUGINS", "no_such_module_at_all")
    with pytest.raises(VsrError, match="no_such_module_at_all cannot be imported"):
        list(Registry("thing", "vsr.things"))
