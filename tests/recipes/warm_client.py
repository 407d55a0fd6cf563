"""A command of a recipe: ``warm_client.py NAME PACKAGE ARGUMENTS...``, done by a fork of the server NAME."""

import json
import os
import signal
import socket
import sys
import time


def connect(name):
    """The server, which may have begun a moment ago."""
    for left in reversed(range(1200)):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"\0{name}")
            return server
        except ConnectionRefusedError:
            server.close()
            if not left:
                raise
            time.sleep(0.05)


def main(name, argv):
    server = connect(name)
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda number, frame: server.send(bytes([number])))
    request = json.dumps({"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}).encode()
    socket.send_fds(server, [f"{len(request)}\n".encode()], [0, 1, 2])
    server.sendall(request)
    status = int(server.recv(16) or 1)
    if status < 0:  # ended by a signal
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
