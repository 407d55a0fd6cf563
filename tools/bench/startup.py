#!/usr/bin/env python3
"""How long this commit and another one take to start, in one run: `import`, and the page of --help of every verb.

    git worktree add ../before 0810747
    tools/bench/startup.py --before ../before

Both take turns, each start in a process of its own. Milliseconds of a core at work, those of Python itself taken off;
of each start the least of --rounds, which is what other work on the machine spoils least.
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


def took(tree: Path, code: str) -> float:
    """Milliseconds of a core that a start takes in a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer(tree, code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def answer(tree: Path, code: str) -> str:
    """What a program prints in a checkout."""
    words, around = [sys.executable, "-c", code], dict(os.environ, PYTHONPATH=str(tree))
    return subprocess.run(words, cwd=tree, env=around, capture_output=True, text=True, check=True).stdout


def starts() -> dict[str, str]:
    """Name -> program, of this commit's verbs."""
    found = {"python": "pass"}
    for package in ("vsr", "lip2speech"):
        verbs = answer(HERE, NAMES.format(package, package.upper())).split()
        found |= {f"import {package}": f"import {package}"}
        found |= {f"{package} {verb}".strip(): HELP.format(package, verb) for verb in ("", *verbs)}
    return found


def main() -> None:
    """Measure in turns, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, metavar="DIR", help="a checkout of the other commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="START", help='such as "import vsr" "vsr train" (default: all)')
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    trees, found = {"before": args.before.resolve(), "now": HERE}, {}
    chosen = {"python", *(args.only or starts())}
    for name, code in starts().items():
        if name not in chosen:
            continue
        rounds = [{side: took(tree, code) for side, tree in trees.items()} for _ in range(args.rounds)]
        found[name] = {side: min(own[side] for own in rounds) for side in trees}
    empty = min(found.pop("python").values())  # the same program on both sides
    for name, own in found.items():
        before, now = (own[side] - empty for side in trees)
        print(f"{name:<22} before {before:6.1f} ms, now {now:6.1f} ms; now / before {now / max(before, 0.1):.2f}")
    if args.json:
        args.json.write_text(json.dumps({"python": empty, **found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
