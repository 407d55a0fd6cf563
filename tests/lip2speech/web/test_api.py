"""The JSON API of a running server: clients that talk to it, and its OpenAPI document."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lip2speech.inference.dubbing import speak
from lip2speech.web.jobs import Limits
from tests.conftest import talking_face, write_sound, write_video
from tests.lip2speech.web.conftest import serving
from vsr.inference.transcriber import transcribe
from vsr.media.audio import read_wave
from vsr.media.reader import read_frames
from vsr.output.subtitles import WRITERS

httpx = pytest.importorskip("httpx", reason="the API needs the extra 'web'")
jsonschema = pytest.importorskip("jsonschema", reason="the OpenAPI document is compared by jsonschema")
ROOT = Path(__file__).parents[3]
READ, SPEAK, AUDIO = "/v1/transcriptions", "/v1/speech", "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def api(tiny_model, tiny_voice_folder):
    """(client, worker) of the API with tiny models."""
    pytest.importorskip("fastapi", reason="the API needs the extra 'web'")
    from lip2speech.web.api.app import build_api

    app = build_api(Limits(max_mb=1, max_seconds=3, queue=2), str(tiny_model), str(tiny_voice_folder))
    with serving(app) as address, httpx.Client(base_url=address, timeout=180) as client:
        yield client, app.state.worker
    assert not app.state.worker.store.root.exists()


@pytest.fixture(scope="module")
def document(api):
    return api[0].get("/openapi.json").json()


@pytest.fixture(autouse=True)
def nothing_stays(request):
    """After each test no file of a client is left."""
    yield
    if "api" in request.fixturenames:
        store = request.getfixturevalue("api")[1].store
        wait_until(lambda: not [*store.jobs.iterdir(), *store.uploads.iterdir(), *store.scratch.iterdir()])


def wait_until(condition, seconds=20):
    for _ in range(10 * seconds):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def post(client, path, video, reference=None, **fields):
    files = {"file": (video.name, video.read_bytes())}
    files |= {"reference": (reference.name, reference.read_bytes())} if reference else {}
    return client.post(path, files=files, data=fields)


@pytest.mark.parametrize("name", ["file", "faces"])
def test_refuses_a_field_given_twice(api, name, landscape_clip):
    """Once one of two files was read, without saying which."""
    client, _ = api
    files = [("file", ("a.mp4", landscape_clip.read_bytes()))]
    second_field = (
        [("file", ("b.mp4", landscape_clip.read_bytes()))]
        if name == "file"
        else [("faces", (None, "1")), ("faces", (None, "2"))]
    )
    response = client.post(READ, files=[*files, *second_field])
    assert response.status_code == 400 and response.json()["error"]["message"].startswith(f"{name}: is given twice")


@pytest.mark.parametrize(
    "path, fields, message",
    [(READ, {"faces": "0"}, "faces: it can be largest"), (SPEAK, {"voice": "bob"}, "voice: it can be anonymous"),
     (READ, {"file": "clip.mp4"}, "file: it must be a file"), (SPEAK, {"reference": "a.wav"}, "reference: it must")],
)  # fmt: skip
def test_wrong_field_is_reported_in_plain_words(api, path, fields, message, landscape_clip):
    client, _ = api
    files = [] if "file" in fields else [("file", ("a.mp4", landscape_clip.read_bytes()))]
    response = client.post(path, files=[*files, *((name, (None, value)) for name, value in fields.items())])
    error = response.json()["error"]
    assert response.status_code == 400 and error["message"].startswith(message) and error["param"] == next(iter(fields))


def as_documented(document, response, path):
    """Check that a response is documented for its route, and valid; returns it."""
    documented = document["paths"][path][response.request.method.lower()]["responses"][str(response.status_code)]
    kind = response.headers["content-type"].partition(";")[0]
    schema = documented["content"][kind]["schema"]
    if kind == "application/json":
        jsonschema.validate(response.json(), {**schema, "components": document["components"]})
    return response


def form_of(document, path):
    (content,) = document["paths"][path]["post"]["requestBody"]["content"].values()
    return document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]


def test_transcript_is_that_of_the_command(api, document, face_clip):
    client, worker = api
    transcript = transcribe(worker.models.reader, face_clip)
    plain = as_documented(document, post(client, READ, face_clip), READ).json()
    assert plain == {"text": transcript.text, "warnings": transcript.warnings}
    options = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    full = as_documented(document, post(client, READ, face_clip, **options), READ).json()
    segments = [segment.to_json() for segment in transcript.segments]
    assert full["words"] == [word | {"face": entry["face"]} for entry in segments for word in entry["words"]]
    assert [entry["text"] for entry in full["segments"]] == [entry["text"] for entry in segments]
    assert full["duration"] == pytest.approx(transcript.duration, abs=1e-3) and full["text"] == transcript.text
    assert "words" not in post(client, READ, face_clip, response_format="verbose_json").json()
    assert client.post(AUDIO, files={"file": face_clip.read_bytes()}).json() == plain


def test_every_documented_format_is_answered(api, document, face_clip):
    client, worker = api
    transcript = transcribe(worker.models.reader, face_clip)
    for name in form_of(document, READ)["properties"]["response_format"]["enum"]:
        response = as_documented(document, post(client, READ, face_clip, response_format=name, unsure="keep"), READ)
        assert response.status_code == 200, response.text
        writer = WRITERS.get("txt" if name == "text" else name)
        if not name.endswith("json") and name not in ("rttm", "ctm", "textgrid", "eaf"):  # these name the file
            assert response.text == writer(transcript), name
    dropped = post(client, READ, face_clip, response_format="text", unsure="drop").text.split()
    confident = [word.word for segment in transcript.segments for word in segment.words if word.confidence >= 0.5]
    assert dropped == confident


def test_voice_is_returned_as_sound_and_in_the_video(api, document, face_clip, tmp_path):
    client, worker = api
    for name, fields in (("a.wav", {}), ("a.mp4", {"response_format": "mp4"})):
        response = as_documented(document, post(client, SPEAK, face_clip, **fields), SPEAK)
        assert response.status_code == 200, response.text
        (tmp_path / name).write_bytes(response.content)
    wave = speak(worker.models.voice, face_clip).wave
    assert np.abs(read_wave(tmp_path / "a.wav", 25) - wave).max() < 1e-3
    assert len(list(read_frames(tmp_path / "a.mp4"))) == len(list(read_frames(face_clip)))
    assert np.corrcoef(wave, read_wave(tmp_path / "a.mp4", 25)[: len(wave)])[0, 1] > 0.5


def test_voice_may_be_anonymous(api, document, face_clip, tmp_path):
    client, worker = api
    voices = ("anonymous:1", "anonymous:1", "anonymous")
    first, second, other = (post(client, SPEAK, face_clip, voice=name) for name in voices)
    assert as_documented(document, first, SPEAK).status_code == 200 and first.headers["X-Warning"] == "no_voice"
    assert first.content == second.content != other.content
    (tmp_path / "a.wav").write_bytes(first.content)
    expected = speak(worker.models.voice, face_clip, "anonymous:1").wave
    assert np.abs(read_wave(tmp_path / "a.wav", 25) - expected).max() < 1e-3
    for wrong in ("own", "anonymous:x", "/etc/passwd"):
        assert post(client, SPEAK, face_clip, voice=wrong).json()["error"]["param"] == "voice"
    both = as_documented(
        document, post(client, SPEAK, face_clip, write_sound(tmp_path / "r.mp4"), voice="anonymous"), SPEAK
    )
    assert both.status_code == 400 and "give one of them" in both.json()["error"]["message"]


def test_lips_at_rest_are_reported(api, document, tmp_path):
    client, _ = api
    still = write_video(tmp_path / "still.mp4", talking_face(1).repeat(50, 0))
    plain = as_documented(document, post(client, READ, still), READ).json()
    assert plain["text"] == "" and [warning["reason"] for warning in plain["warnings"]] == ["at_rest"]
    assert post(client, READ, still, response_format="srt").headers["X-Warning"] == "at_rest"
    assert as_documented(document, post(client, SPEAK, still), SPEAK).headers["X-Warning"] == "at_rest"


def test_document_has_every_route_and_field(api, document, face_clip):
    client, _ = api
    assert set(document["paths"]) == {READ, AUDIO, SPEAK, "/v1/models", "/healthz"}
    assert form_of(document, AUDIO) == form_of(document, READ)
    for path in ("/v1/models", "/healthz"):
        assert as_documented(document, client.get(path), path).status_code == 200
    fields = {
        READ: {"file", "model", "faces", "response_format", "timestamp_granularities[]", "unsure"},
        SPEAK: {"file", "model", "faces", "response_format", "reference", "voice", "text"},
    }
    for path, names in fields.items():
        assert set(form_of(document, path)["properties"]) == names
        response = as_documented(document, post(client, path, face_clip, temperature="0"), path)
        assert response.status_code == 400 and response.json()["error"]["param"] == "temperature"
        for name in names - {"file"}:
            wrong = client.post(path, files={"file": face_clip.read_bytes()}, data={name: "§"})
            assert wrong.status_code in (400, 404), name


def test_examples_of_the_page_work(api, tmp_path, monkeypatch):
    """The client in Python, and every line of curl, as `docs/serving.md` has them."""
    client, _ = api
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    page = page.replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").symlink_to(write_video(tmp_path / "face.mp4", talking_face(25)))
    (code,) = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    namespace: dict = {}
    exec(compile(code, "serving.md", "exec"), namespace)
    assert namespace["words"] and (tmp_path / "voice.wav").read_bytes()[:4] == b"RIFF"
    lines = re.findall(r"^curl .*", page.replace("\\\n", " "), re.MULTILINE)
    assert len(lines) >= 4
    for line in lines if shutil.which("curl") else ():
        output = subprocess.run(shlex.split(line, comments=True), capture_output=True, text=True, check=True).stdout
        assert '"error"' not in output, output
    assert not shutil.which("curl") or (tmp_path / "voiced.mp4").stat().st_size > 1000


def test_models_are_served_only_by_their_names(api, face_clip):
    client, _ = api
    models = {model["kind"]: model for model in client.get("/v1/models").json()["data"]}
    for kind, path in (("reader", READ), ("voice", SPEAK)):
        assert models[kind]["endpoint"] == path
        assert post(client, path, face_clip, model=models[kind]["id"]).status_code == 200
    response = post(client, READ, face_clip, model="whisper-1")
    assert response.status_code == 404 and models["reader"]["id"] in response.json()["error"]["message"]


def test_failures_have_a_status_and_a_code(api, document, face_clip, landscape_clip, tmp_path):
    client, worker = api
    long = write_video(tmp_path / "long.mp4", np.zeros((90, 64, 64, 3), np.uint8))
    sound, silent = write_sound(tmp_path / "sound.mp4"), write_sound(tmp_path / "silent.mp4", 1.5)
    (tmp_path / "text.mp4").write_text("not a video", encoding="utf-8")
    (tmp_path / "empty.mp4").touch()
    for response, status, code in (
        (post(client, READ, landscape_clip), 422, "no_face"),
        (post(client, READ, sound), 422, "no_video"),
        (post(client, READ, tmp_path / "text.mp4"), 422, "unreadable"),
        (post(client, SPEAK, tmp_path / "empty.mp4"), 422, "unreadable"),
        (post(client, SPEAK, face_clip, silent), 422, "silent_reference"),
        (post(client, READ, long), 413, "too_long"),
        (post(client, READ, face_clip, faces="0"), 400, "bad_request"),
        (post(client, READ, face_clip, response_format="docx"), 400, "bad_request"),
        (post(client, SPEAK, face_clip, text="/etc/passwd"), 400, "no_listener"),
        (client.post(READ), 400, "bad_request"),
        (client.post(READ, json={"file": "x"}), 400, "bad_request"),
        (client.post(READ, content=b"x", headers={"content-type": "multipart/form-data; boundary=y"}), 400, None),
    ):
        error = as_documented(document, response, SPEAK if SPEAK in str(response.url) else READ).json()["error"]
        assert response.status_code == status and code in (None, error["code"]), response.text
        assert str(worker.store.root) not in response.text and "\n" not in error["message"]
    assert client.get(READ).status_code == 405 and client.get("/v1/nothing").json()["error"]["code"] == "not_found"


def test_unusual_file_names_stay_in_their_folder(api, face_clip):
    client, _ = api
    for name in ("../../../../tmp/x.mp4", "..", "a\x00b\n.mp4", "ä" * 300 + ".mp4", "C:\\x\\y.mp4", "."):
        response = client.post(READ, files={"file": (name, face_clip.read_bytes())}, data={"response_format": "rttm"})
        assert response.status_code == 200, (name, response.text)


def test_too_large_requests_are_refused_before_they_are_read(api, monkeypatch):
    client, worker = api
    error = error_of(client.post(READ, content=b"", headers={"content-length": "0"}), 400)
    assert error["code"] == "bad_request"

    def endless_body():
        yield b'--y\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for _ in range(64):
            yield bytes(2**16)

    head = {"content-type": "multipart/form-data; boundary=y"}
    assert error_of(client.post(READ, content=endless_body(), headers=head), 413)["code"] == "too_large"
    assert error_of(client.post(READ, content=bytes(4 * 2**20), headers=head), 413)["code"] == "too_large"
    large = client.post(READ, files={"file": ("a.mp4", bytes(3 * 2**19))})
    assert error_of(large, 413)["code"] == "too_large" and "a.mp4" in large.text
    monkeypatch.setattr(worker.store, "room", -1)
    assert error_of(client.post(READ, files={"file": b"x"}), 507)["code"] == "no_space"


def error_of(response, status):
    assert response.status_code == status, response.text
    return response.json()["error"]


def test_concurrent_clients_get_their_own_results_and_a_full_queue_says_so(api, face_clip, tmp_path):
    client, worker = api
    other = write_video(tmp_path / "other.mp4", talking_face(30)[::-1].copy())
    alone = {video: post(client, READ, video).text for video in (face_clip, other)}
    answers = []

    def visit(video):
        answers.append((video, post(client, READ, video)))

    visits = [threading.Thread(target=visit, args=(video,)) for video in (face_clip, other) * 6]
    for visitor in visits:
        visitor.start()
    for visitor in visits:
        visitor.join(300)
    assert len(answers) == 12
    for video, response in answers:
        if response.status_code == 503:
            assert response.json()["error"]["code"] == "busy" and int(response.headers["retry-after"]) > 0
        else:
            assert response.text == alone[video], response.text
    assert sum(response.status_code == 200 for _, response in answers) >= 3
    assert 503 in {response.status_code for _, response in answers}


def test_client_that_disconnects_leaves_nothing_in_the_queue(api, face_clip, monkeypatch):
    """Its work ends, although nobody will read the response, and the next client is served."""
    client, worker = api
    begun, ended = threading.Event(), threading.Event()
    original = worker.do

    def do(job, work, *args):
        def slow(models, limits, job, wish):
            begun.set()
            try:
                for _ in range(600):
                    job.enter("reading")
                    time.sleep(0.05)
            finally:
                ended.set()

        return original(job, slow, *args)

    monkeypatch.setattr(worker, "do", do)
    body = httpx.Request("POST", client.base_url, files={"file": face_clip.read_bytes()})
    with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
        head = f"POST {READ} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {body.headers['content-type']}\r\n"
        line.sendall(f"{head}Content-Length: {body.headers['content-length']}\r\n\r\n".encode() + body.read())
        assert begun.wait(20)
    assert ended.wait(20)
    monkeypatch.undo()
    assert post(client, READ, face_clip).status_code == 200


def test_web_page_is_no_client_without_a_key(api, document):
    client, _ = api
    for headers in ({"origin": "http://elsewhere.example"}, {"host": "elsewhere.example"}, {"origin": "null"}):
        response = client.get("/v1/models", headers=headers)
        assert as_documented(document, response, "/v1/models").status_code == 403
    assert client.get("/v1/models", headers={"host": "localhost:1"}).status_code == 200


def test_keys_open_the_api(tiny_model, tiny_voice_folder, tmp_path):
    from lip2speech.web.api.app import build_api
    from lip2speech.web.api.keys import read_keys

    (tmp_path / "keys").write_text("# of the clinic\n" + "a" * 24 + "\n\n" + "b" * 24 + "\n", encoding="utf-8")
    app = build_api(Limits(), str(tiny_model), str(tiny_voice_folder), read_keys(tmp_path / "keys"))
    with serving(app) as address, httpx.Client(base_url=address) as client:
        authorizations = (
            "Bearer " + "a" * 24,
            "bearer " + "b" * 24,
            "Bearer " + "a" * 23,
            "Basic " + "a" * 24,
            "Bearer",
        )
        answers = [client.get("/v1/models", headers={"authorization": value}) for value in authorizations]
        assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 401]
        response = client.post(READ, content=bytes(2**20))
        assert error_of(response, 401)["code"] == "no_key" and response.headers["www-authenticate"] == "Bearer"
        assert client.get("/healthz").json()["status"] == "ok"
        served_document = client.get("/openapi.json").json()
        assert served_document["paths"][READ]["post"]["security"] == [{"key": []}]
        assert (
            "security" not in served_document["paths"]["/healthz"]["get"]
            and json.dumps(served_document).count("bearer") == 1
        )


def test_truncated_video_is_answered_with_a_warning(api, document, tmp_path):
    client, _ = api
    whole = write_video(tmp_path / "whole.mkv", talking_face(70), options={"g": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    transcript = as_documented(document, post(client, READ, cut), READ).json()
    (warning, *_) = transcript["warnings"]
    assert (
        warning["reason"] == "unreadable"
        and warning["message"].startswith("cut.mkv: breaks off after")
        and transcript["text"]
    )
    assert "unreadable" in post(client, READ, cut, response_format="text").headers["x-warning"]
    voiced = as_documented(document, post(client, SPEAK, cut), SPEAK)
    assert voiced.status_code == 200 and "unreadable" in voiced.headers["x-warning"]
