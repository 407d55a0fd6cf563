"""The line that Kaldi's scoring writes beside hypotheses, for `grep WER exp/*/decode_*/wer | sort`."""

from __future__ import annotations


def wer_line(figures: dict) -> str:
    """The line of a `vsr.evaluation.wer.Score` as a dictionary, or of an accuracy of isolated words."""
    if "top1" in figures:
        places, listed = figures.get("places", 5), figures.get("listed", figures["top5"])
        within = f"top {places}: {100 * listed:.2f}, " if places > 1 else ""
        return f"%ACC {100 * figures['top1']:.2f} [ {within}{figures['scored']} scored ]"
    wrong = figures["insertions"] + figures["deletions"] + figures["substitutions"]
    kinds = f"{figures['insertions']} ins, {figures['deletions']} del, {figures['substitutions']} sub"
    return f"%WER {100 * figures['wer']:.2f} [ {wrong} / {figures['words']}, {kinds} ]"
