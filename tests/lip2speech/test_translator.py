"""Units of one language -> units of another: the language's token leads, lengths fill the time, pairs say the same."""

import shutil

import numpy as np
import pytest
import torch
import yaml

from lip2speech.cli import main
from lip2speech.inference.folder import load_model, save_voice
from lip2speech.inference.languages import check_language, languages_of
from lip2speech.inference.translating import open_translator, say, translate_wave
from lip2speech.models.durations import filling, free, repeated, runs
from lip2speech.models.parts import save_part
from lip2speech.models.translator import TranslatorConfig, UnitTranslator
from lip2speech.models.translators import FIRST, UnitPairs
from lip2speech.training.translator import TranslatorTrainConfig
from lip2speech.training.unit_pairs import PairDataset, pairs_of, said_by, units_of
from tests.lip2speech.tiny import UNITS, by_heart, save_units_voice, speakers, tiny_codebook, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.core.tokens import IGNORE
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import read_wave, write_wave
from vsr.media.units import Codebook
from vsr.models.hypotheses import searched
from vsr.training.config import load_config

LANGUAGES = ("en", "es", "de")
SIZES = {"languages": LANGUAGES, "units": UNITS, "dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1}


def translator(**settings):
    torch.manual_seed(3)
    return UnitTranslator(TranslatorConfig(**SIZES | {"dropout": 0.0} | settings)).eval()


def pairs(lengths=(6, 4)):
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 5, 3], [4, 2, IGNORE]])
    steps = torch.tensor([[2, 1, 3], [4, 1, 0]])
    source = torch.randint(UNITS, (len(lengths), max(lengths), 2))
    first = torch.tensor([TranslatorConfig(**SIZES).token_of(own) for own in ("es", "de")])
    return UnitPairs(source, torch.tensor(lengths), tokens, steps, first)


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_undone_by_repetition(seed):
    units = np.random.default_rng(seed).integers(0, 3, 50).tolist()
    found, counts = runs(units)
    assert repeated(found, counts) == units and all(a != b for a, b in zip(found, found[1:], strict=False))
    assert runs([]) == ([], [])


@pytest.mark.parametrize("steps", [7, 8, 40, 101])
def test_lengths_fill_the_time_exactly(steps):
    for seed in range(20):
        lengths = np.random.default_rng(seed).uniform(0.2, 9, 7)
        counts = filling(lengths, steps)
        assert sum(counts) == steps and min(counts) >= 1
        order = np.argsort(lengths)
        assert (np.diff(np.array(counts)[order]) >= -1).all()  # a longer one is not shorter, but for rounding
    whole = [3, 1, 4, 1, 5, 9, 2]
    assert filling(whole, sum(whole)) == whole == free(whole)
    assert free([0.2, 2.6]) == [1, 3]


def test_no_time_for_the_units_is_refused():
    with pytest.raises(VsrError, match="3 units have to be said in 2 steps of 20 ms: give --duration free"):
        filling([1, 1, 1], 2)


def test_a_clip_alone_and_beside_a_longer_one_is_the_same():
    model, batch = translator(), pairs()
    both = model(batch)[0][1, :3]
    own = batch.source[1:, :4], batch.lengths[1:], batch.tokens[1:, :2], batch.steps[1:, :2], batch.first[1:]
    alone = UnitPairs(*own)
    assert torch.allclose(both, model(alone)[0][0], atol=1e-5)
    translated = model.translate(batch.source, batch.lengths, "es")
    assert translated[1].units == model.translate(alone.source, alone.lengths, "es")[0].units


def test_probabilities_that_are_sure_are_units():
    model, batch = translator(), pairs()
    shares = torch.nn.functional.one_hot(batch.source, UNITS).float()
    assert torch.allclose(model.encode(batch.source, batch.lengths), model.encode(shares, batch.lengths))


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_lead_and_are_never_written(language):
    model, batch = translator(), pairs()
    with torch.no_grad():
        model.decoder.out.bias[list(model.decoder.languages)] = 50.0  # a model that would write nothing else
        model.decoder.out.bias[-1] = -1.0
    for found in model.translate(batch.source, batch.lengths, language, same=False):
        assert all(0 <= own < UNITS for own in found.units) and len(found.units) % 2 == 0
    tokens_in, targets = model.taught(batch)
    assert tokens_in[:, 0].tolist() == batch.first.tolist() and targets[0].tolist() == [2, 5, 3, 12 + 2]


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_search_finds_the_best_of_all_by_sum_or_by_mean(power):
    model, batch = translator(), pairs()
    decoder, lengths = model.decoder, batch.lengths[:1]
    first, limit = batch.first[:1], torch.tensor([2])
    units = range(FIRST, FIRST + UNITS)
    each = [(), *((one,) for one in units), *((one, two) for one in units for two in units)]
    with torch.no_grad():
        decoder.out.bias[-1] = -3.0
        states = model.encode(batch.source[:1], lengths)
        found = searched(decoder, states, lengths, len(each), limit, first, power)
        barred, scores = [0, 1, *decoder.languages], {}
        for tokens in each:
            given = torch.tensor([[int(first), *tokens]])
            logits = decoder(given, states, lengths)[0].index_fill(-1, torch.tensor(barred), -torch.inf)
            wanted = torch.tensor([*tokens, model.config.vocab_size - 1])
            total = logits.log_softmax(-1).gather(-1, wanted[:, None]).sum()
            scores[tokens] = float(total) / (len(tokens) + 1) ** power
    best = sorted(scores, key=scores.get, reverse=True)
    assert [tuple(own) for own in found.lists()[0][:20]] == best[:20]
    assert best[0] == () if power == 0 else len(best[0]) == 2  # what breaks off is the likeliest, and not the best


def test_the_language_says_what_is_said():
    model, batch = translator(label_smoothing=0.0), pairs()
    by_heart(model, batch)
    for row, language in enumerate(("es", "de")):
        source, lengths = batch.source[row : row + 1], batch.lengths[row : row + 1]
        (found,) = model.translate(source[:, : int(lengths)], lengths, language, same=False)
        tokens = [own for own in batch.tokens[row].tolist() if own != IGNORE]
        assert runs(found.units)[0] == [own - FIRST for own in tokens]
        (same,) = model.translate(source[:, : int(lengths)], lengths, language)
        assert len(same.units) == 2 * int(lengths) and runs(same.units)[0] == runs(found.units)[0]
        assert same.pace == pytest.approx(sum(batch.steps[row].tolist()) / len(same.units), rel=0.2)


def test_lengths_of_padding_do_not_count():
    model, batch = translator(), pairs()
    changed = UnitPairs(batch.source, batch.lengths, batch.tokens, batch.steps.clone(), batch.first)
    first = model.loss(batch)
    changed.steps[0, 0] = 9
    assert model.loss(changed)["lengths"] != first["lengths"] and float(batch.counts()["units"]) == 7


def clips():
    said = {"en": "the dog", "es": "el perro", "de": "der hund"}
    found = []
    for language, text in said.items():
        others = {own: other for own, other in said.items() if own != language}
        found.append(Clip(f"{language}_1", f"{language}.wav", text, "s", 8, language=language, translations=others))
    return found


def test_pairs_say_the_same_in_another_language():
    english, spanish, german = clips()
    said = said_by([spanish, german, english])
    assert pairs_of(english, said, LANGUAGES) == [("es", spanish), ("de", german)]
    assert pairs_of(english, said, ("en", "de")) == [("de", german)]
    assert pairs_of(Clip("x", "x.wav", "the dog", language="en"), said, LANGUAGES) == []
    with pytest.raises(VsrError, match="does not say its language"):
        said_by([Clip("x", "x.wav", "the dog")])


def test_a_batch_holds_the_pair_that_the_seed_draws():
    units = {clip.id: torch.arange(16) // 4 % UNITS + number for number, clip in enumerate(clips())}
    dataset = PairDataset(clips(), clips(), units, TranslatorConfig(**SIZES))
    drawn = {int(dataset.batch([0], epoch).first) for epoch in range(20)}
    assert drawn == {dataset.config.token_of("es"), dataset.config.token_of("de")}
    one = dataset.batch([0], 3)
    assert torch.equal(one.source.flatten(), units["en_1"]) and torch.equal(one.source, dataset.batch([0], 3).source)
    number = 1 if int(one.first) == dataset.config.token_of("es") else 2
    assert (one.tokens - FIRST).tolist() == [runs(units[clips()[number].id].tolist())[0]] and one.steps.sum() == 16
    changed = PairDataset(clips(), clips(), units, TranslatorConfig(**SIZES), replaced=1.0).batch([0], 3)
    assert not torch.equal(changed.source, one.source) and torch.equal(changed.tokens, one.tokens)


def test_two_sounds_of_one_id_are_refused():
    one, other = Clip("a", "a.wav", "x", sound="a.wav"), Clip("a", "b.wav", "x", sound="b.wav")
    with pytest.raises(VsrError, match="a is the id of two sounds"):
        units_of([one, other], Codebook(torch.randn(UNITS, 39), "mfcc"))


@pytest.mark.parametrize("given, said", [
    ({"languages": ()}, "languages"), ({"languages": ("en", "en")}, "languages"), ({"dim": 15}, "dim"),
    ({"units": 0}, "units"), ({"beam": 0}, "beam"),
])  # fmt: skip
def test_sizes_that_make_no_translator_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        TranslatorConfig(**SIZES | given)


@pytest.fixture(scope="module")
def codebook():
    return tiny_codebook()


@pytest.fixture(scope="module")
def voice(tmp_path_factory, codebook):
    """A folder with a tiny voice that speaks units and translates."""
    folder = save_units_voice(tmp_path_factory.mktemp("translating"), codebook)
    model = translator()
    with torch.no_grad():
        model.decoder.out.bias[-1] = -1.0
    save_part(folder / "translator", model)
    codebook.save(folder / "translator/units.safetensors")
    return folder


@pytest.fixture
def said(tmp_path, voice_like):
    write_wave(tmp_path / "said.wav", voice_like[:20_001])
    return tmp_path / "said.wav"


@pytest.mark.parametrize("samples", [640, 641, 16_000, 40_001])
def test_same_is_as_long_as_the_source_to_the_sample(voice, voice_like, samples):
    loaded = load_model(voice)
    found = translate_wave(open_translator(loaded), voice_like[:samples], "de")
    assert len(found.units) == 2 * -(-samples // 640)
    assert say(loaded, found.units, speakers(1), samples=samples).shape == (samples,)


def test_a_recording_speaks_another_language(voice, said, tmp_path, capsys):
    given = ["translate", str(said), "--to", "es", "--model", str(voice), "--consent", "--steps", "1"]
    assert main([*given, "-o", str(tmp_path / "es.wav")]) == 0
    assert "s of speech in es" in capsys.readouterr().out
    assert len(read_wave(tmp_path / "es.wav")) == 20_001
    assert main([*given, "-o", str(tmp_path / "free.wav"), "--duration", "free"]) == 0
    assert len(read_wave(tmp_path / "free.wav")) % 640 == 0


def test_the_lips_of_a_video_are_voiced_first(voice, tiny_voice_folder, face_clip, tmp_path):
    given = ["translate", str(face_clip), "--to", "de", "--model", str(voice), "--lips", str(tiny_voice_folder)]
    out = tmp_path / "de.mp4"
    assert main([*given, "-o", str(out), "--consent", "--steps", "1"]) == 0
    assert len(read_wave(out)) == pytest.approx(16_000, abs=640) and b"synthetic" in out.read_bytes()


@pytest.mark.parametrize("options, said_of", [
    (["--to", "fr"], "speaks en, es, de"),
    (["--to", "Spanish"], "the code of a language, such as es"),
    (["--to", "es", "--reference", "none.wav"], "none.wav: no such file"),
    (["--to", "es", "--duration", "free", "-o", "x.mp4"], "write a .wav"),
    (["--to", "es", "--modality", "sound", "--lips", "m"], "--lips works only with --modality video"),
    (["--to", "es", "--modality", "video", "--reference", "own"], "does not use"),
    (["--to", "es", "-o", "x"], "the suffix says"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused_early(voice, said, tmp_path, monkeypatch, capsys, options, said_of):
    monkeypatch.chdir(tmp_path)
    base = ["translate", str(said), "--model", str(voice)]
    assert main([*base, *([] if "-o" in options else ["-o", "x.wav"]), *options]) == (1 if "none.wav" in options else 2)
    assert said_of in capsys.readouterr().err and not (tmp_path / "x.wav").exists()


def test_voices_that_do_not_translate_say_what_to_give(voice, said, tiny_voice_folder, tmp_path, capsys, codebook):
    base = ["translate", str(said), "--to", "es", "-o", str(tmp_path / "x.wav"), "--consent"]
    for model in ([], ["--model", str(tiny_voice_folder)]):
        assert main([*base, *model]) == 1 and "give a voice that has it as --model" in capsys.readouterr().err
    other = tmp_path / "other"
    save_voice(other / "acoustic", tiny_voice(), Codebook(codebook.centres + 1, "mfcc"), {"seen": "units"})
    save_part(other / "vocoder", tiny_vocoder())
    save_part(other / "translator", translator())
    codebook.save(other / "translator/units.safetensors")
    assert main([*base, "--model", str(other)]) == 1 and "other units" in capsys.readouterr().err
    assert languages_of(voice) == list(LANGUAGES)
    with pytest.raises(VsrError, match="en, es, de"):
        check_language(voice, "xx")


def test_an_absent_file_is_named_before_a_translator_is_missed(tmp_path, capsys):
    assert main(["translate", "none.wav", "--to", "es", "-o", str(tmp_path / "x.wav")]) == 1
    assert "none.wav: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["translator", "listener", "face", "train"])
def test_a_configuration_that_is_absent_is_refused_before_anything_is_made(verb, tmp_path, capsys):
    assert main([verb, "--config", "none.yaml", "--out", str(tmp_path / "run")]) == 1
    assert "--config none.yaml: no such file" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_what_is_too_long_or_nothing_is_refused(voice):
    loaded = open_translator(load_model(voice))
    with pytest.raises(VsrError, match="longer than the 20 s"):
        translate_wave(loaded, np.zeros(640 * 501, np.float32), "es")
    with pytest.raises(VsrError, match="no sound"):
        translate_wave(loaded, np.zeros(0, np.float32), "es")


def test_a_recording_that_is_too_long_is_refused_before_a_model_is_loaded(voice, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lip2speech.inference.folder.load_model", lambda *_: pytest.fail("a model was loaded"))
    write_wave(tmp_path / "long.wav", np.zeros(640 * 501, np.float32))
    given = ["translate", str(tmp_path / "long.wav"), "-o", str(tmp_path / "no.wav"), "--to", "es", "--consent"]
    assert main([*given, "--model", str(voice)]) == 1
    assert "long.wav is longer than the 20 s" in capsys.readouterr().err and not (tmp_path / "no.wav").exists()


@pytest.fixture
def lists(tmp_path, codebook, monkeypatch, voice_like):
    """Three languages that say the same, each a little otherwise; the config of a run."""
    monkeypatch.chdir(tmp_path)
    codebook.save("units.safetensors")
    for name in ("train", "dev"):
        made = []
        for number, clip in enumerate(clips()):
            path = tmp_path / f"{name}_{clip.id}.wav"
            write_wave(path, voice_like[640 * number : 640 * (number + 8)])
            made.append(Clip(f"{name}_{clip.id}", str(path), clip.text, "s", 8, language=clip.language, sound=str(path),
                             translations=clip.translations))  # fmt: skip
        write_manifest(f"{name}.jsonl", made)
    config = {
        "data": {"train": "train.jsonl", "targets": "train.jsonl", "dev": "dev.jsonl", "dev_targets": "dev.jsonl",
                 "units": "units.safetensors", "replaced": 0.0},
        "model": {name: own for name, own in SIZES.items() if name != "units"} | {"languages": list(LANGUAGES)},
        "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 60, "precision": "32-true", "threads": 1},
    }  # fmt: skip
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("kind", ["autoregressive", "masked"])
def test_a_translator_is_trained_and_belongs_to_its_voice(lists, voice, said, capsys, kind):
    settings = ["--set", f"model.kind={kind}"]
    assert main(["translator", "--config", "t.yaml", "--dry-run", *settings]) == 0
    assert "en, es, de" in capsys.readouterr().out
    assert main(["translator", "--config", "t.yaml", "--out", "run", *settings]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if "dev_units" in line]
    assert len(shown) >= 2
    shutil.copytree(voice, lists / "own", ignore=shutil.ignore_patterns("translator"))
    shutil.copytree(lists / "run/model", lists / "own/translator")
    assert open_translator(load_model(lists / "own")).languages == LANGUAGES
    given = ["translate", str(said), "--to", "es", "--model", str(lists / "own"), "--consent", "--steps", "1"]
    assert main([*given, "-o", "es.wav"]) == 0 and len(read_wave("es.wav")) == 20_001
    with pytest.raises(VsrError, match="model.kind is 'mask'; it can be masked"):
        load_config("t.yaml", ["model.kind=mask"], TranslatorTrainConfig).model_config(UNITS)


def test_lists_that_say_nothing_in_another_language_are_refused(lists, capsys):
    assert main(["translator", "--config", "t.yaml", "--out", "m", "--set", "model.languages=[fr]"]) == 1
    assert "no training clip is said in another language by the targets: fr" in capsys.readouterr().err
    assert load_config("t.yaml", [], TranslatorTrainConfig).data.replaced == 0.0
