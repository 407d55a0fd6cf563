"""The `lip2speech` command; each verb is a module in `lip2speech/cli/commands/`."""

from __future__ import annotations

from vsr.cli import Program

SECTIONS = {
    "voice a face": (
        "speak", "dub", "revoice", "say", "translate", "voices", "watermark", "match", "live", "inspect", "web",
        "serve", "import", "push",
    ),
    "prepare a corpus": ("units", "features", "sync"),
    "train": ("train", "vocoder", "listener", "translator", "face"),
    "synthesise and measure": ("synthesize", "evaluate", "compare", "results"),
}  # fmt: skip

LIP2SPEECH = Program(
    "lip2speech", "Voice a face: a silent video of a talking face becomes speech.", SECTIONS,
    "lip2speech speak clip.mp4 -o voiced.mp4",
)  # fmt: skip
main = LIP2SPEECH.main
