"""Candidates of lip reader and restorer, and `vsr restore`."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from tests.tiny_restorer import phonemes, tiny
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.lexicon import lexicon_for
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.restorer import Restorer
from vsr.decoding.restorer_folder import save_restorer
from vsr.decoding.restoring import RestoreOptions, Restoring, ranked, visual_log_prob


@pytest.fixture
def tokenizer(tmp_path):
    return phonemes(tmp_path)


def frames_of(tokenizer, count=6):
    """Log-probabilities (T, V - 1) of a clip."""
    return torch.randn(count, tokenizer.vocab_size - 1, generator=torch.Generator().manual_seed(0)).log_softmax(-1)


def test_seen_score_is_the_best_path_through_any_pronunciation(tokenizer):
    """Compared with all paths of frames, for two pronunciations of a word."""
    log_probs = frames_of(tokenizer, 4).numpy()
    pronunciations, best = [tuple(pronunciation) for pronunciation in tokenizer.variants("bin")], -math.inf
    used = sorted({0, *itertools.chain(*pronunciations)})
    for path in itertools.product(used, repeat=4):
        merged = [token for token, _ in itertools.groupby(path) if token]
        if tuple(merged) in pronunciations:
            best = max(best, sum(log_probs[frame, token] for frame, token in enumerate(path)))
    assert visual_log_prob(log_probs, ["bin"], tokenizer) == pytest.approx(best, abs=1e-5)
    assert visual_log_prob(log_probs, ["bin", "blue", "red"], tokenizer) == -math.inf
    assert visual_log_prob(log_probs, [], tokenizer) == pytest.approx(float(log_probs[:, 0].sum()), abs=1e-5)


def test_candidates_are_ranked_by_lips_and_model(tokenizer):
    """Without weight the lips decide; of homophenes, which they cannot tell apart, the model decides."""
    search, restorer = LexiconSearch(lexicon_for(tokenizer)), tiny("causal")
    log_probs = frames_of(tokenizer)
    options = RestoreOptions(beam=20, candidates=10, weight=0.0)
    candidates = Restoring(tokenizer, search, restorer, options).candidates(log_probs)
    by_lips = ranked(candidates, options)
    assert [candidate.seen for candidate in by_lips] == sorted(
        (candidate.seen for candidate in candidates), reverse=True
    )
    homophenes = {candidate.words[0]: candidate for candidate in candidates if candidate.words in (("red",), ("read",))}
    assert homophenes["red"].seen == homophenes["read"].seen and homophenes["red"].known != homophenes["read"].known
    first = next(candidate for candidate in ranked(list(homophenes.values()), replace(options, weight=5.0)))
    assert first.known == max(candidate.known for candidate in homophenes.values())
    with pytest.raises(VsrError, match="the restorer takes texts and the reader reads phonemes"):
        of_texts = Restorer(restorer.model, restorer.codec, replace(restorer.settings, input="text"))
        Restoring(tokenizer, search, of_texts, options).candidates(log_probs)


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
    restorer = tiny("encoder_decoder")
    save_restorer(tmp_path / "restorer", restorer.model, restorer.settings, {})
    clips = []
    for number in range(2):
        crop = np.random.default_rng(number).integers(0, 255, (20, 96, 96), np.uint8)
        np.save(tmp_path / f"c{number}.npy", crop)
        clips.append(Clip(f"c{number}", "", "bin", "s", 20, str(tmp_path / f"c{number}.npy")))
    write_manifest(tmp_path / "list.jsonl", clips)
    return tmp_path


def test_restore_writes_what_a_model_of_phonemes_reads(reader_and_list, tiny_model, capsys):
    folder, out = reader_and_list, reader_and_list / "out.jsonl"
    options = ["--manifest", str(folder / "list.jsonl"), "--llm", str(folder / "restorer"), "--out", str(out)]
    command = ["restore", "--model", str(folder / "reader"), *options]
    assert main([*command, "--nbest", "3", "--candidates", "5", "--written", "1", "--beam", "10"]) == 0
    output = capsys.readouterr()
    assert "2 clips restored" in output.out and "licence our own" in output.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["c0", "c1"] and all(1 <= len(row["nbest"]) <= 3 for row in rows)
    for row in rows:
        scores = [entry["score"] for entry in row["nbest"]]
        assert row["text"] == row["nbest"][0]["text"] and scores == sorted(scores, reverse=True)
    out.unlink()
    for wrong, message in (
        (["restore", "--model", str(tiny_model), *options], "is no reader of phonemes or visemes by CTC"),
        ([*command, "--candidates", "0"], "there must be a candidate"),
        ([*command, "--candidates", "99"], "no more than the beam holds"),
        ([*command[:6], "nowhere", *command[7:]], "nowhere is no model of vsr train with an llm"),
    ):
        assert main(wrong) == 1
        assert message in capsys.readouterr().err and not out.exists()
