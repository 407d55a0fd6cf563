"""Language models of transformers: weights, tokenizer, licence, adapters (LoRA).

A backbone is a local folder, a GGUF file, or on the hub: `org/name[@revision]` with safetensors, `org/name/FILE.gguf`.
Local files take precedence over the hub. No pickle is read, or fetched from the hub.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vsr.core.errors import VsrError, one_line
from vsr.core.files import read_json
from vsr.core.hub import HUB_ID, fetch_files, is_hub_id
from vsr.core.packages import required_package

INSTALL = "pip install 'vsr-lip2speech[llm]'"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
CAUSAL = "AutoModelForCausalLM"
SETTINGS = ("generation_config.json", "preprocessor_config.json", "README.md", "LICENSE*")
WORDS = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "normalizer.json")
WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters (Hu et al. 2022); ``rank`` 0: none; ``modules``: the layers that have adapters."""

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.05
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def load_backbone(path: str | Path, kind: str = CAUSAL) -> tuple[Any, Any, str]:
    """Tokenizer, model (a class of transformers, float32) and licence of a folder, a GGUF file or a hub name.

    Raises VsrError: missing_package; bad_model for a missing or broken model, or one with pickled weights only;
    hub_missing, hub_denied, hub_offline.
    """
    location = located_backbone(path)
    model = _read(location, kind, dtype=torch.float32)
    return load_hub_tokenizer(location), model, licence_of(_folder_and_file(location)[0])


def located_backbone(path: str | Path) -> Path:
    """The local folder or GGUF file of a backbone, fetched from the hub if it is not in the hub's cache.

    Raises VsrError as `load_backbone`.
    """
    repository, file = _gguf_on_hub(path)
    if file:
        return fetch_files(repository, (file,), ("README.md", "LICENSE*")) / file
    if is_hub_id(path):
        fetch_files(str(path), ("config.json",), SETTINGS)  # fails before anything large is fetched
        return fetch_files(str(path), WEIGHTS[:1], ("config.json", *SETTINGS, *WORDS, *WEIGHTS))
    return Path(path)


def on_hub(path: str | Path) -> bool:
    """Whether a backbone is fetched from the hub: no local file or folder has its name."""
    return is_hub_id(path) or bool(_gguf_on_hub(path)[1])


def _gguf_on_hub(path: str | Path) -> tuple[str, str]:
    """(``org/name``, file name) of a GGUF file on the hub, two empty strings for anything else."""
    repository, _, file = str(path).rpartition("/")
    is_on_hub = file.endswith(".gguf") and not Path(path).exists() and HUB_ID.fullmatch(repository)
    return (repository, file) if is_on_hub else ("", "")


def load_hub_tokenizer(path: str | Path) -> Any:
    """The tokenizer of a backbone. Raises VsrError as `load_backbone`."""
    return _read(path, "AutoTokenizer")


def config_of(path: str | Path) -> Any:
    """The configuration of a backbone, without its weights. Raises VsrError as `load_backbone`."""
    return _read(path, "AutoConfig")


def _read(path: str | Path, kind: str, **more: Any) -> Any:
    """The object that a class of transformers loads from a backbone. Raises VsrError."""
    folder, gguf = _folder_and_file(located_backbone(path))
    transformers = required_package("transformers", "a language model", INSTALL)
    if gguf:
        required_package("gguf", "a GGUF file", INSTALL)
        required_package("accelerate", "a GGUF file", INSTALL)
    options = {"gguf_file": gguf} if gguf else {"use_safetensors": True} if more else {}
    options |= {"local_files_only": True, "trust_remote_code": False} | more
    transformers.utils.logging.disable_progress_bar()
    try:
        return getattr(transformers, kind).from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError) as error:
        raise VsrError("bad_model", f"{path} is no language model that can be read: {one_line(error)[:200]}") from error


def of_sizes(sizes: dict[str, Any], kind: str = CAUSAL) -> Any:
    """A model of transformers with random weights; ``sizes``: ``model_type`` and numbers of its configuration. Raises
    VsrError bad_config for sizes that do not fit together."""
    transformers, settings = required_package("transformers", "a language model", INSTALL), dict(sizes)
    try:
        config = transformers.AutoConfig.for_model(settings.pop("model_type", ""), **settings)
        return getattr(transformers, kind).from_config(config)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
        raise VsrError("bad_config", f"llm.sizes make no model: {one_line(error)[:200]}") from error


def with_lora(model: Any, lora: LoraSettings, task: str = "CAUSAL_LM") -> Any:
    """The model with adapters, which have no effect yet and alone are trained; unchanged if the rank is 0. Raises
    VsrError missing_package, bad_config for layers that the model does not have."""
    if not lora.rank:
        return model
    peft = required_package("peft", "adapters of a language model", INSTALL)
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.modules), task_type=task
    )
    try:
        with warnings.catch_warnings():  # peft uses a name of transformers that v6 removes
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            return peft.get_peft_model(model, config)
    except ValueError as error:
        raise VsrError("bad_config", f"llm.lora: {one_line(error)[:200]}") from error


def last_places(length: int, count: int) -> torch.Tensor:
    """Indices of the last ``count`` of ``length`` positions, (count,), as ``logits_to_keep``.

    With a number instead, states are sliced, and a frozen head is then copied once for every text of a batch.
    """
    return torch.arange(length - count, length)


def weight_files(path: str | Path) -> list[Path]:
    """The files that hold a backbone's weights. Raises VsrError as `load_backbone`."""
    folder, gguf = _folder_and_file(located_backbone(path))
    return [folder / gguf] if gguf else sorted(folder.glob("*.safetensors"))


def precision() -> torch.dtype:
    """bfloat16 where the processor supports it in hardware, else float32."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def _folder_and_file(path: Path) -> tuple[Path, str]:
    """(folder, name of the GGUF file in it, or "" for safetensors). Raises VsrError."""
    if path.is_file() and path.suffix == ".gguf":
        return path.parent, path.name
    if not path.is_dir():
        problem = "is no folder and no GGUF file: give a folder with safetensors, a .gguf file, or org/name"
        raise VsrError("bad_model", f"{path} {problem}")
    if list(path.glob("*.safetensors")):
        return path, ""
    files = sorted(path.glob("*.gguf"))
    if len(files) == 1:
        return path, files[0].name
    if any(file for pattern in PICKLES for file in path.glob(pattern)):
        raise VsrError("bad_model", f"{path} holds pickled weights, which are never read: convert them to safetensors")
    raise VsrError("bad_model", f"{path} holds {len(files) or 'no'} GGUF files and no safetensors: name one file")


def licence_of(folder: Path) -> str:
    """The licence that a model's files state: a line of the model card, or the name of a licence file."""
    card = folder / "README.md"
    if card.is_file():
        for line in card.read_text("utf-8", "replace").splitlines()[:60]:
            if line.lower().startswith("license:"):
                return line.partition(":")[2].strip()
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if isinstance(config, dict) and isinstance(config.get("license"), str):
        return config["license"]
    files = sorted(file.name for file in folder.iterdir() if file.name.lower().startswith(("license", "licence")))
    return f"see {files[0]}" if files else "not stated by its files"
