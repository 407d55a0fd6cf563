"""tools/parallel: runs a recipe's commands, here and on SLURM, whose sbatch is emulated by a script."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARALLEL = Path(__file__).parents[2] / "tools" / "parallel"
SBATCH = """#!/usr/bin/env bash
# Runs each job of the array here, as sbatch --wait does elsewhere: its status is the greatest of them.
echo "$@" >>"$SUBMITTED"
script=${!#} array=1-1 greatest=0
for word in "$@"; do case $word in --array=*) array=${word#--array=} ;; esac; done
array=${array%%%*}
for ((number = ${array%-*}; number <= ${array#*-}; number++)); do
    status=0
    SLURM_ARRAY_TASK_ID=$number bash "$script" || status=$?
    ((status <= greatest)) || greatest=$status
done
exit $greatest
"""


@pytest.fixture(params=["run.py", "slurm.py"])
def runner(request, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text(SBATCH, encoding="utf-8")
    (tmp_path / "bin/sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(tmp_path / "submitted"))

    def call(*arguments):
        command = [sys.executable, PARALLEL / request.param, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    call.name, call.folder = request.param, tmp_path
    return call


def test_job_has_its_log_and_its_status(runner):
    result = runner("--gpu", "1", "log/a.log", "bash", "-c", 'echo "it works"; [ "$1" = "a b" ]', "x", "a b")
    assert result.returncode == 0 and not result.stderr
    first, *_, timed, last = (runner.folder / "log/a.log").read_text(encoding="utf-8").splitlines()
    assert first.startswith("# bash -c") and timed.startswith("# Accounting: time=") and "Ended (code 0)" in last
    assert "\nit works\n" in (runner.folder / "log/a.log").read_text(encoding="utf-8")
    result = runner("log/a.log", "bash", "-c", "echo why >&2; exit 3")
    log = (runner.folder / "log/a.log").read_text(encoding="utf-8")
    assert result.returncode == 3 and len(result.stderr.splitlines()) == 1
    assert "it works" in log and "\nwhy\n" in log and "Ended (code 3)" in log, "what an earlier try told stays"


def test_each_of_several_jobs_has_its_number_and_log(runner):
    result = runner("JOB=2:4", "log/b.JOB.log", "bash", "-c", "echo got JOB JOBS x_JOB", "name")
    assert result.returncode == 0 and not result.stdout, result.stderr
    for number in (2, 3, 4):
        log = (runner.folder / f"log/b.{number}.log").read_text(encoding="utf-8")
        assert f"\ngot {number} JOBS x_{number}\n" in log
    assert not (runner.folder / "log/b.1.log").exists()


def test_failed_job_is_named_and_the_others_finish(runner):
    result = runner("--max-jobs-run", "2", "JOB=1:3", "c.JOB.log", "bash", "-c", "touch made.JOB; [ JOB != 2 ]")
    assert result.returncode == 1 and result.stderr == f"{runner.name}: 1 of 3 jobs failed: see c.2.log\n"
    assert all((runner.folder / f"made.{number}").exists() for number in (1, 2, 3))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["log"], "give a log file and a command"),
        (["--mem"], "needs a value"),
        (["JOB=3:1", "a.JOB.log", "true"], "before the first"),
        (["JOB=1:2", "a.log", "true"], "put JOB into its name"),
    ],
)
def test_wrong_usage_is_one_line(runner, arguments, message):
    result = runner(*arguments)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_options_become_those_of_sbatch(runner):
    options = ["--num-threads", "8", "--gpu", "2", "--mem", "4G", "--partition", "long", "--max-jobs-run", "3"]
    assert runner(*options, "JOB=1:9", "d.JOB.log", "true").returncode == 0
    if runner.name == "slurm.py":
        submitted = (runner.folder / "submitted").read_text(encoding="utf-8").split()
        expected = {"--wait", "--cpus-per-task=8", "--gpus=2", "--mem=4G", "--partition=long", "--array=1-9%3",
                 "--output=d.%a.log", "--open-mode=append"}  # fmt: skip
        assert expected <= set(submitted)
        assert runner("--gpu", "0", "e.log", "true").returncode == 0
        assert "--gpus" not in (runner.folder / "submitted").read_text(encoding="utf-8").splitlines()[-1]


def test_missing_command_is_one_line(runner):
    result = runner("f.log", "no-such-program")
    assert result.returncode == 127 and len(result.stderr.splitlines()) == 1


def test_signal_to_the_runner_ends_the_job(tmp_path):
    command = [sys.executable, PARALLEL / "run.py", "log", "bash", "-c", "echo begun; exec sleep 60"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"begun\n"
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143 and time.monotonic() - started < 30
    assert "Ended (code 143)" in (tmp_path / "log").read_text(encoding="utf-8")
