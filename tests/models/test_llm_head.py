"""A head that writes by a borrowed language model: exact losses, its search, what is stored, and training."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("transformers")
pytest.importorskip("peft")

from tests.tiny_llm import SIZES, save_tiny_llm
from tests.training.test_head_sets import NONE, changed_model, trained
from tests.training.test_loop import changed
from tests.training.test_loop import config as config  # noqa: PLC0414  a fixture
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.decoding.corpus import decode_manifest
from vsr.decoding.defaults import options_for
from vsr.models.borrowed import hashes_of
from vsr.models.llm_settings import LLMHeadSettings
from vsr.modelstore.folder import load_model
from vsr.training.lipreader import LipReaderRun

LENGTHS = torch.tensor([12, 7])
TEXTS = [[40, 41, 42], [43]]
LORA = {"rank": 2, "modules": ["q_proj", "v_proj"], "dropout": 0.0}


def make_head(backbone, **settings):
    torch.manual_seed(1)
    head = LLMHeadSettings(backbone, lora=settings.pop("lora", LORA), **settings).build(16, 5)
    head.borrow()
    return head.eval()


def states_of():
    states = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))
    states[1, 7:] = 0
    return states


def batch_of(texts=TEXTS):
    longest = max(map(len, texts))
    tokens = torch.tensor([text + [IGNORE] * (longest - len(text)) for text in texts])
    return Batch({}, LENGTHS, {"tokens": tokens, "words": torch.ones(2, 1, dtype=torch.long)}, ["a", "b"])


def original_llm(head):
    """The language model as its own library loads it."""
    import transformers

    return transformers.LlamaForCausalLM.from_pretrained(head.backbone).eval()


@pytest.mark.parametrize("kind, scaled", [("stack", True), ("stack", False), ("strided", False), ("query", True)])
def test_loss_of_a_batch_is_that_of_its_clips_alone(backbone, kind, scaled):
    """Compared with the unpadded sequence in the language model without adapters, which change nothing at first."""
    head, states, total = make_head(backbone, projector={"kind": kind}, scaled=scaled), states_of(), 0.0
    losses = head.loss(states, batch_of())
    llm, end = original_llm(head), head.tokenizer.eos_id
    before, after = (head.tokenizer.plain(part) for part in (head.prompt, "\n>"))
    for row, (length, text) in enumerate(zip(LENGTHS.tolist(), TEXTS, strict=True)):
        vectors, _ = head.projector(states[row : row + 1, :length], LENGTHS[row : row + 1])
        table = llm.get_input_embeddings()
        if scaled:
            vectors = vectors / vectors.norm(dim=-1, keepdim=True) * table.weight.norm(dim=-1).mean()
        ids = [torch.tensor(tokens) for tokens in ([*head.tokenizer.begin, *before], [*after, *text])]
        embeddings = torch.cat([table(ids[0]), vectors[0], table(ids[1])])[None]
        logs = llm(inputs_embeds=embeddings).logits[0, -len(text) - 1 :].log_softmax(-1)
        total -= float(logs[range(len(text) + 1), [*text, end]].sum().detach())
    extra = sum(float(loss.detach()) for loss in head.projector.losses(states, batch_of()).values())
    assert float(losses["loss"].detach()) == pytest.approx(total / 6 + extra, rel=1e-4)


def test_only_adapters_and_projector_have_gradients(backbone):
    head = make_head(backbone).train()
    head.loss(states_of(), batch_of())["loss"].backward()
    learnt = {name for name, parameter in head.named_parameters() if parameter.grad is not None}
    assert any(name.startswith("projector.") for name in learnt) and any(".lora_B." in name for name in learnt)
    assert all(name.startswith("projector.") or ".lora_" in name for name in learnt)
    without_adapters = make_head(backbone, lora={"rank": 0})
    assert all(
        name.startswith("projector.")
        for name, parameter in without_adapters.named_parameters()
        if parameter.requires_grad
    )


@pytest.mark.parametrize("beams", [1, 3])
def test_scores_of_the_search_are_log_probabilities(backbone, beams):
    """The search with its cache gives what one whole pass gives for the text and its end."""
    head = make_head(backbone, beams=beams)
    with torch.no_grad():
        ranked = head.search(states_of(), LENGTHS, beams)
        for row, length in enumerate(LENGTHS.tolist()):
            assert 1 <= len(ranked[row]) <= beams
            assert [hypothesis.score for hypothesis in ranked[row]] == sorted(
                (hypothesis.score for hypothesis in ranked[row]), reverse=True
            )
            for hypothesis in ranked[row]:
                longest = 12 + length // 2
                logits, labels = head.logits(
                    states_of()[row : row + 1, :length], LENGTHS[row : row + 1], [hypothesis.tokens]
                )
                logs = logits[0].log_softmax(-1).gather(1, labels[0][:, None])[:, 0]
                ended = len(hypothesis.tokens) < longest
                assert hypothesis.score == pytest.approx(float(logs.sum() if ended else logs[:-1].sum()), abs=1e-3)
        if beams > 1:
            alone = head.search(states_of()[1:, :7], LENGTHS[1:], beams)
            assert [hypothesis.tokens for hypothesis in alone[0]] == [hypothesis.tokens for hypothesis in ranked[1]]


def test_head_learns_to_write_each_clips_text(backbone):
    head = make_head(backbone).train()
    optimiser = torch.optim.Adam([parameter for parameter in head.parameters() if parameter.requires_grad], 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        head.loss(states_of(), batch_of())["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        ranked = head.eval().search(states_of(), LENGTHS)
    assert [list(hypotheses[0].tokens) for hypotheses in ranked] == TEXTS


def test_refuses_tokenizer_without_an_end():
    from types import SimpleNamespace

    from vsr.text.hub_tokenizer import HubTokenizer

    with pytest.raises(VsrError, match="no token for the end"):
        HubTokenizer(lambda: SimpleNamespace(eos_token_id=None)).eos_id  # noqa: B018


def test_refuses_clip_too_long_for_the_language_model(backbone):
    head = make_head(backbone)
    with pytest.raises(VsrError, match="the language model takes 128"), torch.no_grad():
        head.search(torch.zeros(1, 900, 16), torch.tensor([900]))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "needs a backbone"),
        ({"backbone": "x", "dtype": "int3"}, "dtype"),
        ({"backbone": "x", "lora": {"rnk": 2}}, "rnk"),
        ({"backbone": "x", "projector": {"kind": "heap"}}, "heap"),
        ({"backbone": "x", "beams": 0}, "beams"),
    ],
)
def test_refuses_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        LLMHeadSettings(**settings)


def with_llm(config, backbone, projector, **settings):
    head = {"kind": "llm", "backbone": backbone, "projector": projector, "lora": LORA, "beams": 2} | settings
    return changed_model(changed(config, "trainer", max_epochs=1), NONE | {"further_heads": {"llm": head}})


@pytest.mark.slow
@pytest.mark.parametrize("projector", [{"kind": "dedup", "units": 4}, {"kind": "query", "heads": 2}])
def test_model_is_trained_stored_without_the_language_model_and_decodes(config, tmp_path, backbone, projector):
    figures, loaded = trained(with_llm(config, backbone, projector), tmp_path / "run")
    assert "dev_wer" in figures
    stored = load_file(tmp_path / "run/model/model.safetensors")
    stored_names = {name for name in stored if name.startswith("further_heads.llm.llm.")}
    assert stored_names and all(".lora_" in name for name in stored_names)
    if projector["kind"] == "dedup":
        assert len(stored["further_heads.llm.projector.centroids"].unique(dim=0)) == 4
    head_config = json.loads((tmp_path / "run/model/config.json").read_text("utf-8"))["model"]["heads"]["llm"]
    assert head_config["sha256"] == hashes_of(backbone)
    state = torch.load(tmp_path / "run/last.pt", weights_only=True)
    assert all(".lora_" in name for name in state["model"] if name.startswith("further_heads.llm.llm."))
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert len(records) == 2 and all(record["head"] == "llm" and record["nbest"] for record in records)


@pytest.mark.slow
def test_folder_finds_its_language_model_beside_it_and_refuses_another(config, tmp_path, backbone):
    backbone_copy = str(tmp_path / "own")
    shutil.copytree(backbone, backbone_copy)
    _, loaded = trained(with_llm(config, backbone_copy, "stack"), tmp_path / "run")
    shutil.move(backbone_copy, tmp_path / "run/model/own")
    reloaded = load_model(tmp_path / "run/model")
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, reloaded.model.state_dict()[name]), name
    shutil.rmtree(tmp_path / "run/model/own")
    with pytest.raises(VsrError, match="is no folder and no GGUF file"):
        load_model(tmp_path / "run/model")
    (tmp_path / "run/model/own").mkdir()
    save_tiny_llm(tmp_path / "run/model/own", seed=5)
    with pytest.raises(VsrError, match="another language model"):
        load_model(tmp_path / "run/model")


@pytest.mark.slow
def test_killed_run_resumes_to_the_bit(config, tmp_path, backbone):
    from tests.training.test_frozen import run_until

    llm_config = with_llm(config, backbone, "stack")
    llm_config = replace(llm_config, trainer=replace(llm_config.trainer, max_epochs=2))
    _, uninterrupted = run_until(LipReaderRun, llm_config, tmp_path / "whole")
    run_until(LipReaderRun, llm_config, tmp_path / "killed", step=1)
    _, rest = run_until(LipReaderRun, llm_config, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(uninterrupted[1:], rel=1e-6)


def test_dry_run_needs_only_sizes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = "{" + ", ".join(f"{name}: {value}" for name, value in (SIZES | {"vocab_size": 60}).items()) + "}"
    (tmp_path / "c.yaml").write_text(
        "data: {train: [a], dev: [b], tokenizer: t}\n"
        "model: {ctc_weight: 0.0, decoder_layers: 0, alignment_weight: 0.0, further_heads: {llm: {kind: llm,"
        f" backbone: no/where, sizes: {sizes}, lora: {{rank: 2}}}}}}}}\n",
        "utf-8",
    )
    assert main(["train", "--config", "c.yaml", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "text by no/where with adapters of rank 2" in output
    assert main(["train", "--config", "c.yaml", "--out", "run"]) == 1
