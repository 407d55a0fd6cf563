#!/usr/bin/env python3
"""Load test of the page: is every answer the visitor's own, does memory grow, are files left behind?

    tools/bench/page.py CLIP... [--clients 8] [--minutes 5] [--queue 16] [--json FILE]

Starts `lip2speech web` in its own process with its own folder for temporary files. `vsr.inference.transcriber` gives
the expected answer for each clip, then a single client uses the page. Then --clients clients do what browsers do, for
--minutes: open the page, upload three clips one after another, wait for each answer, fetch its files, close the tab.
The clips should include one without a face. Prints and writes

    answers, problems    results, and answers that say what is wrong with the clip, as `vsr transcribe` does
    mixed                answers that differ from those of the same clip alone: words, video or voice
    busy                 refusals because the queue was full; the client comes again after a few seconds
    errors               all other failures, by message
    seconds              from upload to the complete answer: median, 95 %, maximum; alone: median of a single client
    rss_mb               memory of the server after the single client, and after each minute
    files                temporary files, and their MB, after each minute
    left_seconds         from the closing of the last tab until no file of a visitor was left; null: some stayed
    left_open, left_end  files left then; what is left in the folder for temporary files after the server's end
    log                  lines that the server wrote about problems
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from vsr.core.errors import VsrError
from vsr.core.files import write_text
from vsr.inference.reader import load_model

CLIPS_A_TAB = 3
PATIENCE = 150.0  # seconds after the last visitor within which the server must have cleaned up
FILES = ("video.mp4", "0.mp4")  # of a result: the displayed and the voiced video
TOKEN, REASON = re.compile(r"results/([\w-]{22})/"), re.compile(r'data-reason="(\w+)"')


@dataclass
class Server:
    """A process that serves the page, and its folder for temporary files."""

    folder: Path
    process: subprocess.Popen
    address: str

    @classmethod
    def start(cls, folder: Path, queue: int) -> "Server":
        """Start it and wait until it listens."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        (folder / "tmp").mkdir()
        command = [sys.executable, "-m", "lip2speech.cli", "web", "--port", str(port), "--queue", str(queue)]
        with (folder / "log").open("w") as log:
            environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        if not process.stdout.readline().startswith("http://"):
            raise SystemExit(f"the server does not start: {(folder / 'log').read_text()}")
        return cls(folder, process, f"http://127.0.0.1:{port}")

    def rss(self) -> int:
        """Its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024

    def files(self) -> list[Path]:
        """The files in its folder for temporary files."""
        return [path for path in (self.folder / "tmp").rglob("*") if path.is_file()]

    def stop(self) -> list[str]:
        """Stop it as Ctrl-C does; returns its stderr."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return (self.folder / "log").read_text(encoding="utf-8").splitlines()


@dataclass
class Tab:
    """One tab of a browser, which sends a heartbeat until it is closed."""

    http: httpx.AsyncClient
    function: int = 0
    session: str = field(default_factory=lambda: secrets.token_hex(6))

    async def __aenter__(self) -> "Tab":
        (await self.http.get("/")).raise_for_status()
        handlers = (await self.http.get("/config")).json()["dependencies"]
        (self.function,) = (handler["id"] for handler in handlers if handler["api_name"] == "read")
        self._alive = asyncio.create_task(self._stay())
        return self

    async def __aexit__(self, *_) -> None:
        self._alive.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._alive

    async def _stay(self) -> None:
        async with self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}") as answer:
            async for _ in answer.aiter_bytes():
                pass

    async def read(self, clip: Path) -> dict:
        """The page's final answer for a clip: {"reason"} or {"file", "text", digest of each of FILES}."""
        upload = await self.http.post("/gradio_api/upload", files={"files": (clip.name, clip.read_bytes())})
        upload.raise_for_status()
        file_data = {"path": upload.json()[0], "orig_name": clip.name, "meta": {"_type": "gradio.FileData"}}
        event = {"data": [file_data, None], "fn_index": self.function, "session_hash": self.session}
        (await self.http.post("/gradio_api/queue/join", json=event)).raise_for_status()
        shown = await self._follow()
        reasons, tokens = REASON.findall(shown), set(TOKEN.findall(shown))
        if reasons:
            return {"reason": reasons[-1]}
        if len(tokens) != 1:
            raise ValueError(f"{len(tokens)} results were shown")
        return await self._fetch(tokens.pop())

    async def _follow(self) -> str:
        """All output of the page until the answer was complete."""
        shown = []
        async with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                shown.append("\n".join(_strings(message.get("output"))))
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise ValueError(f"the page failed: {message['output'].get('error')}")
                    return "\n".join(shown)
        raise ValueError("the stream ended before the answer")

    async def _fetch(self, token: str) -> dict:
        answers = [await self.http.get(f"/results/{token}/{name}") for name in ("0.json", *FILES)]
        for answer in answers:
            answer.raise_for_status()
        record = answers[0].json()
        digests = (hashlib.sha256(answer.content).hexdigest() for answer in answers[1:])
        return {"file": record["file"], "text": record["text"], **dict(zip(FILES, digests, strict=True))}


def _strings(value) -> list[str]:
    """Every string inside a JSON value."""
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in _strings(child)]


def transcribed(clips: list[Path]) -> dict[str, dict]:
    """Name -> answer of `vsr transcribe`: {"file", "text"} or {"reason"}."""
    loaded, answers = load_model(), {}
    for clip in clips:
        try:
            answers[clip.name] = {"file": clip.name, "text": loaded.transcribe(clip).text}
        except VsrError as error:
            answers[clip.name] = {"reason": error.reason}
    return answers


@dataclass
class Tally:
    """Counts of the answers, compared with the expected ones."""

    expected: dict[str, dict]
    counts: Counter = field(default_factory=lambda: Counter(answers=0, problems=0, mixed=0, busy=0))
    errors: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, clip: Path, answer: dict, seconds: float) -> None:
        """Count one answer."""
        if answer.get("reason") == "busy":
            self.counts["busy"] += 1
            return
        self.seconds.append(seconds)
        self.counts["problems" if "reason" in answer else "answers"] += 1
        if answer != self.expected[clip.name]:
            self.counts["mixed"] += 1
            print(f"{clip.name}: {answer} instead of {self.expected[clip.name]}", file=sys.stderr)


async def give(tab: Tab, clip: Path, tally: Tally) -> None:
    """Upload a clip and count the answer; wait after a refusal."""
    start_time, busy_before = time.perf_counter(), tally.counts["busy"]
    try:
        tally.add(clip, await tab.read(clip), time.perf_counter() - start_time)
    except (httpx.HTTPError, ValueError) as error:
        tally.errors[f"{type(error).__name__}: {error}"] += 1
    if tally.counts["busy"] > busy_before:
        await asyncio.sleep(random.uniform(2, 5))


async def visit(address: str, clips: list[Path], tally: Tally, until: float) -> None:
    """One client: opens tabs one after another, with some clips in each, until the time is over."""
    order = random.Random(secrets.randbits(32))
    while time.monotonic() < until:
        async with httpx.AsyncClient(base_url=address, timeout=300) as http, Tab(http) as tab:
            for clip in order.choices(clips, k=CLIPS_A_TAB):
                if time.monotonic() < until:
                    await give(tab, clip, tally)


async def read_once(address: str, clips: list[Path], record: dict[str, dict]) -> Tally:
    """One client uploads each clip once; its answers must equal those of `vsr transcribe` and become the reference."""
    tally = Tally({})
    async with httpx.AsyncClient(base_url=address, timeout=300) as http, Tab(http) as tab:
        for clip in clips:
            start_time = time.perf_counter()
            answer = await tab.read(clip)
            if {name: value for name, value in answer.items() if name not in FILES} != record[clip.name]:
                raise SystemExit(f"{clip.name}: the page says {answer}, vsr transcribe {record[clip.name]}")
            tally.seconds.append(time.perf_counter() - start_time)
            tally.expected[clip.name] = answer
    return tally


async def by_minute(server: Server, rows: list[dict]) -> None:
    """Append the server's memory and files, now and after each minute, to ``rows``."""
    while True:
        files = server.files()
        size = sum(path.stat().st_size for path in files if path.exists())
        rows.append({"rss_mb": server.rss(), "files": len(files), "files_mb": round(size / 2**20, 1)})
        await asyncio.sleep(60)


async def seconds_until_empty(server: Server) -> float | None:
    """Seconds until no file is left, or None."""
    start_time = time.monotonic()
    while time.monotonic() - start_time < PATIENCE:
        if not server.files():
            return round(time.monotonic() - start_time, 1)
        await asyncio.sleep(0.5)
    return None


async def measure(server: Server, clips: list[Path], clients: int, minutes: float) -> dict:
    """All figures of one server except those after its end."""
    record = await asyncio.to_thread(transcribed, clips)
    single = await read_once(server.address, clips, record)
    tally, rows = Tally(single.expected), []
    watcher = asyncio.create_task(by_minute(server, rows))
    until = time.monotonic() + 60 * minutes
    await asyncio.gather(*(visit(server.address, clips, tally, until) for _ in range(clients)))
    watcher.cancel()
    rss, seconds_to_empty = server.rss(), await seconds_until_empty(server)
    ordered = sorted(tally.seconds)
    return {
        "clients": clients, "minutes": minutes, "clips": len(clips), **tally.counts, "errors": dict(tally.errors),
        "seconds": {
            "median": round(statistics.median(ordered), 2), "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
            "most": round(ordered[-1], 2), "alone": round(statistics.median(single.seconds), 2),
        },
        "rss_mb": [*(row["rss_mb"] for row in rows), rss],
        "files": [(row["files"], row["files_mb"]) for row in rows],
        "left_seconds": seconds_to_empty, "left_open": len(server.files()),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--queue", type=int, default=16, help="clips that the server lets wait")
    parser.add_argument("--json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server.start(Path(folder), args.queue)
        try:
            figures = asyncio.run(measure(server, args.clips, args.clients, args.minutes))
        finally:
            log = server.stop()
        figures |= {"left_end": sorted(path.name for path in (Path(folder) / "tmp").iterdir()), "log": log}
    for name, value in figures.items():
        print(f"{name:>12}  {value}")
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
