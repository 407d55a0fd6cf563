#!/usr/bin/env python3
"""Submit a command as a SLURM job and wait for it, like Kaldi's slurm.pl. See jobs.py for the command line.

--num-threads, --gpu, --mem and --max-jobs-run become sbatch's options; any other --NAME VALUE is passed to sbatch
unchanged (--partition, --time, --nodes, ...). JOB=1:N is a job array. The submitted script is kept in the log's folder.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from jobs import Work, parse

RESERVED = {"num-threads": "cpus-per-task", "gpu": "gpus"}
SCRIPT = """#!/usr/bin/env bash
{number}
log={log}
{{
    echo "# "{shown}
    echo "# Started at $(date '+%F %T%:z') on $(hostname), job ${{SLURM_JOB_ID:-}}"
    echo "#"
}} >>"$log"
begun=$SECONDS status=0
{command} >>"$log" 2>&1 || status=$?
echo "# Accounting: time=$((SECONDS - begun)) threads=1" >>"$log"
echo "# Ended (code $status) at $(date '+%F %T%:z')" >>"$log"
exit $status
"""


def main(words: list[str]) -> int:
    """Submit the job and wait; returns the exit status."""
    work = parse(words)
    work.log_of(work.first).parent.mkdir(parents=True, exist_ok=True)
    earlier_sizes = {number: size_of(work.log_of(number)) for number in work.numbers}  # bytes from earlier jobs
    script = Path(work.log.replace(work.name, "all") if work.name else work.log).with_suffix(".sbatch")
    script.write_text(script_of(work), encoding="utf-8")
    command = ["sbatch", "--wait", "--parsable", *flags(work), str(script)]
    try:
        status = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    except FileNotFoundError:
        work.complain("no sbatch here: use run.py in cmd.sh, or go to a machine of the cluster")
        return 127
    failed = [number for number in work.numbers if not succeeded(work.log_of(number), earlier_sizes[number])]
    if status or failed:
        work.report(failed)
    return status or int(bool(failed))


def flags(work: Work) -> list[str]:
    """The options of sbatch."""
    options = dict(work.options)
    max_jobs = options.pop("max-jobs-run", "")
    log = work.log.replace(work.name, "%a") if work.name else work.log
    # The script writes the log itself; SLURM's output option is for its own messages, such as why it ended a job.
    sbatch_options = [f"--job-name={script_name(work)}", f"--output={log}", "--open-mode=append"]
    sbatch_options += [
        f"--{RESERVED.get(name, name)}={value}" for name, value in options.items() if (name, value) != ("gpu", "0")
    ]
    return sbatch_options + (
        [f"--array={work.first}-{work.last}" + (f"%{max_jobs}" if max_jobs else "")] if work.name else []
    )


def script_name(work: Work) -> str:
    """Name of the job in the queue."""
    return os.path.basename(work.log).removesuffix(".log") or "job"


def script_of(work: Work) -> str:
    """The batch script, in which the word for a job's number is a variable."""

    def quoted(word: str) -> str:
        """Quoted for bash, except for the variable."""
        if not work.name:
            return shlex.quote(word)
        pieces = re.split(rf"(?<![A-Za-z0-9]){work.name}(?![A-Za-z0-9])", word)
        return f'"${work.name}"'.join(shlex.quote(piece) if piece else "" for piece in pieces) or "''"

    command = " ".join(map(quoted, work.command))
    number = f"{work.name}=$SLURM_ARRAY_TASK_ID" if work.name else ""
    return SCRIPT.format(number=number, log=quoted(work.log), shown=shlex.quote(command), command=command)


def size_of(log: Path) -> int:
    """Bytes of a log, 0 if there is none."""
    return log.stat().st_size if log.exists() else 0


def succeeded(log: Path, before: int) -> bool:
    """Whether the part of a log after ``before`` bytes ends with success."""
    lines = log.read_bytes()[before:].splitlines() if log.exists() else []
    return bool(lines) and lines[-1].startswith(b"# Ended (code 0)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
