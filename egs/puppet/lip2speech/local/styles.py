#!/usr/bin/env python3
"""Sentences in four synthetic styles, for `--emotion`; sound alone. See vsr/corpora/puppet/styles.py.

local/styles.py --out DIR [--train N] [--dev N] [--test N] [--seed N]
"""

import argparse

from vsr.corpora.puppet.styles import prepare_styles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--train", type=int, default=120, metavar="N", help="sentences, each in four styles")
    parser.add_argument("--dev", type=int, default=10, metavar="N")
    parser.add_argument("--test", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    counts = prepare_styles(args.out, args.train, args.dev, args.test, args.seed)
    print(", ".join(f"{split}: {count} clips" for split, count in counts.items()))


if __name__ == "__main__":
    main()
