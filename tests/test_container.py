"""The Dockerfile: a pinned base, small layers, no root user, and commands that README and Makefile have."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.command_lines import PROGRAMS, check

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KNOWN = {
    "FROM",
    "RUN",
    "WORKDIR",
    "COPY",
    "USER",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
}  # no ADD, no SHELL


def instructions(text):
    """(name, rest) of every instruction; lines that end in a backslash are joined."""
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def arguments_of(parsed, name):
    return [rest for keyword, rest in parsed if keyword == name]


def faults(text):
    """What is wrong with a Dockerfile, a line each."""
    parsed = instructions(text)
    names = [name for name, _ in parsed]
    if not set(names) <= KNOWN:
        yield f"unknown: {set(names) - KNOWN}"
    if len(arguments_of(parsed, "FROM")) != 1 or not re.fullmatch(
        r"[\w./-]+:\S*\d\S*", arguments_of(parsed, "FROM")[0]
    ):
        yield "the base is not pinned"
    users = [index for index, name in enumerate(names) if name == "USER"]
    if not users or re.match(r"(root|0)\b", parsed[users[-1]][1]) or users[-1] > names.index("ENTRYPOINT"):
        yield "runs as root"
    if any(not rest.startswith("/") for rest in arguments_of(parsed, "WORKDIR")):
        yield "a relative folder"
    for rest in (
        *arguments_of(parsed, "ENTRYPOINT"),
        *arguments_of(parsed, "CMD"),
        *(r.partition("CMD ")[2] for r in arguments_of(parsed, "HEALTHCHECK")),
    ):
        if not rest.startswith("["):
            yield f"no exec form: {rest}"
    yield from (fault for rest in arguments_of(parsed, "RUN") for fault in faults_of_shell(rest))


def faults_of_shell(line):
    """What is wrong with the commands of a RUN."""
    commands = [shlex.split(command) for command in line.split("&&")]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for words in commands:
        if words[0] == "make":
            if not set(words[1:]) <= set(targets):
                yield f"no such target: {words}"
        elif words[0] not in ("apt-get", "rm", "useradd"):
            yield f"neither README nor Makefile has: {words}"
    installs = [words for words in commands if words[:2] == ["apt-get", "install"]]
    if any("--no-install-recommends" not in words or "-y" not in words for words in installs):
        yield "apt-get asks, or installs what is only recommended"
    if installs and (commands[0] != ["apt-get", "update"] or commands[-1] != ["rm", "-rf", "/var/lib/apt/lists/*"]):
        yield "lists of packages are old, or stay in the layer"


def test_dockerfile_has_no_faults():
    assert list(faults(TEXT)) == []


@pytest.mark.parametrize(
    "right, wrong, message",
    [
        ("debian:12.11-slim", "debian:latest", "not pinned"),
        ("debian:12.11-slim", "debian", "not pinned"),
        ("USER 10001\n", "", "root"),
        ("USER 10001", "USER 0", "root"),
        ("COPY . .", "ADD . .", "unknown"),
        ("WORKDIR /home", "WORKDIR home", "relative"),
        ("make demo", "make tea", "no such target"),
        ("make demo", "pip install tea", "neither README"),
        (" --no-install-recommends", "", "recommended"),
        (" && \\\n    rm -rf /var/lib/apt/lists/*", "", "lists of packages"),
        ('ENTRYPOINT ["lip2speech"]', "ENTRYPOINT lip2speech", "exec form"),
    ],
)
def test_each_fault_is_found(right, wrong, message):
    assert TEXT.count(right) == 1
    assert any(message in fault for fault in faults(TEXT.replace(right, wrong)))


def test_installed_packages_and_make_target_are_in_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (packages,) = re.findall(r"apt-get install -y --no-install-recommends (.*?) &&", TEXT)
    assert set(packages.split()) - {"ca-certificates", "python3"} == {"make", "python3-venv"}
    assert all(f"`{name}`" in readme for name in ("make", "python3-venv")) and "make demo" in readme
    version = int(re.search(r"FROM debian:(\d+)", TEXT).group(1))
    assert version in (12,)  # its python3 is 3.11, which tools/setup.sh takes


def test_entrypoint_parses_and_health_check_asks_the_exposed_port():
    parsed = instructions(TEXT)
    words = json.loads(arguments_of(parsed, "ENTRYPOINT")[0]) + json.loads(arguments_of(parsed, "CMD")[0])
    check(words)
    args = PROGRAMS["lip2speech"].parser("serve").parse_args(words[2:])
    assert args.key_file.startswith("/run/secrets/") and [str(args.port)] == arguments_of(parsed, "EXPOSE")
    python, _, code = json.loads(arguments_of(parsed, "HEALTHCHECK")[0].partition("CMD ")[2])
    compile(code, "HEALTHCHECK", "exec")
    assert python == "python" and f"127.0.0.1:{args.port}/healthz" in code


def test_files_ignored_by_git_stay_out_of_image():
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split():
        name = line.strip("/")
        assert {name, f"{name}/", f"**/{name}"} & set(left_out), line
    assert ".git" in left_out and not {"vsr", "lip2speech", "demo", "tools"} & set(left_out)
