"""A local web server: serves a folder with ranges, as file hosts do, and breaks off where a test wants it."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Web:
    """``folder`` is served; ``break_at`` cuts every answer after that many bytes; ``asked``: (path, Range)."""

    def __init__(self, folder):
        self.folder, self.break_at, self.asked, self.ranges, self.validators = Path(folder), None, [], True, True
        self.address = ""

    def add(self, path, content):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target


@contextmanager
def serving(folder):
    """A Web on a free port of this machine."""
    web = Web(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = unquote(self.path).lstrip("/")
            byte_range = self.headers.get("Range")
            web.asked.append((name, byte_range))
            path = web.folder / name
            if not path.is_file():
                return self.send_error(404)
            content = path.read_bytes()
            version = f'"{hash(content)}"'
            start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range and web.ranges else 0
            if start and self.headers.get("If-Range") not in (None, version):
                start = 0
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            if web.validators:
                self.send_header("ETag", version)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(body if web.break_at is None else body[: web.break_at])

        def log_message(self, *_):
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    web.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
