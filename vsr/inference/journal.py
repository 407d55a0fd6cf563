"""The journal of a long transcription: a line for each finished block, on disk before the next block begins.

JSON Lines. The first line, the heading, identifies video, model and options. A line cut short by a kill is dropped, and
its block is read again. The output depends on these lines alone, so a resumed run writes what an uninterrupted one
would have written.
"""

from __future__ import annotations

import json
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import append_line, atomic_write, write_text
from vsr.inference.records import BlockRecord

FORMAT = 1


class Journal:
    """Blocks of one video, in memory and, if there is a path, on disk.

    Args:
        path: of the file, created with the first block that is not the last; None keeps blocks in memory.
        heading: identifies video, model and options; a journal with another heading belongs to another run.
        resume: use the blocks of an earlier run.

    Raises:
        VsrError: bad_journal if it belongs to another video, model or options, or a line is no block; not_writable,
            no_space.
    """

    def __init__(self, path: str | Path | None, heading: dict, resume: bool = False):
        self.path = None if path is None else Path(path)
        self.heading = json.loads(json.dumps({"format": FORMAT, **heading}))  # as it will be read: no tuples
        self.blocks: list[BlockRecord] = []
        self._open = False
        if resume and self.path is not None and self.path.is_file():
            self._take_over(self.path)

    def _take_over(self, path: Path) -> None:
        """Read the complete blocks of an earlier run, and cut off an incomplete one."""
        lines = path.read_bytes().splitlines(keepends=True)
        records = [record for record in map(_record, _intact_lines(lines)) if record is not None]
        if not records:
            return
        if records[0] != self.heading:
            problem = (
                "is of another video, model or options, or recognises faces in another way; "
                "remove it, or read again without --resume"
            )
            raise VsrError("bad_journal", f"{path}: {problem}")
        self.blocks, self._open = [self._block(number, own) for number, own in enumerate(records) if number], True
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"".join(lines[: len(records)]))

    def _block(self, number: int, record: dict) -> BlockRecord:
        try:
            return BlockRecord.from_json(record)
        except ValueError as error:
            problem = f"block {number} is none ({error}); remove it, or read again without --resume"
            raise VsrError("bad_journal", f"{self.path}: {problem}") from error

    @property
    def finished(self) -> bool:
        """Whether the last block of the video has been read."""
        return bool(self.blocks) and self.blocks[-1].next is None

    def add(self, block: BlockRecord, last: bool = False) -> None:
        """Keep a block; it is on disk when this returns, unless it is the ``last`` before a file breaks off, which
        nobody goes on from."""
        line = json.dumps(block.to_json(), ensure_ascii=False)
        self.blocks.append(BlockRecord.from_json(json.loads(line)))  # as a resumed run would read it
        if last or self.path is None or (block.next is None and not self._open):
            return
        if not self._open:
            write_text(self.path, json.dumps(self.heading, ensure_ascii=False) + "\n")
            self._open = True
        append_line(self.path, line, safe=True)


def _intact_lines(lines: list[bytes]) -> list[bytes]:
    """The lines before the first incomplete one."""
    for index, line in enumerate(lines):
        if not line.endswith(b"\n") or _record(line) is None:
            return lines[:index]
    return lines


def _record(line: bytes) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
