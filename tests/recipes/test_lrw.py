"""The LRW recipe on a small tree in which a puppet says two words: all stages, and what stops it."""

import re

import pytest

from tests import lrs_tree
from tests.recipes.test_recipes import TOP, run_recipe
from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.modelstore.folder import load_model
from vsr.training.config import load_config

TINY = """
data:
  train: [data/crops/train/manifest.jsonl]
  dev: [data/crops/dev/manifest.jsonl]
  tests: [data/crops/test/manifest.jsonl]
  tokenizer: data/tokens
  frames_per_batch: 116
  augmentation: {flip: 0.5, speed: 0.0, mask_frames: 3}
model:
  {classes: 2, boundary: true, mixup: 0.2, frontend_width: 16, frontend_layers: 1, frontend_heads: 2, dim: 32, heads: 2,
   hidden: 32, layers: 1, kernel: 3, decoder_layers: 0, ctc_weight: 0.0, alignment_weight: 0.0}
optim: {lr: 3.0e-3, warmup_steps: 4, ema: 0.9}
trainer: {max_epochs: 14, precision: 32-true, threads: 1}
"""


def options(folder, root):
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return ["--corpus", str(root), "--config", str(folder / "tiny.yaml"), "--nj", "1", "--gpus", "0"]


@pytest.mark.slow
def test_lrw_from_the_corpus_to_results(tmp_path, make_video):
    try:
        lrs_tree.make_spoken_lrw(tmp_path / "lrw" / "lipread_mp4", tmp_path, make_video)
    except VsrError as error:
        pytest.skip(str(error))
    result = run_recipe("lrw/vsr", tmp_path, *options(tmp_path, tmp_path / "lrw"), "--average", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "NOT THE PUBLISHED CORPUS" in result.stdout and "DIFFERS: words: 2, published 500" in result.stdout
    assert "test.jsonl: 4 clips, 0.00 h, 256x256, 25 fps, refused: none" in result.stdout
    run = tmp_path / "work/exp/tiny_boundary"
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    assert re.search(r"\| test \| 4 \| 0 \| 100.00 \| 51.01 - 100.00 \| - \|", page), page  # two words have no top-5
    assert load_model(run / "model").tokenizer.words == ["about", "people"]
    assert read_json(run / "decode_dev_words/score.json")["top1"] == 1.0
    assert (run / "decode_test_words/score.tsv").read_text(encoding="utf-8").count("\t1\tpeople\tpeople\n") == 2


@pytest.mark.parametrize(
    "more_options, message", [(["--boundary", "maybe"], "one of true, false"), (["--corpus", "/no"], "no folder")]
)
def test_wrong_options_stop_at_once(tmp_path, more_options, message):
    result = run_recipe("lrw/vsr", tmp_path, *options(tmp_path, tmp_path), *more_options)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_folder_that_is_not_lrw_stops_with_one_line(tmp_path):
    result = run_recipe("lrw/vsr", tmp_path, *options(tmp_path, tmp_path))
    assert result.returncode == 1 and "is not LRW: it holds no WORD/train" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_published_configuration_has_500_words():
    config = load_config(TOP / "egs/lrw/vsr/conf/published.yaml")
    model = config.model_config(503)
    assert (model.classes, model.boundary, model.mixup, config.trainer.max_epochs) == (500, True, 0.4, 80)
    assert config.data.frames_per_batch == 32 * 29
    with pytest.raises(VsrError, match="classes is 500, but the tokenizer lists 38 words"):
        config.model_config(41)
