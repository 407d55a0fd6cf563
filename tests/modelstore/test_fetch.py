"""Fetching a file: complete or not at all, resumed where it broke off, never a mixture, never another file."""

import hashlib

import numpy as np
import pytest

from tests.published_server import serving
from vsr.core.errors import VsrError
from vsr.modelstore.fetch import fetch, url_of

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def web(tmp_path):
    with serving(tmp_path / "web") as web:
        web.add("a/file.bin", CONTENT)
        yield web


def refusal_of(reason, *arguments):
    with pytest.raises(VsrError) as caught:
        fetch(*arguments)
    assert caught.value.reason == reason and "\n" not in str(caught.value)
    return str(caught.value)


def test_file_is_fetched_once(web, tmp_path):
    path = tmp_path / "out" / "file.bin"
    for _ in range(2):
        assert fetch(f"{web.address}/a/file.bin", path) == SHA
    assert path.read_bytes() == CONTENT and web.asked == [("a/file.bin", None)]
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_interrupted_fetch_is_resumed(web, tmp_path, ranges):
    path, web.ranges = tmp_path / "file.bin", ranges
    web.break_at = 100_000
    assert "broke off; run again" in refusal_of("no_network", f"{web.address}/a/file.bin", path)
    assert not path.exists()
    web.break_at = None
    assert fetch(f"{web.address}/a/file.bin", path) == SHA and path.read_bytes() == CONTENT
    assert web.asked[-1] == ("a/file.bin", "bytes=100000-")


@pytest.mark.parametrize("validators", [True, False], ids=["etag", "no etag"])
def test_file_that_changed_meanwhile_is_not_mixed(web, tmp_path, validators):
    path, web.validators, web.break_at = tmp_path / "file.bin", validators, 100_000
    refusal_of("no_network", f"{web.address}/a/file.bin", path)
    web.break_at = None
    web.add("a/file.bin", OTHER)
    fetch(f"{web.address}/a/file.bin", path)
    assert path.read_bytes() == OTHER


def test_complete_part_is_not_requested_again(web, tmp_path):
    path, web.break_at = tmp_path / "file.bin", 100_000
    refusal_of("no_network", f"{web.address}/a/file.bin", path)
    path.with_name("file.bin.part").write_bytes(CONTENT)
    assert fetch(f"{web.address}/a/file.bin", path) == SHA and len(web.asked) == 1


def test_other_checksum_is_refused_and_the_file_removed(web, tmp_path):
    path = tmp_path / "file.bin"
    assert "not the file it was" in refusal_of("bad_download", f"{web.address}/a/file.bin", path, "0" * 64)
    assert not path.exists()
    assert fetch(f"{web.address}/a/file.bin", path, SHA) == SHA


@pytest.mark.parametrize(
    "address, message",
    [("{}/a/none", "answers 404"), ("http://127.0.0.1:9/x", "cannot reach"), ("nonsense", "no address")],
)
def test_unreachable_address_is_one_line(web, tmp_path, address, message):
    with pytest.raises(VsrError) as caught:
        fetch(address.format(web.address), tmp_path / "x")
    assert message in str(caught.value) and not (tmp_path / "x").exists()


def test_offline_is_respected(web, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refusal_of("hub_offline", f"{web.address}/a/file.bin", tmp_path / "x")
    assert not web.asked


def test_full_disk_is_reported_before_the_fetch(web, tmp_path, monkeypatch):
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    refusal_of("no_space", f"{web.address}/a/file.bin", tmp_path / "x")


def test_two_processes_do_not_write_one_file(web, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "x.part.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refusal_of("busy", f"{web.address}/a/file.bin", tmp_path / "x")


def test_lock_that_its_holder_has_just_removed_is_taken_again(web, tmp_path, monkeypatch):
    """It would keep nobody out: another process makes a new one."""
    fcntl = pytest.importorskip("fcntl")
    lock, locked, flock = tmp_path / "x.part.lock", [], fcntl.flock

    def lock_after_its_removal(handle, how):
        if not locked:
            lock.unlink()
        locked.append(handle)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", lock_after_its_removal)
    assert fetch(f"{web.address}/a/file.bin", tmp_path / "x") == SHA and len(locked) == 2 and not lock.exists()


def test_addresses_follow_the_environment(monkeypatch):
    for name in ("HF_ENDPOINT", "VSR_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    assert url_of("hub:org/name/lm/model.pth") == "https://huggingface.co/org/name/resolve/main/lm/model.pth"
    assert url_of("https://host/a/b") == "https://host/a/b"
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.here/")
    monkeypatch.setenv("VSR_MIRROR", "http://all.here/m/")
    assert url_of("hub:org/name/f x") == "http://hub.here/org/name/resolve/main/f%20x"
    assert url_of("https://host/a/b") == "http://all.here/m/host/a/b"
