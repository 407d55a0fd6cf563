"""Names of heads and layers from a model's config; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vsr.core.errors import VsrError
from vsr.modelstore.checkpoint import read_config
from vsr.modelstore.folder import FUSED_READER, find_model


def heads_in(model: Any) -> Mapping[str, Any]:
    """The heads by name in the settings under "model" of a config, which may be nested or flat."""
    sizes = model if isinstance(model, Mapping) else {}
    if isinstance(sizes.get("heads"), Mapping):
        return sizes["heads"]
    flat = {"ctc": sizes.get("ctc_weight"), "attention": sizes.get("decoder_layers", 1), "words": sizes.get("classes")}
    return {name: {} for name, size in flat.items() if size} | dict(sizes.get("further_heads", {}))


def check_layer_names(model: str | None, names: Collection[str]) -> None:
    """Refuse a layer number beyond the encoder layers of the model's config, before the model is loaded.

    ``model`` and its errors are those of `vsr.modelstore.folder.load_model`. Raises VsrError bad_options.
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
    """The error for a layer that a model with ``count`` layers lacks."""
    problem = f"'frontend', 1 to {count}, or 'last', which is after the final normalisation"
    return VsrError("bad_options", f"{model} has no layer '{name}'; it has {problem}")


def check_head_name(model: str | None, head: str | None) -> None:
    """Refuse a head that the model's config does not name, before the model is loaded.

    Whether the head can be searched by itself is checked later. ``model`` and its errors are those of
    `vsr.modelstore.folder.load_model`. Raises VsrError bad_options.
    """
    if not head:
        return
    folder = find_model(model)
    config = read_config(folder)
    names = {**heads_in(config.get("model")), "alignment": {}}
    if config.get("kind") != FUSED_READER and head not in names:
        known = " or ".join(name for name in names if name != "alignment") or "none that is searched by itself"
        raise VsrError("bad_options", f"{config.get('name') or folder.name} has no head '{head}'; it has {known}")
