"""Translation by masked diffusion: as long as the source, filled in rounds, conditioned on language and pace."""

import shutil

import numpy as np
import pytest
import torch

from lip2speech.models.durations import runs
from lip2speech.models.masked_translator import MaskedTranslator, MaskedTranslatorConfig, pace_of, stretched_targets
from lip2speech.models.parts import save_part
from lip2speech.models.translator import TranslatorConfig
from lip2speech.models.translators import FIRST, UnitPairs, load_translator
from tests.lip2speech.tiny import UNITS, by_heart
from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.core.tokens import IGNORE

LANGUAGES = ("en", "es", "de")
SIZES = {"languages": LANGUAGES, "units": UNITS, "dim": 16, "heads": 2, "hidden": 32, "layers": 1, "decoder_layers": 1}


def translator(**settings):
    torch.manual_seed(3)
    return MaskedTranslator(MaskedTranslatorConfig(**SIZES | {"dropout": 0.0} | settings)).eval()


def pairs():
    torch.manual_seed(1)
    tokens = torch.tensor([[2, 5, 3], [4, 2, IGNORE]])
    steps = torch.tensor([[2, 1, 3], [4, 1, 0]])
    first = torch.tensor([TranslatorConfig(**SIZES).token_of(language) for language in ("es", "de")])
    return UnitPairs(torch.randint(UNITS, (2, 6, 2)), torch.tensor([6, 4]), tokens, steps, first)


@pytest.fixture(scope="module")
def trained():
    """A model that has learnt two sentences by heart."""
    model, batch = translator(), pairs()
    return by_heart(model, batch), batch


def alone(batch, row):
    frames = int(batch.lengths[row])
    return batch.source[row : row + 1, :frames], batch.lengths[row : row + 1]


def test_targets_fill_the_time_of_their_sources_exactly():
    batch = pairs()
    codes, paces = stretched_targets(batch)
    assert codes.shape == (2, 12) and codes[1, 8:].tolist() == [IGNORE] * 4 and (codes[0] >= 0).all()
    for row, steps in ((0, 12), (1, 8)):
        units = [token - FIRST for token in batch.tokens[row].tolist() if token != IGNORE]
        assert runs(codes[row, :steps].tolist())[0] == units and float(paces[row]) == pytest.approx(len(units) / steps)
    assert runs(codes[0].tolist())[1] == [4, 1, 7]  # 2, 1, 3 of 6 become 12: what is above one each is shared
    short = UnitPairs(batch.source[:, :1], torch.tensor([1, 1]), batch.tokens, batch.steps, batch.first)
    assert (stretched_targets(short)[0][0] == IGNORE).all() and (stretched_targets(short)[0][1] >= 0).all()
    assert torch.isfinite(translator().loss(short)["loss"])


def test_language_decides_the_translation_at_the_length_of_the_source(trained):
    model, batch = trained
    codes, _ = stretched_targets(batch)
    for row, language in enumerate(("es", "de")):
        pace = float((batch.tokens[row] != IGNORE).sum()) / (2 * int(batch.lengths[row]))
        source, lengths = alone(batch, row)
        first = torch.tensor([model.config.token_of(language)])
        with torch.no_grad():
            translation = model._translate_clip(model.encode(source, lengths), lengths, first, pace)
        assert (
            list(translation.units) == codes[row, : 2 * int(lengths)].tolist()
            and translation.pace == 1
            and translation.score < 0
        )
    assert model.missed(batch)[1] == 20


@pytest.mark.parametrize("rounds", [1, 3, 8])
def test_clip_is_translated_alike_alone_and_beside_a_longer_one(rounds):
    model, batch = translator(rounds=rounds), pairs()
    both = model.translate(batch.source, batch.lengths, "es")
    for row in range(2):
        (single,) = model.translate(*alone(batch, row), "es")
        assert single.units == both[row].units and len(single.units) == 2 * int(batch.lengths[row])
        assert all(0 <= unit < UNITS for unit in single.units) and single.pace == both[row].pace
        assert single.score == pytest.approx(both[row].score, rel=1e-5)  # another batch rounds differently


def test_single_round_is_plain_classification():
    model, batch = translator(rounds=1), pairs()
    source, lengths = alone(batch, 0)
    pace = torch.tensor([pace_of(source.flatten())])
    with torch.no_grad():
        masked, first = torch.full((1, 12), UNITS), torch.tensor([model.config.token_of("de")])
        logits = model(masked, model.encode(source, lengths), lengths, first, pace)
    assert model.translate(source, lengths, "de")[0].units == tuple(logits[0].argmax(-1).tolist())


def test_certain_probabilities_equal_units_and_the_pace_is_the_sources():
    model, batch = translator(), pairs()
    shares = torch.nn.functional.one_hot(batch.source, UNITS).float()
    of_units, of_probabilities = (model.translate(source, batch.lengths, "es") for source in (batch.source, shares))
    assert [one.units for one in of_units] == [one.units for one in of_probabilities]
    assert pace_of(torch.tensor([1, 1, 2, 2])) == 0.5 and pace_of(torch.tensor([1, 2, 1, 2])) == 1.0
    states, first = model.encode(*alone(batch, 0)), torch.tensor([model.config.token_of("es")])
    masked = torch.full((1, 12), UNITS)
    slow, fast = (model(masked, states, batch.lengths[:1], first, torch.tensor([r])) for r in (0.2, 0.9))
    assert not torch.allclose(slow, fast)


def test_refuses_another_length_than_the_sources():
    with pytest.raises(VsrError, match="give --duration same"):
        translator().translate(pairs().source, pairs().lengths, "es", same=False)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"temperature": -1}, {"languages": ()}, {"dim": 15}])
def test_refuses_impossible_sizes(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MaskedTranslatorConfig(**SIZES | wrong)


def test_folder_records_its_kind(tmp_path):
    model, batch = translator(), pairs()
    save_part(tmp_path / "masked", model, {"kind": "masked"})
    reloaded = load_translator(tmp_path / "masked")
    same = [
        translator_model.translate(batch.source, batch.lengths, "de")[0].units
        for translator_model in (model.half().float(), reloaded)
    ]
    assert isinstance(reloaded, MaskedTranslator) and np.array_equal(*same)
    shutil.copytree(tmp_path / "masked", tmp_path / "odd")
    write_json(tmp_path / "odd/config.json", read_json(tmp_path / "odd/config.json") | {"kind": "mask"})
    with pytest.raises(VsrError, match="'mask'; it can be masked"):
        load_translator(tmp_path / "odd")
