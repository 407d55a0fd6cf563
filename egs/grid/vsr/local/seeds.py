#!/usr/bin/env python3
"""Compare two arms over their seeds: the error rates of each run, and the mean gain of the second arm.

    local/seeds.py --before exp/base_0 exp/base_1 exp/base_2 --after exp/mix_0 exp/mix_1 exp/mix_2

The folders are the --out of the rigs of this folder, one for each seed, in the same order in both arms.
"""

import argparse
import sys
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.evaluation.comparison_rows import over_seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--before", "--after"):
        parser.add_argument(flag, nargs="+", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    try:
        print("\n".join(over_seeds(args.before, args.after)))
    except VsrError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
