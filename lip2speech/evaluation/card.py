"""Model card of a voice on the hub."""

from __future__ import annotations

from lip2speech.evaluation.corpus import NATURAL
from lip2speech.evaluation.results import render
from lip2speech.evaluation.summary import COLUMNS, with_new_keys
from lip2speech.inference.folder import LoadedVoice
from vsr.evaluation.card import Card, licence_of, read_about, read_result, without_title

USE = """import lip2speech

wave, rate = lip2speech.load_model("{repository}").speak("clip.mp4")"""
RESULT_KEYS = ("rows", "date", "commit", "machine", "command", "training", "model", "protocol", "clips")


def voice_card(loaded: LoadedVoice, repository: str, licence: str | None, results: str | None) -> str:
    """The card's Markdown. Raises VsrError: bad_config without a licence, bad_manifest for unreadable figures."""
    config = loaded.config["acoustic"]
    result = with_new_keys(read_result(results, RESULT_KEYS))
    return Card(
        repository, "lip2speech", ("lip-to-speech", "video-to-speech"), *licence_of(licence, config),
        read_about(loaded.folder), config["model"] | config.get("training", {}),
        without_title(render(result)) if result else "", tuple(_metrics(result)), USE.format(repository=repository),
    ).render()  # fmt: skip


def _metrics(result: dict):
    """(row, metric, mean) of every row except the natural recordings."""
    for row, row_result in result.get("rows", {}).items():
        if row == NATURAL:
            continue
        for name, _, _ in COLUMNS:
            if row_result["figures"].get(name):
                yield row, name, row_result["figures"][name]["mean"]
        if row_result.get("asr"):
            yield row, f"wer_{result['asr']}", row_result["asr"]["wer"]
