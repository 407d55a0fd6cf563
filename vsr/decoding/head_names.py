"""The heads and layers that a model's config names; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vsr.core.errors import VsrError
from vsr.modelstore.checkpoint import read_config
from vsr.modelstore.folder import FUSED_READER, find_model


def heads_in(model: Any) -> Mapping[str, Any]:
    """The heads by name that the settings under "model" of a config have, nested or flat."""
    sizes = model if isinstance(model, Mapping) else {}
    if isinstance(sizes.get("heads"), Mapping):
        return sizes["heads"]
    flat = {"ctc": sizes.get("ctc_weight"), "attention": sizes.get("decoder_layers", 1), "words": sizes.get("classes")}
    return {name: {} for name, there in flat.items() if there} | dict(sizes.get("further_heads", {}))


def check_layer_names(model: str | None, names: Collection[str]) -> None:
    """Refuse the number of a layer beyond those that a model's encoder has by its config, before it is loaded.

    ``model`` and errors of it as of `vsr.modelstore.folder.load_model`. Raises VsrError bad_options.
    """
    folder = find_model(model)
    config = read_config(folder)
    sizes = config.get("model")
    sizes = sizes.get("pixels", sizes) if isinstance(sizes, Mapping) else {}
    encoder = sizes.get("encoder")
    count = (encoder if isinstance(encoder, Mapping) else sizes).get("layers")
    for name in names:
        if isinstance(count, int) and name.isdecimal() and int(name) > count:
            raise no_layer(str(config.get("name") or folder.name), name, count)


def no_layer(model: str, name: str, count: int) -> VsrError:
    """What is said of a layer that a model with so many has not."""
    problem = f"'frontend', 1 to {count}, or 'last', which is after the final normalisation"
    return VsrError("bad_options", f"{model} has no layer '{name}'; it has {problem}")


def check_head_name(model: str | None, head: str | None) -> None:
    """Refuse a head that a model does not name, before it is loaded; what is searched by itself is asked for later.

    ``model`` and errors of it as of `vsr.modelstore.folder.load_model`. Raises VsrError bad_options.
    """
    if not head:
        return
    folder = find_model(model)
    config = read_config(folder)
    names = {**heads_in(config.get("model")), "alignment": {}}
    if config.get("kind") != FUSED_READER and head not in names:
        known = " or ".join(name for name in names if name != "alignment") or "none that is searched by itself"
        raise VsrError("bad_options", f"{config.get('name') or folder.name} has no head '{head}'; it has {known}")
