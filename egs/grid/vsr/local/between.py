#!/usr/bin/env python3
"""A model between a reader and its fine-tuned successor, which forgets less of the first (Wortsman et al. 2022).

    local/between.py --first grid --trained exp/av/model --share 0.3 --name grid-av --out exp/between/model

Of the tensors that both have, --share of the first and the rest of the second; a reader of lips gives its front end to
that of the video. Others are those of the second. What was fitted to it afterwards is not taken along.
"""

import argparse

from torch import Tensor

from vsr.core.numbers import SHARE, check_number
from vsr.modelstore.folder import load_model, save_model
from vsr.training.starting import copy_weights


def between(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weights of equal names and shapes, ``share`` of the first; counters are those of the second."""
    return {
        name: (share * first[name] + (1 - share) * own).to(own.dtype) if own.is_floating_point() else own
        for name, own in second.items()
    }


def main() -> None:
    """Load both, write the model between them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", default="grid")
    parser.add_argument("--trained", required=True)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    check_number("--share", args.share, SHARE)
    first, trained, mixed = load_model(args.first), load_model(args.trained), load_model(args.trained)
    print(copy_weights(first.model, mixed.model, first.tokenizer, trained.tokenizer))
    weights = between(mixed.model.state_dict(), trained.model.state_dict(), args.share)
    mixed.model.load_state_dict(weights)
    made = {"name": args.name, "window": trained.config["window"], "training": trained.config["training"],
            "between": {"first": first.name, "share": args.share}}  # fmt: skip
    save_model(args.out, mixed.model, trained.tokenizer, made, half=True)


if __name__ == "__main__":
    main()
