"""Download of the GRID record from a small server that breaks off: resumed, checked, sorted by speaker."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from tests.published_server import serving
from vsr.core.errors import VsrError
from vsr.corpora.grid import prepare_grid
from vsr.corpora.grid_download import download_grid
from vsr.corpora.zenodo import download_file, list_record, unpack

ALIGN = b"0 12000 sil\n12000 18000 bin\n18000 25000 blue\n"


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def video(name):
    return np.random.default_rng(len(name)).bytes(40_000)


FILES = {
    "s1.zip": zipped({f"s1/{n}.mpg": video(n) for n in ("bbaf2n", "bbaf3s")} | {"__MACOSX/s1/._bbaf2n.mpg": b"x"}),
    "s2.zip": zipped({f"s2/{n}.mpg": video(n) for n in ("swiz1p", "swiz2s")}),
    # the word times of s1 are in the folder s2, and the other way round
    "alignments.zip": zipped(
        {f"alignments/s2/{n}.align": ALIGN for n in ("bbaf2n", "bbaf3s")}
        | {f"alignments/s1/{n}.align": ALIGN for n in ("swiz1p", "swiz2s")}
    ),
    "jasagrid.pdf": b"a paper",
}


@pytest.fixture(params=[True, False], ids=["etag", "no etag"])
def server(tmp_path, request):
    """Serves FILES and their record, at ``url``; ``write`` writes the record again."""
    with serving(tmp_path / "web") as web:
        web.validators = request.param
        web.record = {
            "files": [
                {"key": name, "size": len(content), "checksum": "md5:" + hashlib.md5(content).hexdigest(),
                 "links": {"self": f"{web.address}/{name}"}}
                for name, content in FILES.items()
            ]
        }  # fmt: skip
        for name, content in FILES.items():
            web.add(name, content)
        web.write = lambda: web.add("record", json.dumps(web.record).encode())
        web.write()
        web.url = f"{web.address}/record"
        yield web


def test_downloaded_speakers_are_a_corpus_that_can_be_prepared(tmp_path, server):
    assert download_grid(tmp_path / "GRID", record=server.url) == {"s1": 2, "s2": 2}
    assert (tmp_path / "GRID/s1/bbaf2n.mpg").read_bytes() == video("bbaf2n")
    assert (tmp_path / "GRID/align/s1/bbaf2n.align").read_bytes() == ALIGN
    assert not list((tmp_path / "GRID").rglob("*.zip")) + list((tmp_path / "GRID").rglob("._*"))
    assert prepare_grid(tmp_path / "GRID", tmp_path / "lists")["skipped"] == 0


def test_files_that_exist_are_not_fetched_again(tmp_path, server):
    download_grid(tmp_path, ["s1"], server.url)
    server.asked.clear()
    assert download_grid(tmp_path, ["s1"], server.url) == {"s1": 2}
    assert server.asked == [("record", None)]


def test_interrupted_download_is_resumed(tmp_path, server):
    file, out = list_record(server.url)["s1.zip"], tmp_path / "out"
    server.break_at = 30_000
    with pytest.raises(VsrError, match="run again") as caught:
        download_file(file, out)
    assert caught.value.reason == "no_network" and not (out / "s1.zip").exists()
    server.break_at = None
    assert download_file(file, out).read_bytes() == FILES["s1.zip"]
    assert server.asked[1:] == [("s1.zip", None), ("s1.zip", "bytes=30000-")]
    assert [path.name for path in out.iterdir()] == ["s1.zip"]


def test_bytes_of_another_checksum_are_refused_and_removed(tmp_path, server):
    server.record["files"][0]["checksum"] = "md5:" + "0" * 32
    server.write()
    with pytest.raises(VsrError) as error:
        download_grid(tmp_path / "out", ["s1"], server.url)
    assert error.value.reason == "bad_download"
    assert not list((tmp_path / "out").rglob("s1.zip*"))


def test_checksums_work_without_file_digest(tmp_path, server, monkeypatch):
    monkeypatch.delattr(hashlib, "file_digest", raising=False)  # new in Python 3.11
    file = list_record(server.url)["jasagrid.pdf"]
    assert download_file(file, tmp_path).read_bytes() == FILES["jasagrid.pdf"]


@pytest.mark.parametrize("name, reason", [("no_record", "no_network"), ("s1.zip", "bad_corpus")])
def test_address_without_a_record_is_refused(server, name, reason):
    with pytest.raises(VsrError) as error:
        list_record(f"{server.address}/{name}")
    assert error.value.reason == reason


def test_missing_network_and_unknown_speaker_are_refused(tmp_path, server):
    with pytest.raises(VsrError, match="s21"):
        download_grid(tmp_path, ["s21"], server.url)
    with pytest.raises(VsrError) as error:
        download_grid(tmp_path, record="http://127.0.0.1:9/record")
    assert error.value.reason == "no_network"


def test_members_of_an_archive_stay_in_the_folder(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"../../evil.mpg": b"x", "../out/evil.mpg": b"x", "/s1/good.mpg": b"x"}))
    written = unpack(tmp_path / "a.zip", tmp_path / "in", (".mpg",))
    assert {str(path.relative_to(tmp_path)) for path in written} == {"in/out/evil.mpg", "in/s1/good.mpg"}
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(VsrError, match="not a whole zip"):
        unpack(tmp_path / "b.zip", tmp_path, (".mpg",))
