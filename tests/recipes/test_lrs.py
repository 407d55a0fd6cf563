"""The LRS3 and LRS2 recipes on small trees of their layout: all stages, and what stops them early."""

import os
import random
import re
import shutil
import string
import subprocess

import pytest

from tests import lrs_tree
from tests.recipes.test_recipes import TOP, run_recipe
from vsr.cli import main
from vsr.data.manifest import Clip, write_manifest
from vsr.text.tokenizer import CharTokenizer, load_tokenizer
from vsr.training.config import load_config

TINY = """
data:
  train: [data/crops/train/manifest.jsonl]
  dev: [data/crops/dev/manifest.jsonl]
  tests: [data/crops/test/manifest.jsonl]
  tokenizer: data/tokens
  frames_per_batch: 300
model:
  {frontend_width: 16, frontend_layers: 1, frontend_heads: 2, dim: 32, heads: 2, hidden: 32, layers: 1, kernel: 3,
   decoder_layers: 1, decoder_hidden: 32}
trainer: {max_epochs: 2, precision: 32-true, threads: 1}
"""
LANGUAGE = """
data:
  {train: [x], dev: [data/manifests/dev.jsonl], tests: [data/manifests/test.jsonl], tokenizer: data/tokens,
   tokens_per_batch: 300}
model: {dim: 16, heads: 2, hidden: 16, layers: 1}
trainer: {max_epochs: 1, precision: 32-true, threads: 1}
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory, make_video, make_face):
    """Two seconds of a face of the size in LRS3."""
    return make_video(tmp_path_factory.mktemp("lrs") / "face.mp4", make_face(50, 224))


def options(folder, root):
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    short = TINY.replace("frames_per_batch: 300", "frames_per_batch: 300\n  max_frames: 55")
    (folder / "short.yaml").write_text(short, encoding="utf-8")
    names = {"corpus": root, "config": folder / "tiny.yaml", "size": 30, "average": 2, "beam": 2, "nj": 1, "gpus": 0}
    return [str(word) for name, value in names.items() for word in (f"--{name}", value)]


@pytest.mark.slow
def test_lrs3_from_the_corpus_to_results(tmp_path, video):
    root = lrs_tree.make_lrs3(tmp_path / "lrs3", video, talks=2, clips=1, long_words=3)
    (tmp_path / "lm.yaml").write_text(LANGUAGE, encoding="utf-8")
    more_options = ["--first", str(tmp_path / "short.yaml"), "--lm-config", str(tmp_path / "lm.yaml")]
    result = run_recipe("lrs3/vsr", tmp_path, *options(tmp_path, root), *more_options)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    row = r"\| tiny_433h \| beam2_ctc0.1 \| test_lower \| 2 \| 0 \| 5 \|"
    assert re.search(row, page) and "Normaliser: 13a, lower, whisper." in page, page
    assert re.search(row.replace("0.1", "0.1_lm0.3"), page), "stages 8 to 10 have rows of their own"
    assert result.stdout.count("  stage ") == 11
    assert "NOT THE PUBLISHED CORPUS" in result.stdout and "224x224, 25 fps, refused: none" in result.stdout
    assert (tmp_path / "work/exp/tiny_433h/first/model/config.json").is_file()


def test_lrs2_up_to_its_own_last_stage(tmp_path, video):
    """What comes after stage 1 is tools/lrs.sh, as for LRS3."""
    root = lrs_tree.make_lrs2(tmp_path / "lrs2" / "mvlrs_v1", video)
    result = run_recipe("lrs2/vsr", tmp_path, *options(tmp_path, root), "--stop-stage", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "train_all.jsonl: 3 clips" in result.stdout and "DIFFERS: test words: 3, published 6,663" in result.stdout


def test_unusable_corpus_stops_the_recipe_in_its_first_stages(tmp_path, face_clip):
    root = lrs_tree.make_lrs3(tmp_path / "lrs3", face_clip, talks=2, clips=1)  # 30 s of words, 1 s of video
    result = run_recipe("lrs3/vsr", tmp_path, *options(tmp_path, root))
    assert result.returncode == 1 and "stage 2" not in result.stdout
    assert re.search(r"clips refused, such as .*lasts 1.00 s", result.stderr), result.stderr


@pytest.mark.parametrize(
    "more_options, message",
    [
        (["--hours", "438"], "give another list with --dev"),
        (["--hours", "100"], "--hours is one of 30, 433, 438"),
        (["--corpus", "/nowhere"], "it is not LRS3"),
    ],
)
def test_wrong_options_stop_at_once(tmp_path, more_options, message):
    root = lrs_tree.make_lrs3(tmp_path / "lrs3", talks=1, clips=1)
    result = run_recipe("lrs3/vsr", tmp_path, *options(tmp_path, root), *more_options)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_published_configuration_is_the_published_model():
    config = load_config(TOP / "egs/lrs3/vsr/conf/published.yaml").model_config(5049)
    import torch

    from vsr.models.lipreader import LipReader

    with torch.device("meta"):
        parameters = sum(p.numel() for p in LipReader(config).parameters())
    assert parameters / 1e6 == pytest.approx(250.4, abs=0.5)
    short = load_config(TOP / "egs/lrs3/vsr/conf/published_short.yaml")
    assert short.data.max_frames == 100 and short.optim.lr == 2e-4 and short.model_config(5049) == config


def widen(folder):
    """A config.json whose sizes are not those of the weights."""
    path = folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"dim": 32', '"dim": 48'), encoding="utf-8")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "config.json").unlink(), "not a model folder: it has no config.json"),
        (lambda folder: CharTokenizer("abc ").save(folder), "the tokenizer has 7 entries, the model's head 41"),
        (widen, r"'\S+' has shape \(.*32.*\), config.json asks for \(.*48.*\)"),
    ],
    ids=["unknown checkpoint", "another tokenizer", "other sizes"],
)
def test_model_that_does_not_fit_is_one_line(tiny_model, tmp_path, capsys, damage, message):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    damage(folder)
    arguments = ["--manifest", str(tmp_path / "manifest.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    assert main(["decode", "--model", str(folder), *arguments]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and re.search(message, error[0]) and not (tmp_path / "out.jsonl").exists()


def test_wrong_checkpoint_is_one_line(tmp_path, capsys):
    (tmp_path / "vsr_trlrs3_base.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    for name in ("vsr_trlrs3_base.pth", "absent.pth"):
        assert main(["import", "auto_avsr", str(tmp_path / name), "-o", str(tmp_path / "model")]) == 1
        error = capsys.readouterr().err.splitlines()
        assert len(error) == 1 and name in error[0] and not (tmp_path / "model").exists()


@pytest.mark.parametrize("size", [1000, 5000])
def test_unigram_tokens_have_the_published_sizes(tmp_path, size):
    """SentencePiece gives the sizes of both published recipes, where a text is long enough for them."""
    rng = random.Random(0)
    letters = string.ascii_uppercase
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 8))) for _ in range(9000)]
    clips = [Clip(f"c{i}", "x.mp4", " ".join(rng.choices(vocabulary, k=9))) for i in range(3000)]
    write_manifest(tmp_path / "train.jsonl", clips)
    arguments = ["--kind", "unigram", "--size", str(size), "--out", str(tmp_path)]
    assert main(["tokens", "--manifest", str(tmp_path / "train.jsonl"), *arguments]) == 0
    tokens = load_tokenizer(tmp_path)
    assert tokens.vocab_size == size - 1 + 3, "SentencePiece counts its unknown; blank, unknown and end are ours"
    assert all(tokens.decode(tokens.encode(clip.text)) == clip.text.lower() for clip in clips[:50])


def test_job_of_several_machines_resumes(tmp_path):
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    srun.chmod(0o755)
    job = TOP / "egs/lrs3/vsr/train.sbatch"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CONFIG": "large.yaml", "RUN": "run"}
    environment["SLURM_CPUS_PER_TASK"] = "8"

    def submit(*settings):
        command = ["bash", job, *settings]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    command = "--kill-on-bad-exit=1 --cpus-per-task=8 vsr train --config large.yaml --out run"
    assert submit().stdout == f"{command} --set trainer.accelerator=gpu\n"
    assert submit("seed=1", "trainer.workers=4").stdout.endswith("=gpu seed=1 trainer.workers=4\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.pt").touch()
    assert submit().stdout == f"{command} --resume --set trainer.accelerator=gpu\n"
    tasks, gpus = (re.search(rf"#SBATCH --{name}-per-node=(\d+)", job.read_text()) for name in ("ntasks", "gpus"))
    assert tasks[1] == gpus[1]  # Fabric takes one GPU per task
    large = load_config(TOP / "egs/lrs3/vsr/conf/large.yaml")
    assert large.trainer.strategy == "fsdp"
