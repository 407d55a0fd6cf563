"""Pages that are made of what the project already says: the manual of every verb, the model cards, the changelog."""

from __future__ import annotations

import os
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from lip2speech.cli import LIP2SPEECH
from vsr.cli import VSR, Program

ROOT = Path(__file__).parents[1]
COPIES = {
    "model-cards/lip-reader.md": "vsr/weights/grid-tracks/MODEL_CARD.md",
    "model-cards/pixels.md": "vsr/weights/MODEL_CARD.md",
    "model-cards/voice.md": "lip2speech/weights/MODEL_CARD.md",
    "changes.md": "CHANGELOG.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that have no file in docs/."""
    for page, source in COPIES.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        for other, beside in COPIES.items():  # links from card to card
            link = os.path.relpath(beside, Path(source).parent)
            content = content.replace(f"]({link})", f"]({os.path.relpath(other, Path(page).parent)})")
        files.append(File.generated(config, page, content=content))
    for program in (VSR, LIP2SPEECH):
        files.append(File.generated(config, f"commands/{program.name}.md", content=manual(program)))
    return files


def manual(program: Program) -> str:
    """A page with what --help says, of the command and of each of its verbs."""
    os.environ["COLUMNS"] = "100"  # what argparse wraps to
    parts = [f"# {program.name}\n\n```\n{program.overview()}\n```\n"]
    for verb in program.verbs:
        parts.append(f"## {program.name} {verb} {{ #{verb} }}\n\n```\n{program.parser(verb).format_help()}```\n")
    return "\n".join(parts)
