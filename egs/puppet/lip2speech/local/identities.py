#!/usr/bin/env python3
"""Synthetic people of the puppet, whose voices depend on their looks, for a voice from a face.

    local/identities.py --out DIR [--people N] [--clips N] [--seed N]

Writes DIR/video and DIR/{train,dev,test}.jsonl; no person is in two lists. See vsr/corpora/puppet/identities.py.
"""

import argparse

from vsr.corpora.puppet.identities import prepare_identities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--people", type=int, default=48, metavar="N")
    parser.add_argument("--clips", type=int, default=3, metavar="N", help="of each")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    counts = prepare_identities(args.out, args.people, args.clips, args.seed)
    print(", ".join(f"{split}: {count} clips" for split, count in counts.items()))


if __name__ == "__main__":
    main()
