"""A manifest is read back as written, and errors in it are one line."""

import json

import pytest

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifest, write_manifest

CLIP = {"id": "a", "video": "a.mp4", "text": "hello"}


def test_any_text_and_file_name_is_read_back(tmp_path):
    name = b"f\xfclm.mp4".decode("utf-8", "surrogateescape")
    clips = [Clip("a", name, "one\u2028two\x85"), Clip("b", "b.mp4", "née \\ud800", words=(("née", 0.1, 0.5),))]
    write_manifest(tmp_path / "m.jsonl", clips)
    assert read_manifest(tmp_path / "m.jsonl") == clips


def test_manifest_made_on_windows_is_read(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(CLIP).encode() + b"\r\n\r\n")
    assert read_manifest(tmp_path / "m.jsonl") == [Clip(**CLIP)]


@pytest.mark.parametrize(
    "changed, problem",
    [
        ({"text": None}, "'text' is null, not a string"),
        ({"id": 5}, "'id' is 5, not a string"),
        ({"start": "1"}, "'start' is \"1\", not a number"),
        ({"start": float("nan")}, "part from nan s to 0.0 s is empty"),
        ({"end": float("inf")}, "part from 0.0 s to inf s is empty"),
        ({"num_frames": 7.5}, "'num_frames' is 7.5, not a whole number"),
        ({"words": [["hello", 0.1]]}, r"'words' holds \[\"hello\", 0.1\], not \[word, start, end\]"),
        ({"words": "hello"}, "'words' is \"hello\", not a list"),
        ({"txt": "hello"}, "unknown field 'txt'"),
        ({"video": "a\0b.mp4"}, "'video' has a null character"),
        ({"crop": "\0"}, "'crop' has a null character"),
    ],
)
def test_field_of_wrong_type_is_named(tmp_path, changed, problem):
    (tmp_path / "m.jsonl").write_text(json.dumps(CLIP | changed), encoding="utf-8")
    with pytest.raises(VsrError, match=f"m.jsonl, line 1: .*{problem}") as caught:
        read_manifest(tmp_path / "m.jsonl")
    assert caught.value.reason == "bad_manifest"


@pytest.mark.parametrize(
    "line, problem",
    [('"x"', "no JSON object"), ("bin blue", "no JSON object"), ('{"id": "a", "video": "v"}', "has no 'text'")],
)
def test_line_that_is_no_clip_is_named(tmp_path, line, problem):
    (tmp_path / "m.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(VsrError, match=problem):
        read_manifest(tmp_path / "m.jsonl")
