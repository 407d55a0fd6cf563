"""`lip2speech serve`: addresses, keys, and how it ends."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from lip2speech.cli import main
from lip2speech.web.api.keys import check_host, is_local, read_keys
from vsr.core.errors import VsrError

pytest.importorskip("fastapi", reason="the API needs the extra 'web'")
uvicorn = pytest.importorskip("uvicorn", reason="the API needs the extra 'web'")
Server = importlib.import_module("lip2speech.web.server").Server
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "my.host", "127.0.0.1.example"])
def test_public_address_needs_a_key(host, capsys):
    assert main(["serve", "--host", host]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert host in line and "--key-file" in line


def test_loopback_needs_no_key(tmp_path):
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check_host(host, read_keys(None))
    (tmp_path / "keys").write_text("k" * 16, encoding="utf-8")
    check_host("0.0.0.0", read_keys(tmp_path / "keys"))


NO_KEYS = [("", "no key"), ("# none\n", "no key"), ("short\n", "line 1"), ("a b" * 9, "line 1")]


@pytest.mark.parametrize("text, message", NO_KEYS, ids=range(len(NO_KEYS)))  # the name of the folder has the id
def test_refuses_wrong_keys(text, message, tmp_path, capsys):
    (tmp_path / "keys").write_text(text, encoding="utf-8")
    assert main(["serve", "--key-file", str(tmp_path / "keys")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and (not text.strip() or text.strip() not in line)
    with pytest.raises(VsrError):
        read_keys(tmp_path / "gone")


def test_request_without_a_key_must_be_local():
    assert is_local({"host": "127.0.0.1:80"}) and is_local({"host": "[::1]:80"})
    assert is_local({"host": "localhost:80", "origin": "http://localhost:80"})
    assert not is_local({}) and not is_local({"host": "localhost:80", "origin": "http://localhost:81"})


@pytest.mark.parametrize("ignored", [False, True])
def test_signals_end_a_server_unless_ignored(ignored, monkeypatch):
    """A shell script's background jobs ignore Ctrl-C: the server once ended by it all the same, as if finished."""
    server, received = Server(uvicorn.Config(None)), []
    for number in (signal.SIGHUP, signal.SIGINT):
        monkeypatch.setattr(server, "should_exit", False)
        before = signal.signal(number, signal.SIG_IGN if ignored else lambda sent, frame: received.append(sent))
        try:
            with server.capture_signals():
                signal.raise_signal(number)
                assert server.should_exit is not ignored
        finally:
            signal.signal(number, before)
    assert received == ([] if ignored else [signal.SIGHUP, signal.SIGINT]), "the command says by which it ended"


@pytest.mark.parametrize("sent, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_the_server_and_leaves_no_file(sent, status, tiny_model, tiny_voice_folder, face_clip, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    arguments = ["serve", "--port", str(port), "--model", str(tiny_model), "--voice", str(tiny_voice_folder)]
    code = "import sys; from lip2speech.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert f":{port}" in server.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as response:
            assert response.status == 200
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"POST /v1/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\nhalf of it")
            time.sleep(0.2)
            server.send_signal(sent)
            assert server.wait(30) == status
    finally:
        server.kill()
        _, errors = server.communicate()
    assert "Traceback" not in errors and list(tmp_path.iterdir()) == []
