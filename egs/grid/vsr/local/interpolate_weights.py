#!/usr/bin/env python3
"""Interpolate the weights of a reader and its fine-tuned successor, to forget less (WiSE-FT, Wortsman et al. 2022).

    local/interpolate_weights.py --first grid --trained exp/av/model --share 0.3 --name grid-av --out exp/between/model

Tensors that both models have: --share of the first and the rest of the second. A video-only reader gives its front
end to the video front end of the second. All other tensors are those of the second. Calibrations that were fitted to
the second model are not copied.
"""

import argparse

from torch import Tensor

from vsr.core.numbers import SHARE, check_number
from vsr.modelstore.folder import load_model, save_model
from vsr.training.initialisation import copy_weights


def interpolated(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Interpolate tensors of equal names, ``share`` from the first; integer counters come from the second."""
    weights = dict(second)
    for name, tensor in second.items():
        if tensor.is_floating_point():
            weights[name] = (share * first[name] + (1 - share) * tensor).to(tensor.dtype)
    return weights


def main() -> None:
    """Load both models and write the interpolated one."""
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
    weights = interpolated(mixed.model.state_dict(), trained.model.state_dict(), args.share)
    mixed.model.load_state_dict(weights)
    config = {"name": args.name, "window": trained.config["window"], "training": trained.config["training"],
            "between": {"first": first.name, "share": args.share}}  # fmt: skip
    save_model(args.out, mixed.model, trained.tokenizer, config, half=True)


if __name__ == "__main__":
    main()
