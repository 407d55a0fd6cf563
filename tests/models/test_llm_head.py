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


def made(backbone, **settings):
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
    tokens = torch.tensor([own + [IGNORE] * (longest - len(own)) for own in texts])
    return Batch({}, LENGTHS, {"tokens": tokens, "words": torch.ones(2, 1, dtype=torch.long)}, ["a", "b"])


def plain(head):
    """The language model as its own library loads it."""
    import transformers

    return transformers.LlamaForCausalLM.from_pretrained(head.backbone).eval()


@pytest.mark.parametrize("kind, scaled", [("stack", True), ("stack", False), ("strided", False), ("query", True)])
def test_the_loss_of_a_batch_is_that_of_its_clips_alone(backbone, kind, scaled):
    """And of the unpadded sequence in the language model without adapters, which change nothing at first."""
    head, states, total = made(backbone, projector={"kind": kind}, scaled=scaled), states_of(), 0.0
    found = head.loss(states, batch_of())
    llm, end = plain(head), head.tokenizer.eos_id
    before, after = (head.tokenizer.plain(own) for own in (head.prompt, "\n>"))
    for row, (length, text) in enumerate(zip(LENGTHS.tolist(), TEXTS, strict=True)):
        vectors, _ = head.projector(states[row : row + 1, :length], LENGTHS[row : row + 1])
        table = llm.get_input_embeddings()
        if scaled:
            vectors = vectors / vectors.norm(dim=-1, keepdim=True) * table.weight.norm(dim=-1).mean()
        ids = [torch.tensor(own) for own in ([*head.tokenizer.begin, *before], [*after, *text])]
        given = torch.cat([table(ids[0]), vectors[0], table(ids[1])])[None]
        logs = llm(inputs_embeds=given).logits[0, -len(text) - 1 :].log_softmax(-1)
        total -= float(logs[range(len(text) + 1), [*text, end]].sum().detach())
    more = sum(float(own.detach()) for own in head.projector.losses(states, batch_of()).values())
    assert float(found["loss"].detach()) == pytest.approx(total / 6 + more, rel=1e-4)


def test_adapters_and_projector_alone_have_gradients(backbone):
    head = made(backbone).train()
    head.loss(states_of(), batch_of())["loss"].backward()
    learnt = {name for name, own in head.named_parameters() if own.grad is not None}
    assert any(name.startswith("projector.") for name in learnt) and any(".lora_B." in name for name in learnt)
    assert all(name.startswith("projector.") or ".lora_" in name for name in learnt)
    none = made(backbone, lora={"rank": 0})
    assert all(name.startswith("projector.") for name, own in none.named_parameters() if own.requires_grad)


@pytest.mark.parametrize("beams", [1, 3])
def test_scores_of_the_search_are_log_probabilities(backbone, beams):
    """With its cache the search finds what one whole pass says of the text and its end."""
    head = made(backbone, beams=beams)
    with torch.no_grad():
        found = head.search(states_of(), LENGTHS, beams)
        for row, length in enumerate(LENGTHS.tolist()):
            assert 1 <= len(found[row]) <= beams
            assert [own.score for own in found[row]] == sorted((own.score for own in found[row]), reverse=True)
            for own in found[row]:
                most = 12 + length // 2
                logits, labels = head.logits(states_of()[row : row + 1, :length], LENGTHS[row : row + 1], [own.tokens])
                logs = logits[0].log_softmax(-1).gather(1, labels[0][:, None])[:, 0]
                ended = len(own.tokens) < most
                assert own.score == pytest.approx(float(logs.sum() if ended else logs[:-1].sum()), abs=1e-3)
        if beams > 1:
            alone = head.search(states_of()[1:, :7], LENGTHS[1:], beams)
            assert [own.tokens for own in alone[0]] == [own.tokens for own in found[1]]


def test_it_learns_to_write_what_each_clip_says(backbone):
    head = made(backbone).train()
    optimiser = torch.optim.Adam([own for own in head.parameters() if own.requires_grad], 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        head.loss(states_of(), batch_of())["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        found = head.eval().search(states_of(), LENGTHS)
    assert [list(own[0].tokens) for own in found] == TEXTS


def test_a_tokenizer_without_an_end_is_refused():
    from types import SimpleNamespace

    from vsr.text.hub_tokenizer import HubTokenizer

    with pytest.raises(VsrError, match="no token for the end"):
        HubTokenizer(lambda: SimpleNamespace(eos_token_id=None)).eos_id  # noqa: B018


def test_a_clip_that_is_too_long_for_the_model_is_refused(backbone):
    head = made(backbone)
    with pytest.raises(VsrError, match="the language model takes 128"), torch.no_grad():
        head.search(torch.zeros(1, 900, 16), torch.tensor([900]))


@pytest.mark.parametrize(
    "settings, printed",
    [
        ({}, "needs a backbone"),
        ({"backbone": "x", "dtype": "int3"}, "dtype"),
        ({"backbone": "x", "lora": {"rnk": 2}}, "rnk"),
        ({"backbone": "x", "projector": {"kind": "heap"}}, "heap"),
        ({"backbone": "x", "beams": 0}, "beams"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, printed):
    with pytest.raises(ValueError, match=printed):
        LLMHeadSettings(**settings)


def with_llm(config, backbone, projector, **more):
    head = {"kind": "llm", "backbone": backbone, "projector": projector, "lora": LORA, "beams": 2} | more
    return changed_model(changed(config, "trainer", max_epochs=1), NONE | {"further_heads": {"llm": head}})


@pytest.mark.slow
@pytest.mark.parametrize("projector", [{"kind": "dedup", "units": 4}, {"kind": "query", "heads": 2}])
def test_a_reader_with_it_is_trained_stored_without_the_language_model_and_decodes(
    config, tmp_path, backbone, projector
):
    figures, loaded = trained(with_llm(config, backbone, projector), tmp_path / "run")
    assert "dev_wer" in figures
    stored = load_file(tmp_path / "run/model/model.safetensors")
    owned = {name for name in stored if name.startswith("further_heads.llm.llm.")}
    assert owned and all(".lora_" in name for name in owned)
    if projector["kind"] == "dedup":
        assert len(stored["further_heads.llm.projector.centroids"].unique(dim=0)) == 4
    kept = json.loads((tmp_path / "run/model/config.json").read_text("utf-8"))["model"]["heads"]["llm"]
    assert kept["sha256"] == hashes_of(backbone)
    state = torch.load(tmp_path / "run/last.pt", weights_only=True)
    assert all(".lora_" in name for name in state["model"] if name.startswith("further_heads.llm.llm."))
    records = decode_manifest(loaded, config.data.tests[0], tmp_path / "hyp.jsonl", options_for(loaded))
    assert len(records) == 2 and all(own["head"] == "llm" and own["nbest"] for own in records)


@pytest.mark.slow
def test_a_folder_finds_its_language_model_beside_it_and_refuses_another(config, tmp_path, backbone):
    own = str(tmp_path / "own")
    shutil.copytree(backbone, own)
    _, loaded = trained(with_llm(config, own, "stack"), tmp_path / "run")
    shutil.move(own, tmp_path / "run/model/own")
    again = load_model(tmp_path / "run/model")
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    shutil.rmtree(tmp_path / "run/model/own")
    with pytest.raises(VsrError, match="is no folder and no GGUF file"):
        load_model(tmp_path / "run/model")
    (tmp_path / "run/model/own").mkdir()
    save_tiny_llm(tmp_path / "run/model/own", seed=5)
    with pytest.raises(VsrError, match="another language model"):
        load_model(tmp_path / "run/model")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_bit(config, tmp_path, backbone):
    from tests.training.test_frozen import run_until

    own = with_llm(config, backbone, "stack")
    own = replace(own, trainer=replace(own.trainer, max_epochs=2))
    _, whole = run_until(LipReaderRun, own, tmp_path / "whole")
    run_until(LipReaderRun, own, tmp_path / "killed", step=1)
    _, rest = run_until(LipReaderRun, own, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole[1:], rel=1e-6)


def test_a_dry_run_needs_sizes_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = "{" + ", ".join(f"{name}: {own}" for name, own in (SIZES | {"vocab_size": 60}).items()) + "}"
    (tmp_path / "c.yaml").write_text(
        "data: {train: [a], dev: [b], tokenizer: t}\n"
        "model: {ctc_weight: 0.0, decoder_layers: 0, alignment_weight: 0.0, further_heads: {llm: {kind: llm,"
        f" backbone: no/where, sizes: {sizes}, lora: {{rank: 2}}}}}}}}\n",
        "utf-8",
    )
    assert main(["train", "--config", "c.yaml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "text by no/where with adapters of rank 2" in printed
    assert main(["train", "--config", "c.yaml", "--out", "run"]) == 1
