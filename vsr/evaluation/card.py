"""The page of a model on the hub: what the model is, its licence, its figures and how to use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vsr.core.errors import VsrError, cause_of
from vsr.core.files import read_json
from vsr.evaluation.results import spread
from vsr.evaluation.results_page import render, training_line

CARD_FILE = "MODEL_CARD.md"
OWN_TERMS = "other"  # the hub's name for any other licence
RESULT_KEYS = ("scores", "date", "commit", "machine", "command", "training", "model")
USE = """import vsr

print(vsr.load_model("{repository}").transcribe("clip.mp4").text)"""
USE_LANGUAGE = """import vsr
from vsr.decoding.options import DecodeOptions

print(vsr.load_model().transcribe("clip.mp4", DecodeOptions(lm="{repository}")).text)"""


@dataclass(frozen=True)
class Card:
    """The content of a page.

    Args:
        repository: org/name.
        package: vsr or lip2speech.
        tags: of the hub.
        licence: the hub's name for it, such as apache-2.0.
        notice: terms in words, if the weights are from another publisher.
        about: Markdown, the model card; "" if there is none.
        settings: name -> value of model and training, for models without a card.
        figures: Markdown, with tables; "" if nothing was measured.
        metrics: (list, metric, value), for the hub's index.
        use: Python lines.
    """

    repository: str
    package: str
    tags: tuple[str, ...]
    licence: str
    notice: str
    about: str
    settings: dict
    figures: str
    metrics: tuple[tuple[str, str, float], ...]
    use: str

    def render(self) -> str:
        """The page: YAML between dashes, then Markdown."""
        import yaml

        head = yaml.safe_dump(self._head(), sort_keys=False, allow_unicode=True)
        title = self.about or f"# {self.repository.partition('/')[2]}\n\n{_listed(self.settings)}"
        parts = [title.strip(), *([f"**Terms.** {self.notice}"] if self.notice else [])]
        parts += [f"## Use\n\n```python\n{self.use}\n```", f"## Figures\n\n{self.figures or 'None were given.'}"]
        return f"---\n{head}---\n\n" + "\n\n".join(parts) + "\n"

    def _head(self) -> dict:
        head = {"license": self.licence, "library_name": self.package, "tags": list(self.tags)}
        if not self.metrics:
            return head
        lists = dict.fromkeys(name for name, _, _ in self.metrics)
        results = [
            self._result(name, [(metric, value) for listed, metric, value in self.metrics if listed == name])
            for name in lists
        ]
        index = [{"name": self.repository.partition("/")[2], "results": results}]
        return head | {"metrics": sorted({metric for _, metric, _ in self.metrics}), "model-index": index}

    def _result(self, name: str, values: list[tuple[str, float]]) -> dict:
        return {
            "task": {"type": self.tags[0]},
            "dataset": {"type": name, "name": name},
            "metrics": [{"type": metric, "value": round(value, 4)} for metric, value in values],
        }


def lip_reader_card(folder: Path, config: dict, repository: str, licence: str | None, results: str | None) -> str:
    """The page of a lip reader or a language model.

    Raises VsrError: bad_options without a licence, bad_manifest for figures that cannot be read.
    """
    language = config.get("kind") == "language_model"
    tags = ("language-modeling",) if language else ("visual-speech-recognition", "lip-reading")
    result = read_result(results, RESULT_KEYS)
    use = (USE_LANGUAGE if language else USE).format(repository=repository)
    return Card(
        repository, "vsr", tags, *licence_of(licence, config), read_about(folder),
        spread(config["model"]) | training_facts(config), without_title(render(result)) if result else "",
        tuple(_metrics(result)), use,
    ).render()  # fmt: skip


def training_facts(config: dict) -> dict:
    """A model's training for the page: its figures, or one line for an average of several models."""
    return {"weights": training_line(config)} if config.get("averaged") else config.get("training", {})


def _metrics(result: dict) -> Iterable[tuple[str, str, float]]:
    """(list, metric, value): error rates, or accuracy of isolated words."""
    for name, figures in result.get("scores", {}).items():
        for metric in ("wer", "cer", "top1", "top5"):
            if figures.get(metric) is not None:
                yield name, metric, figures[metric]


def _listed(settings: dict) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in settings.items())


def licence_of(licence: str | None, config: dict) -> tuple[str, str]:
    """(the hub's name of the licence, notice). Raises VsrError bad_options if neither user nor model gives it."""
    notice = str(config.get("licence") or "")
    if not licence and not notice:
        raise VsrError("bad_options", "under which licence? give --licence, such as apache-2.0 or cc-by-4.0")
    return licence or OWN_TERMS, notice


def read_about(folder: Path) -> str:
    """The model card of a folder, "" if it has none."""
    path = folder / CARD_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def read_result(path: str | None, keys: Iterable[str]) -> dict:
    """A result.json, {} without a path. Raises VsrError bad_manifest if it lacks a key."""
    if not path:
        return {}
    try:
        result = read_json(path)
        missing = [key for key in keys if key not in result]
    except (OSError, ValueError, TypeError) as error:
        raise VsrError("bad_manifest", f"{path}: no result can be read: {cause_of(error)}") from error
    if missing:
        raise VsrError("bad_manifest", f"{path} is no result.json of a recipe: it has no '{missing[0]}'")
    return result


def without_title(page: str) -> str:
    """A Markdown page without its first heading."""
    return page.partition("\n")[2].strip() if page.startswith("# ") else page.strip()
