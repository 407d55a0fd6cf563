#!/usr/bin/env python3
"""Startup time of this commit and another one, in one run: `import`, and --help of every verb.

    git worktree add ../before 0810747
    tools/bench/startup.py --before ../before

Both take turns, each start in its own process. Milliseconds of CPU time, minus those of Python itself; shown is the
minimum of --rounds for each start, which is least affected by other work on the machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[2]
NAMES = "from {0}.cli import {1}; print(*{1}.verbs)"
HELP = "from {0}.cli import main; main([*{1!r}.split(), '--help'])"


def cpu_milliseconds(tree: Path, code: str) -> float:
    """CPU milliseconds of a start in a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output_of(tree, code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def output_of(tree: Path, code: str) -> str:
    """Output of a program in a checkout."""
    command, environment = [sys.executable, "-c", code], dict(os.environ, PYTHONPATH=str(tree))
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True).stdout


def starts() -> dict[str, str]:
    """Name -> program, for all verbs of this commit."""
    programs = {"python": "pass"}
    for package in ("vsr", "lip2speech"):
        verbs = output_of(HERE, NAMES.format(package, package.upper())).split()
        programs |= {f"import {package}": f"import {package}"}
        programs |= {f"{package} {verb}".strip(): HELP.format(package, verb) for verb in ("", *verbs)}
    return programs


def main() -> None:
    """Measure in turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="DIR", help="a checkout of the other commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="START", help='such as "import vsr" "vsr train" (default: all)')
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    trees, times = {"before": args.before.resolve(), "now": HERE}, {}
    chosen = {"python", *(args.only or starts())}
    for name, code in starts().items():
        if name not in chosen:
            continue
        rounds = [{side: cpu_milliseconds(tree, code) for side, tree in trees.items()} for _ in range(args.rounds)]
        times[name] = {side: min(by_side[side] for by_side in rounds) for side in trees}
    empty = min(times.pop("python").values())  # the same program on both sides
    for name, by_side in times.items():
        before, now = (by_side[side] - empty for side in trees)
        print(f"{name:<22} before {before:6.1f} ms, now {now:6.1f} ms; now / before {now / max(before, 0.1):.2f}")
    if args.json:
        args.json.write_text(json.dumps({"python": empty, **times}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
