"""Imports a published Vocos (`config.yaml` and `pytorch_model.bin`) as a model folder; no code in it is ever run.

The classes that the YAML names are compared with known names, never imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lip2speech.vocoders.vocos import FAMILY, Vocos, VocosConfig
from vsr.core.errors import VsrError, cause_of, one_line
from vsr.core.files import atomic_write, check_outputs, write_json
from vsr.core.hub import fetch_files, is_hub_id
from vsr.models.uninitialised import uninitialised
from vsr.modelstore.checkpoint import CONFIG_FILE, FORMAT, WEIGHTS_FILE, read_config, save_weights
from vsr.modelstore.importers.mapping import convert
from vsr.modelstore.importers.reading import read_checkpoint, weights_of

LICENCE = "The code of Vocos is MIT; the licence of the weights is their publisher's: read the page they came from."
SETTINGS, WEIGHTS = "config.yaml", "pytorch_model.bin"
LARGEST_YAML = 1 << 20  # bytes
CLASSES = {
    "feature_extractor": "vocos.feature_extractors.MelSpectrogramFeatures",
    "backbone": "vocos.models.VocosBackbone",
    "head": "vocos.heads.ISTFTHead",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "feature_extractor": {
        "sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "n_mels": 100, "padding": "center",
    },
    "backbone": {
        "input_channels": None, "dim": None, "intermediate_dim": None, "num_layers": None,
        "layer_scale_init_value": None, "adanorm_num_embeddings": None,
    },
    "head": {"dim": None, "n_fft": None, "hop_length": None, "padding": "same"},
}  # fmt: skip
TABLE = (
    ("mel_window", "feature_extractor.mel_spec.spectrogram.window"),
    ("filters", "feature_extractor.mel_spec.mel_scale.fb"),
    ("window", "head.istft.window"),
    ("embed.", "backbone.embed."),
    ("norm_in.", "backbone.norm."),
    ("blocks.{}.depthwise.", "backbone.convnext.{}.dwconv."),
    ("blocks.{}.norm.", "backbone.convnext.{}.norm."),
    ("blocks.{}.feed_forward.0.", "backbone.convnext.{}.pwconv1."),
    ("blocks.{}.feed_forward.2.", "backbone.convnext.{}.pwconv2."),
    ("blocks.{}.scale", "backbone.convnext.{}.gamma"),
    ("norm_out.", "backbone.final_layer_norm."),
    ("head.", "head.out."),
)
UNUSED = (r"multi\w*disc\..*", r"\w+_loss\..*")  # weights of a training checkpoint that are ignored


def import_vocos(source: str | Path, out: str | Path) -> str:
    """Convert a published Vocos and save it, in fp32, as a folder that `load_vocos` reads.

    Args:
        source: a folder with `config.yaml` and `pytorch_model.bin`, or a model on the hub, ``org/name[@revision]``.
        out: the folder.

    Returns:
        A description of the import, with the licence notice.

    Raises:
        VsrError: bad_model, exists; hub_missing, hub_denied, hub_offline. Then nothing is written.
    """
    folder, out = _find_files(source), Path(out)
    _check_place(source, folder, out)
    with _naming_folder(folder):
        config = _config(folder / SETTINGS)
        model = _load_weights(config, folder / WEIGHTS)
    with atomic_write(out / WEIGHTS_FILE) as temporary:
        save_weights(temporary, model, half=False)
        (out / CONFIG_FILE).unlink(missing_ok=True)  # without it the folder is no model until all is written
    write_json(out / CONFIG_FILE, _origin(source) | {"format": FORMAT, "model": asdict(config)})
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    return f"{out}: {millions:.1f} M parameters, {_mel(config)}\n{LICENCE}"


def _mel(config: VocosConfig) -> str:
    return f"{config.n_mels} mel bands, {config.mel_n_fft}/{config.mel_hop} samples at {config.sample_rate} Hz"


def _find_files(source: str | Path) -> Path:
    """The folder of the two files, downloaded if necessary."""
    if is_hub_id(source):
        return fetch_files(str(source), (SETTINGS, WEIGHTS))
    return Path(source)


def _origin(source: str | Path) -> dict[str, str]:
    name = str(source) if not Path(source).exists() else Path(source).resolve().name
    return {"name": name, "family": FAMILY, "licence": LICENCE}


def _check_place(source: str | Path, folder: Path, out: Path) -> None:
    """Refuse an output folder that holds the input, or a model other than a previous import of it. Raises VsrError."""
    if not folder.is_dir():
        raise VsrError("bad_model", f"{folder}: no folder with {SETTINGS} and {WEIGHTS}")
    check_outputs((out / name for name in (WEIGHTS_FILE, CONFIG_FILE)), folder / SETTINGS, folder / WEIGHTS)
    if (out / CONFIG_FILE).exists():
        config, origin = read_config(out), _origin(source)
        if any(config.get(key) != value for key, value in origin.items()):
            raise VsrError("exists", f"{out} holds another model, {config.get('name', out.name)}: choose another --out")


@contextmanager
def _naming_folder(folder: Path) -> Iterator[None]:
    """Context in which the messages of errors name the folder."""
    try:
        yield
    except VsrError as error:
        raise error if str(folder) in str(error) else VsrError(error.reason, f"{folder}: {error}") from error


def _config(path: Path) -> VocosConfig:
    """The configuration in `config.yaml`. Raises VsrError bad_model, in one line, for another kind of Vocos."""
    parts = {name: _part(_yaml(path), name) for name in CLASSES}
    mel, backbone, head = parts["feature_extractor"], parts["backbone"], parts["head"]
    shared = {
        "backbone.input_channels": (backbone["input_channels"], mel["n_mels"]),
        "head.dim": (head["dim"], backbone["dim"]),
    }
    for name, (size, required) in shared.items():
        if size != required:
            raise VsrError("bad_model", f"{SETTINGS}: {name} is {size}, the other parts ask for {required}")
    try:
        return VocosConfig(
            mel["sample_rate"], mel["n_mels"], mel["n_fft"], mel["hop_length"], mel["padding"], head["n_fft"],
            head["hop_length"], head["padding"], backbone["dim"], backbone["intermediate_dim"], backbone["num_layers"],
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        raise VsrError("bad_model", f"{SETTINGS}: {one_line(error)}") from error


def _yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        if path.stat().st_size > LARGEST_YAML:
            raise VsrError("bad_model", f"{path}: too large for settings")
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise VsrError("bad_model", f"{path} cannot be read: {cause_of(error)}") from error
    if not isinstance(settings, Mapping):
        raise VsrError("bad_model", f"{path} holds no settings")
    return settings


def _part(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of one of the three parts, after checking its class."""
    part = settings.get(name)
    if not isinstance(part, Mapping) or not isinstance(part.get("init_args", {}), Mapping):
        raise VsrError("bad_model", f"{SETTINGS} has no '{name}' with a class and its arguments")
    kind, arguments, defaults = part.get("class_path"), part.get("init_args", {}), DEFAULTS[name]
    if kind != CLASSES[name]:
        problem = "reads EnCodec's codes, not a mel" if str(kind).endswith("EncodecFeatures") else f"is {kind}"
        raise VsrError("bad_model", f"this Vocos is not supported: its {name} {problem}; supported: {CLASSES[name]}")
    if unknown := sorted(map(str, arguments.keys() - defaults.keys())):
        raise VsrError("bad_model", f"{SETTINGS}: {name} has a setting '{unknown[0]}', which Vocos does not have")
    if arguments.get("adanorm_num_embeddings") is not None:
        raise VsrError("bad_model", "this Vocos is not supported: its backbone is conditioned on a bandwidth (EnCodec)")
    return defaults | dict(arguments)


def _load_weights(config: VocosConfig, path: Path) -> Vocos:
    """The model with the checkpoint's weights, which must match exactly. Raises VsrError bad_model."""
    weights = weights_of(read_checkpoint(path), path)
    with uninitialised(memory=False):
        expected = Vocos(config).state_dict()
    converted = convert(weights, expected, TABLE, UNUSED)
    with uninitialised():
        model = Vocos(config)
    model.load_state_dict(converted)
    return model.eval()
