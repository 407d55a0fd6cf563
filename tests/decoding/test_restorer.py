"""Text from phonemes by a language model: exact losses, adapters, folders, and the order of candidates."""

import itertools
import json
import math
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip("transformers")

from tests.tiny_llm import SIZES as LLAMA
from tests.tiny_llm import save_tiny_llm
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.lexicon import lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.restorer import LoraSettings, OwnCodec, Restorer, RestorerSettings, units_of
from vsr.decoding.restorer_folder import build, load_restorer, save_restorer
from vsr.decoding.restoring import RestoreOptions, candidates_of, ranked, seen
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer
from vsr.training.restoring_config import RestorerTrainConfig, RestorerTrainerConfig
from vsr.training.restoring_pairs import batch_of, pair_loss

BART = {
    "model_type": "bart", "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 64,
    "dropout": 0.0,
}  # fmt: skip
KINDS = {"causal": LLAMA, "encoder_decoder": BART}
PROMPTS = [["B L UW"], ["R EH D | N AW"], ["AH"]]
TEXTS = [["blue"], ["red", "now"], []]


def tiny(architecture):
    """A restorer from random weights."""
    torch.manual_seed(0)
    settings = RestorerSettings(architecture=architecture, sizes=KINDS[architecture])
    model, codec, licence = build(settings)
    return Restorer(model.eval(), codec, settings, licence)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A tiny model of the real class with a tokenizer of characters, as safetensors."""
    pytest.importorskip("tokenizers")
    pytest.importorskip("transformers")
    return save_tiny_llm(tmp_path_factory.mktemp("backbone"))


@pytest.mark.parametrize("architecture", KINDS)
def test_the_loss_of_a_batch_is_that_of_its_pairs_alone(architecture):
    """Padding, the mask and the labels change nothing, and prompts teach nothing."""
    restorer = tiny(architecture)
    batch = batch_of(restorer.codec, architecture == "causal", PROMPTS, TEXTS)
    alone = [restorer.log_probs(lines, [words])[0] for lines, words in zip(PROMPTS, TEXTS, strict=True)]
    count = sum(len(restorer.codec.text(words)) for words in TEXTS)
    assert float(pair_loss(restorer.model, batch)) == pytest.approx(-sum(alone) / count, rel=1e-5)


class Largest(TorchDispatchMode):
    """The most elements that a tensor has which an operation takes."""

    taken = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.taken = max([self.taken, *(own.numel() for own in args if isinstance(own, torch.Tensor))])
        return function(*args, **(kwargs or {}))


def test_a_frozen_head_is_not_copied_for_each_pair(backbone):
    """The states of the texts' places come as a slice or as a copy; of a slice the head would be multiplied in a batch
    of its own copies, which is most of the time of a step."""
    model, codec, _ = build(RestorerSettings(str(backbone), lora=LoraSettings(rank=2)))
    head = model.get_output_embeddings().weight
    batch = batch_of(codec, True, [["B L UW"]] * 8, [["a"]] * 8)
    with Largest() as largest:
        pair_loss(model, batch).backward()
    assert not head.requires_grad and largest.taken < len(batch.ids) * head.numel()


@pytest.mark.parametrize("architecture", KINDS)
def test_texts_are_scored_together_as_alone_and_sum_to_at_most_one(architecture):
    restorer = tiny(architecture)
    texts = [list(own) for own in ("a", "b", "ab")] + [[]]
    together = restorer.log_probs(["B IY"], texts)
    assert together == pytest.approx([restorer.log_probs(["B IY"], [own])[0] for own in texts], abs=1e-4)
    assert sum(map(math.exp, together)) < 1 and restorer.log_probs(["B IY"], []) == []
    assert together != pytest.approx(restorer.log_probs(["R EH D | N AW"], texts), abs=1e-6)


@pytest.mark.parametrize("architecture", KINDS)
def test_what_is_written_ends_and_is_no_text_twice(architecture):
    found = tiny(architecture).write(["B L UW"], 3)
    assert 1 <= len(found) <= 3 and len({tuple(own) for own in found}) == len(found)


@pytest.mark.parametrize("architecture", KINDS)
def test_what_is_too_long_for_the_model_is_no_text_or_refused(architecture):
    restorer = tiny(architecture)
    restorer.model.config.max_position_embeddings = 20
    found = restorer.log_probs(["B IY"], [["a"], ["a" * 30]])
    assert math.isfinite(found[0]) and found[1] == -math.inf
    assert len("".join(restorer.write(["B IY"], 1)[0])) <= 20
    with pytest.raises(VsrError, match="read shorter clips"):
        restorer.log_probs(["B IY " * 30], [["a"]])


def test_a_learnt_pair_is_written():
    """A few steps on two pairs: each prompt is answered by its own text."""
    restorer = tiny("encoder_decoder")
    pairs = batch_of(restorer.codec, False, PROMPTS[:2], TEXTS[:2])
    optimiser = torch.optim.Adam(restorer.model.parameters(), 1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        pair_loss(restorer.model, pairs).backward()
        optimiser.step()
    assert [restorer.write(lines, 1)[0] for lines in PROMPTS[:2]] == TEXTS[:2]


def test_codecs_give_back_the_words():
    codec = OwnCodec("phoneme")
    ids = codec.text(["don't", "stop"])
    assert ids[-1] == codec.eos and codec.words(ids[:-1]) == ["don't", "stop"]
    assert codec.unknown not in codec.prompt(["B L UW | AH"]) and codec.unknown in codec.prompt(["bloo"])
    assert codec.prompt(["B"])[0] != codec.text(["b"])[0]


def test_phonemes_become_visemes_and_marks_stand_between_words_alone():
    assert units_of("B L | | UW |", "phoneme") == ["B", "L", "|", "UW"]
    assert units_of("B AE T | M", "viseme") == [*units_of("P AE D | B", "viseme")]
    assert units_of("", "viseme") == []


def adapted(backbone, **lora):
    return RestorerSettings(backbone, lora=LoraSettings(rank=2, modules=("q_proj", "v_proj"), **lora))


def test_adapters_begin_by_changing_nothing(backbone):
    pytest.importorskip("peft")
    plain = build(replace(adapted(backbone), lora=LoraSettings(rank=0)))[0].eval().to(torch.bfloat16)
    model = build(adapted(backbone))[0].eval().to(torch.bfloat16)
    ids = torch.tensor([[0, 5, 9, 11]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)
    trained = [name for name, own in model.named_parameters() if own.requires_grad]
    assert trained and all("lora_" in name for name in trained)


def saved(backbone, folder):
    """A folder whose adapters do something."""
    settings = adapted(backbone)
    model, codec, licence = build(settings)
    with torch.no_grad():
        for name, own in model.named_parameters():
            if "lora_B" in name:
                own.normal_()
    save_restorer(folder, model, settings, {"licence": licence})
    return Restorer(model.eval(), codec, settings, licence)


def test_a_folder_gives_back_its_model(backbone, tmp_path):
    pytest.importorskip("peft")
    made = saved(backbone, tmp_path)
    found = load_restorer(tmp_path)
    assert found.settings == made.settings and found.licence == "mit"
    values = [own.log_probs(["B L UW"], [["blue"], ["red"]]) for own in (made, found)]
    assert values[0] == pytest.approx(values[1], rel=0.03)  # bfloat16
    assert not (tmp_path / "weights").exists()
    (tmp_path / "plain").write_text("")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "adapter/adapter_model.safetensors")}
    assert len(modes) == 1


@pytest.mark.parametrize("architecture", KINDS)
def test_own_weights_are_saved_whole(architecture, tmp_path):
    made = tiny(architecture)
    save_restorer(tmp_path, made.model, made.settings, {})
    values = [own.log_probs(["B L UW"], [["blue"], ["red"]]) for own in (made, load_restorer(tmp_path))]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_another_backbone_and_pickles_are_refused(backbone, tmp_path):
    pytest.importorskip("peft")
    saved(backbone, tmp_path)
    table = json.loads((tmp_path / "restorer.json").read_text())
    table["backbone"] = dict.fromkeys(table["backbone"], "0" * 64)
    wrong = tmp_path / "wrong"
    (wrong / "adapter").mkdir(parents=True)
    (wrong / "restorer.json").write_text(json.dumps(table))
    with pytest.raises(VsrError, match="was trained on another model"):
        load_restorer(wrong)
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(VsrError, match="pickled weights are never read"):
        load_restorer(tmp_path)
    with pytest.raises(VsrError, match=r"no model of vsr train"):
        load_restorer(wrong / "adapter")


@pytest.mark.parametrize("package", ["peft", "transformers"])
def test_a_missing_package_is_one_line(backbone, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(VsrError, match=f"needs the package {package}: pip install 'vsr-lip2speech"):
        build(adapted(backbone))


@pytest.fixture
def tokenizer(tmp_path):
    words = tmp_path / "dictionary.txt"
    words.write_text("bin B IH N\nbin B IY N\nblue B L UW\nred R EH D\nread R EH D\n")
    return units_tokenizer(UnitSettings(dictionary=(str(words),)), ["bin blue red read"])


def frames_of(tokenizer, count=6):
    """Log-probabilities (T, V - 1) of a clip."""
    return torch.randn(count, tokenizer.vocab_size - 1, generator=torch.Generator().manual_seed(0)).log_softmax(-1)


def test_what_is_seen_is_the_best_path_through_any_pronunciations(tokenizer):
    """Beside all paths of frames, for two pronunciations of a word."""
    log_probs = frames_of(tokenizer, 4).numpy()
    ways, best = [tuple(own) for own in tokenizer.variants("bin")], -math.inf
    used = sorted({0, *itertools.chain(*ways)})
    for path in itertools.product(used, repeat=4):
        merged = [token for token, _ in itertools.groupby(path) if token]
        if tuple(merged) in ways:
            best = max(best, sum(log_probs[frame, token] for frame, token in enumerate(path)))
    assert seen(log_probs, ["bin"], tokenizer) == pytest.approx(best, abs=1e-5)
    assert seen(log_probs, ["bin", "blue", "red"], tokenizer) == -math.inf
    assert seen(log_probs, [], tokenizer) == pytest.approx(float(log_probs[:, 0].sum()), abs=1e-5)


def test_candidates_are_ranked_by_lips_and_model(tokenizer):
    """Without weight the lips decide; homophenes they cannot tell apart, the model can."""
    search, restorer = LexiconSearch(lexicon_for(tokenizer)), tiny("causal")
    log_probs = frames_of(tokenizer)
    options = RestoreOptions(beam=20, candidates=10, weight=0.0)
    found = candidates_of(log_probs, tokenizer, search, restorer, options)
    by_lips = ranked(found, options)
    assert [own.seen for own in by_lips] == sorted((own.seen for own in found), reverse=True)
    red = {own.words[0]: own for own in found if own.words in (("red",), ("read",))}
    assert red["red"].seen == red["read"].seen and red["red"].known != red["read"].known
    first = next(own for own in ranked(list(red.values()), replace(options, weight=5.0)))
    assert first.known == max(own.known for own in red.values())
    with pytest.raises(VsrError, match="the restorer takes texts and the reader reads phonemes"):
        shown = Restorer(restorer.model, restorer.codec, replace(restorer.settings, input="text"))
        candidates_of(log_probs, tokenizer, search, shown, options)


def config_of(tmp_path, backbone, text="", **noise):
    """A YAML of a short run."""
    lines = ["blue bin", "red bin", "read blue", "bin"]
    (tmp_path / "texts.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "dev.txt").write_text("blue red\n")
    (tmp_path / "words.txt").write_text("bin B IH N\nblue B L UW\nred R EH D\nread R EH D\n")
    shown = f"input: text\n  lines: {text}" if text else "input: viseme"
    path = tmp_path / "llm.yaml"
    path.write_text(
        f"llm:\n  backbone: {backbone}\n  {shown}\n  lora: {{rank: 2, modules: [q_proj]}}\n"
        f"data:\n  train: [{tmp_path}/texts.txt]\n  dev: [{tmp_path}/dev.txt]\n  dictionary: [{tmp_path}/words.txt]\n"
        f"  batch: 2\n  noise: {json.dumps(noise)}\ntrainer: {{max_epochs: 2, threads: 1}}\n"
    )
    return str(path)


def test_the_verb_trains_and_refuses(backbone, tmp_path, capsys):
    pytest.importorskip("peft")
    path, out = config_of(tmp_path, backbone), str(tmp_path / "exp")
    assert main(["train", "--config", path, "--out", out]) == 0
    said = capsys.readouterr().out
    assert "4 sentences; 0 left out" in said and "licence mit" in said and "prompts without errors" in said
    assert load_restorer(f"{out}/model").settings.input == "viseme"
    for given, told in (
        ((path, "--out", out), "holds a run already"),
        ((path, "--out", f"{out}2", "--resume"), "cannot resume from"),
        ((path, "--out", out, "--resume", "--set", "data.batch=3"), "begun with other data.batch (2, not 3)"),
        ((path, "--out", f"{out}2", "--set", "llm.input=smell"), "input is 'smell'"),
        ((path, "--dry-run"), "give llm.sizes"),
        ((path, "--out", f"{out}2", "--set", "llm.backbone=nowhere"), "nowhere is no folder"),
    ):
        assert main(["train", "--config", *given]) == 1
        assert told in capsys.readouterr().err and not (tmp_path / "exp2").exists()


def test_a_run_of_so_many_steps_is_as_long_whatever_an_epoch_is(backbone, tmp_path):
    from vsr.training import restoring
    from vsr.training.config import load_config

    settings = [f"llm.sizes={json.dumps(LLAMA)}", "llm.backbone=''", "trainer.max_steps=5"]  # an epoch has two
    config = load_config(config_of(tmp_path, backbone), settings, RestorerTrainConfig)
    run = restoring.RestorerRun(config, tmp_path / "run")
    folder = run.fit()
    assert json.loads((folder / "restorer.json").read_text("utf-8"))["training"]["steps"] == 5
    assert run.optimiser.param_groups[0]["lr"] < config.optim.lr
    with pytest.raises(VsrError, match="max_minutes and trainer.max_steps: give one"):
        RestorerTrainerConfig(max_minutes=1, max_steps=5)


@pytest.mark.parametrize("own", [True, False])
def test_a_killed_run_goes_on_to_the_bit(own, backbone, tmp_path, monkeypatch):
    """With weights of its own, and with adapters, of which the backbone is not stored."""
    from vsr.training import restoring
    from vsr.training.config import load_config

    path, settings = config_of(tmp_path, backbone), ["trainer.max_epochs=3", "llm.lora.dropout=0.5"]
    settings += [f"llm.sizes={json.dumps(LLAMA)}", "llm.backbone=''"] if own else []
    config = load_config(path, settings, RestorerTrainConfig)
    seen, run_step = [], restoring.RestorerRun._step

    def killed(run, batch, share):
        if run.reached.step == 3:
            run._save()
            raise KeyboardInterrupt
        return run_step(run, batch, share)

    def noted(run, batch, share):
        seen.append(run_step(run, batch, share))
        return seen[-1]

    monkeypatch.setattr(restoring.RestorerRun, "_step", noted)
    whole = restoring.RestorerRun(config, tmp_path / "whole")
    whole.fit()
    monkeypatch.setattr(restoring.RestorerRun, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        restoring.RestorerRun(config, tmp_path / "killed").fit()
    stored = torch.load(tmp_path / "killed/last.pt", weights_only=True)
    assert stored["reached"]["step"] == 3 and (own or all("lora_" in name for name in stored["model"]))
    before, seen[:] = list(seen), []
    monkeypatch.setattr(restoring.RestorerRun, "_step", noted)
    rest = restoring.RestorerRun(config, tmp_path / "killed", resume=True)
    rest.fit()
    assert seen == before[3:] and len(before) == 6
    for (name, one), two in zip(whole.model.state_dict().items(), rest.model.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    seen.clear()
    again = restoring.RestorerRun(config, tmp_path / "killed", resume=True)
    assert again.fit() == tmp_path / "killed/model" and not seen, "what is at its end is written again"


def test_hypotheses_of_all_members_are_shown(backbone, tmp_path, capsys):
    """Trained on patterns of two members, used by vsr combine beside and without other models."""
    pytest.importorskip("peft")
    files = []
    for name, texts in (("a", ("blue bin", "red")), ("b", ("blue been", "red bin"))):
        files.append(str(tmp_path / f"{name}.jsonl"))
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": str(n), "text": own}) + "\n" for n, own in enumerate(texts))
        )
    ref = tmp_path / "ref.jsonl"
    ref.write_text(
        "".join(
            json.dumps({"id": str(n), "video": "", "text": own, "speaker": ""}) + "\n"
            for n, own in enumerate(("blue bin", "red bin"))
        )
    )
    path = config_of(tmp_path, backbone, "2", hypotheses=files, references=str(ref))
    assert main(["train", "--config", path, "--out", str(tmp_path / "exp")]) == 0
    assert "errors of 2 readers by the patterns of 2 clips" in capsys.readouterr().out
    given = [
        "combine",
        *files,
        "--method",
        "llm",
        "--restorer",
        str(tmp_path / "exp/model"),
        "--out",
        str(tmp_path / "c.jsonl"),
    ]
    assert main([*given, "--fit", str(ref), "--save-weights", str(tmp_path / "w.json")]) == 0
    assert "restorer" in json.loads((tmp_path / "w.json").read_text())["weights"]
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 2
    capsys.readouterr()
    third = str(shutil.copy(files[0], tmp_path / "third.jsonl"))
    assert main([given[0], third, *given[1:]]) == 2
    assert "reads 2 lines of text, and there are 3 files" in capsys.readouterr().err


def test_units_are_shown_with_the_readers_errors(backbone, tmp_path):
    from collections import Counter

    from vsr.training.prompts import NoiseConfig, Prompts

    (tmp_path / "words.txt").write_text("bin B IH N\n")
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "x", "text": "B N", "unit": "phoneme"}) + "\n")
    (tmp_path / "r.jsonl").write_text(json.dumps({"id": "x", "video": "", "text": "bin", "speaker": ""}) + "\n")
    noise = NoiseConfig((str(tmp_path / "p.jsonl"),), str(tmp_path / "r.jsonl"))
    settings = RestorerSettings(backbone, input="phoneme")
    prompts = Prompts(settings, noise, (str(tmp_path / "words.txt"),), Counter())
    drawn = Counter(prompts.lines(["bin"], np.random.default_rng(seed))[0] for seed in range(100))
    assert set(drawn) == {"B IH N", "B N"} and 20 < drawn["B N"] < 80
    clean = Prompts(settings, NoiseConfig(), (str(tmp_path / "words.txt"),), Counter())
    assert clean.lines(["bin", "bin"], np.random.default_rng(0)) == ["B IH N | B IH N"]


@pytest.fixture
def reader_and_list(tokenizer, tmp_path):
    """Folders of a tiny reader of phonemes and of a restorer of random weights, and a manifest of two crops."""
    from vsr.data.manifest import Clip, write_manifest
    from vsr.models.lipreader import LipReader, LipReaderConfig
    from vsr.modelstore.folder import save_model

    torch.manual_seed(0)
    config = LipReaderConfig(
        vocab_size=tokenizer.vocab_size, frontend_width=8, frontend_layers=1, frontend_heads=2, dim=16, heads=2,
        hidden=24, layers=1, decoder_layers=0, ctc_weight=1.0, alignment_weight=0.0,
    )  # fmt: skip
    save_model(tmp_path / "reader", LipReader(config), tokenizer, {"name": "reader"})
    made = tiny("encoder_decoder")
    save_restorer(tmp_path / "restorer", made.model, made.settings, {})
    clips = []
    for number in range(2):
        crop = np.random.default_rng(number).integers(0, 255, (20, 96, 96), np.uint8)
        np.save(tmp_path / f"c{number}.npy", crop)
        clips.append(Clip(f"c{number}", "", "bin", "s", 20, str(tmp_path / f"c{number}.npy")))
    write_manifest(tmp_path / "list.jsonl", clips)
    return tmp_path


def test_the_verb_restores_what_a_reader_of_phonemes_sees(reader_and_list, tiny_model, capsys):
    folder, out = reader_and_list, reader_and_list / "out.jsonl"
    given = ["--manifest", str(folder / "list.jsonl"), "--llm", str(folder / "restorer"), "--out", str(out)]
    own = ["restore", "--model", str(folder / "reader"), *given]
    assert main([*own, "--nbest", "3", "--candidates", "5", "--written", "1", "--beam", "10"]) == 0
    said = capsys.readouterr()
    assert "2 clips restored" in said.out and "licence our own" in said.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["c0", "c1"] and all(1 <= len(row["nbest"]) <= 3 for row in rows)
    for row in rows:
        scores = [one["score"] for one in row["nbest"]]
        assert row["text"] == row["nbest"][0]["text"] and scores == sorted(scores, reverse=True)
    out.unlink()
    for words, told in (
        (["restore", "--model", str(tiny_model), *given], "is no reader of phonemes or visemes by CTC"),
        ([*own, "--candidates", "0"], "there must be a candidate"),
        ([*own, "--candidates", "99"], "no more than the beam holds"),
        ([*own[:6], "nowhere", *own[7:]], "nowhere is no model of vsr train with an llm"),
    ):
        assert main(words) == 1
        assert told in capsys.readouterr().err and not out.exists()
