"""The JSON API as programs meet it: a running server, clients that talk to it, and what its OpenAPI document says."""

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


def wait_until(true, seconds=20):
    for _ in range(10 * seconds):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def post(client, path, video, reference=None, **fields):
    files = {"file": (video.name, video.read_bytes())}
    files |= {"reference": (reference.name, reference.read_bytes())} if reference else {}
    return client.post(path, files=files, data=fields)


@pytest.mark.parametrize("name", ["file", "faces"])
def test_a_field_that_is_given_twice_is_refused(api, name, landscape_clip):
    """Of two files one was read, and nobody said which."""
    client, _ = api
    files = [("file", ("a.mp4", landscape_clip.read_bytes()))]
    again = (
        [("file", ("b.mp4", landscape_clip.read_bytes()))]
        if name == "file"
        else [("faces", (None, "1")), ("faces", (None, "2"))]
    )
    answer = client.post(READ, files=[*files, *again])
    assert answer.status_code == 400 and answer.json()["error"]["message"].startswith(f"{name}: is given twice")


@pytest.mark.parametrize(
    "path, fields, said",
    [(READ, {"faces": "0"}, "faces: it can be largest"), (SPEAK, {"voice": "bob"}, "voice: it can be anonymous"),
     (READ, {"file": "clip.mp4"}, "file: it must be a file"), (SPEAK, {"reference": "a.wav"}, "reference: it must")],
)  # fmt: skip
def test_a_wrong_field_is_told_in_no_programmers_words(api, path, fields, said, landscape_clip):
    client, _ = api
    files = [] if "file" in fields else [("file", ("a.mp4", landscape_clip.read_bytes()))]
    answer = client.post(path, files=[*files, *((name, (None, value)) for name, value in fields.items())])
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["message"].startswith(said) and error["param"] == next(iter(fields))


def follows(document, answer, path):
    """Insist that an answer is one that the document announces for its route, and is made as it says."""
    announced = document["paths"][path][answer.request.method.lower()]["responses"][str(answer.status_code)]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = announced["content"][kind]["schema"]
    if kind == "application/json":
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    return answer


def form_of(document, path):
    (content,) = document["paths"][path]["post"]["requestBody"]["content"].values()
    return document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]


def test_the_text_is_that_of_the_command(api, document, face_clip):
    client, worker = api
    own = transcribe(worker.models.reader, face_clip)
    plain = follows(document, post(client, READ, face_clip), READ).json()
    assert plain == {"text": own.text, "warnings": own.warnings}
    wanted = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    full = follows(document, post(client, READ, face_clip, **wanted), READ).json()
    segments = [segment.to_json() for segment in own.segments]
    assert full["words"] == [word | {"face": one["face"]} for one in segments for word in one["words"]]
    assert [one["text"] for one in full["segments"]] == [one["text"] for one in segments]
    assert full["duration"] == pytest.approx(own.duration, abs=1e-3) and full["text"] == own.text
    assert "words" not in post(client, READ, face_clip, response_format="verbose_json").json()
    assert client.post(AUDIO, files={"file": face_clip.read_bytes()}).json() == plain


def test_every_format_of_the_document_is_answered(api, document, face_clip):
    client, worker = api
    own = transcribe(worker.models.reader, face_clip)
    for name in form_of(document, READ)["properties"]["response_format"]["enum"]:
        answer = follows(document, post(client, READ, face_clip, response_format=name, unsure="keep"), READ)
        assert answer.status_code == 200, answer.text
        writer = WRITERS.get("txt" if name == "text" else name)
        if not name.endswith("json") and name not in ("rttm", "ctm", "textgrid", "eaf"):  # these name the file
            assert answer.text == writer(own), name
    dropped = post(client, READ, face_clip, response_format="text", unsure="drop").text.split()
    sure = [word.word for segment in own.segments for word in segment.words if word.confidence >= 0.5]
    assert dropped == sure


def test_a_face_gets_its_voice_as_sound_and_in_the_video(api, document, face_clip, tmp_path):
    client, worker = api
    for name, fields in (("a.wav", {}), ("a.mp4", {"response_format": "mp4"})):
        answer = follows(document, post(client, SPEAK, face_clip, **fields), SPEAK)
        assert answer.status_code == 200, answer.text
        (tmp_path / name).write_bytes(answer.content)
    wave = speak(worker.models.voice, face_clip).wave
    assert np.abs(read_wave(tmp_path / "a.wav", 25) - wave).max() < 1e-3
    assert len(list(read_frames(tmp_path / "a.mp4"))) == len(list(read_frames(face_clip)))
    assert np.corrcoef(wave, read_wave(tmp_path / "a.mp4", 25)[: len(wave)])[0, 1] > 0.5


def test_a_voice_may_be_nobodys(api, document, face_clip, tmp_path):
    client, worker = api
    voices = ("anonymous:1", "anonymous:1", "anonymous")
    first, again, other = (post(client, SPEAK, face_clip, voice=own) for own in voices)
    assert follows(document, first, SPEAK).status_code == 200 and first.headers["X-Warning"] == "no_voice"
    assert first.content == again.content != other.content
    (tmp_path / "a.wav").write_bytes(first.content)
    own = speak(worker.models.voice, face_clip, "anonymous:1").wave
    assert np.abs(read_wave(tmp_path / "a.wav", 25) - own).max() < 1e-3
    for wrong in ("own", "anonymous:x", "/etc/passwd"):
        assert post(client, SPEAK, face_clip, voice=wrong).json()["error"]["param"] == "voice"
    both = follows(document, post(client, SPEAK, face_clip, write_sound(tmp_path / "r.mp4"), voice="anonymous"), SPEAK)
    assert both.status_code == 400 and "give one of them" in both.json()["error"]["message"]


def test_lips_at_rest_are_told(api, document, tmp_path):
    client, _ = api
    still = write_video(tmp_path / "still.mp4", talking_face(1).repeat(50, 0))
    plain = follows(document, post(client, READ, still), READ).json()
    assert plain["text"] == "" and [own["reason"] for own in plain["warnings"]] == ["at_rest"]
    assert post(client, READ, still, response_format="srt").headers["X-Warning"] == "at_rest"
    assert follows(document, post(client, SPEAK, still), SPEAK).headers["X-Warning"] == "at_rest"


def test_the_document_names_every_route_and_every_field(api, document, face_clip):
    client, _ = api
    assert set(document["paths"]) == {READ, AUDIO, SPEAK, "/v1/models", "/healthz"}
    assert form_of(document, AUDIO) == form_of(document, READ)
    for path in ("/v1/models", "/healthz"):
        assert follows(document, client.get(path), path).status_code == 200
    known = {
        READ: {"file", "model", "faces", "response_format", "timestamp_granularities[]", "unsure"},
        SPEAK: {"file", "model", "faces", "response_format", "reference", "voice", "text"},
    }
    for path, names in known.items():
        assert set(form_of(document, path)["properties"]) == names
        refused = follows(document, post(client, path, face_clip, temperature="0"), path)
        assert refused.status_code == 400 and refused.json()["error"]["param"] == "temperature"
        for name in names - {"file"}:
            wrong = client.post(path, files={"file": face_clip.read_bytes()}, data={name: "§"})
            assert wrong.status_code in (400, 404), name


def test_the_examples_of_the_page_work(api, tmp_path, monkeypatch):
    """The client in Python, and every line of curl, as `docs/serving.md` has them."""
    client, _ = api
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    page = page.replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").symlink_to(write_video(tmp_path / "face.mp4", talking_face(25)))
    (code,) = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(compile(code, "serving.md", "exec"), names)
    assert names["words"] and (tmp_path / "voice.wav").read_bytes()[:4] == b"RIFF"
    lines = re.findall(r"^curl .*", page.replace("\\\n", " "), re.MULTILINE)
    assert len(lines) >= 4
    for line in lines if shutil.which("curl") else ():
        answer = subprocess.run(shlex.split(line, comments=True), capture_output=True, text=True, check=True).stdout
        assert '"error"' not in answer, answer
    assert not shutil.which("curl") or (tmp_path / "voiced.mp4").stat().st_size > 1000


def test_models_are_served_by_their_names_alone(api, face_clip):
    client, _ = api
    each = {one["kind"]: one for one in client.get("/v1/models").json()["data"]}
    for kind, path in (("reader", READ), ("voice", SPEAK)):
        assert each[kind]["endpoint"] == path
        assert post(client, path, face_clip, model=each[kind]["id"]).status_code == 200
    refused = post(client, READ, face_clip, model="whisper-1")
    assert refused.status_code == 404 and each["reader"]["id"] in refused.json()["error"]["message"]


def test_what_cannot_be_done_is_said_with_a_status(api, document, face_clip, landscape_clip, tmp_path):
    client, worker = api
    long = write_video(tmp_path / "long.mp4", np.zeros((90, 64, 64, 3), np.uint8))
    sound, silent = write_sound(tmp_path / "sound.mp4"), write_sound(tmp_path / "silent.mp4", 1.5)
    (tmp_path / "text.mp4").write_text("not a video", encoding="utf-8")
    (tmp_path / "empty.mp4").touch()
    for answer, status, code in (
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
        error = follows(document, answer, SPEAK if SPEAK in str(answer.url) else READ).json()["error"]
        assert answer.status_code == status and code in (None, error["code"]), answer.text
        assert str(worker.store.root) not in answer.text and "\n" not in error["message"]
    assert client.get(READ).status_code == 405 and client.get("/v1/nothing").json()["error"]["code"] == "not_found"


def test_nasty_names_stay_in_their_folder(api, face_clip):
    client, _ = api
    for name in ("../../../../tmp/x.mp4", "..", "a\x00b\n.mp4", "ä" * 300 + ".mp4", "C:\\x\\y.mp4", "."):
        answer = client.post(READ, files={"file": (name, face_clip.read_bytes())}, data={"response_format": "rttm"})
        assert answer.status_code == 200, (name, answer.text)


def test_too_much_is_refused_before_it_is_read(api, monkeypatch):
    client, worker = api
    huge = follows_status(client.post(READ, content=b"", headers={"content-length": "0"}), 400)
    assert huge["code"] == "bad_request"

    def drops():
        yield b'--y\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for _ in range(64):
            yield bytes(2**16)

    head = {"content-type": "multipart/form-data; boundary=y"}
    assert follows_status(client.post(READ, content=drops(), headers=head), 413)["code"] == "too_large"
    assert follows_status(client.post(READ, content=bytes(4 * 2**20), headers=head), 413)["code"] == "too_large"
    large = client.post(READ, files={"file": ("a.mp4", bytes(3 * 2**19))})
    assert follows_status(large, 413)["code"] == "too_large" and "a.mp4" in large.text
    monkeypatch.setattr(worker.store, "room", -1)
    assert follows_status(client.post(READ, files={"file": b"x"}), 507)["code"] == "no_space"


def follows_status(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_clients_at_once_get_their_own_and_a_full_line_says_so(api, face_clip, tmp_path):
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
    for video, answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["code"] == "busy" and int(answer.headers["retry-after"]) > 0
        else:
            assert answer.text == alone[video], answer.text
    assert sum(answer.status_code == 200 for _, answer in answers) >= 3
    assert 503 in {answer.status_code for _, answer in answers}


def test_a_client_that_goes_leaves_nothing_in_the_line(api, face_clip, monkeypatch):
    """Its work ends, although nobody will read the answer, and the next client is served."""
    client, worker = api
    begun, ended = threading.Event(), threading.Event()
    own = worker.do

    def do(job, work, *args):
        def slow(models, limits, job, wish):
            begun.set()
            try:
                for _ in range(600):
                    job.enter("reading")
                    time.sleep(0.05)
            finally:
                ended.set()

        return own(job, slow, *args)

    monkeypatch.setattr(worker, "do", do)
    body = httpx.Request("POST", client.base_url, files={"file": face_clip.read_bytes()})
    with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
        head = f"POST {READ} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {body.headers['content-type']}\r\n"
        line.sendall(f"{head}Content-Length: {body.headers['content-length']}\r\n\r\n".encode() + body.read())
        assert begun.wait(20)
    assert ended.wait(20)
    monkeypatch.undo()
    assert post(client, READ, face_clip).status_code == 200


def test_a_page_of_a_browser_is_no_client_without_a_key(api, document):
    client, _ = api
    for headers in ({"origin": "http://elsewhere.example"}, {"host": "elsewhere.example"}, {"origin": "null"}):
        answer = client.get("/v1/models", headers=headers)
        assert follows(document, answer, "/v1/models").status_code == 403
    assert client.get("/v1/models", headers={"host": "localhost:1"}).status_code == 200


def test_keys_open_the_api_and_nothing_else_does(tiny_model, tiny_voice_folder, tmp_path):
    from lip2speech.web.api.app import build_api
    from lip2speech.web.api.keys import read_keys

    (tmp_path / "keys").write_text("# of the clinic\n" + "a" * 24 + "\n\n" + "b" * 24 + "\n", encoding="utf-8")
    app = build_api(Limits(), str(tiny_model), str(tiny_voice_folder), read_keys(tmp_path / "keys"))
    with serving(app) as address, httpx.Client(base_url=address) as client:
        given = ("Bearer " + "a" * 24, "bearer " + "b" * 24, "Bearer " + "a" * 23, "Basic " + "a" * 24, "Bearer")
        answers = [client.get("/v1/models", headers={"authorization": each}) for each in given]
        assert [answer.status_code for answer in answers] == [200, 200, 401, 401, 401]
        refused = client.post(READ, content=bytes(2**20))
        assert follows_status(refused, 401)["code"] == "no_key" and refused.headers["www-authenticate"] == "Bearer"
        assert client.get("/healthz").json()["status"] == "ok"
        stated = client.get("/openapi.json").json()
        assert stated["paths"][READ]["post"]["security"] == [{"key": []}]
        assert "security" not in stated["paths"]["/healthz"]["get"] and json.dumps(stated).count("bearer") == 1


def test_of_a_film_that_breaks_off_what_could_be_read_is_answered(api, document, tmp_path):
    client, _ = api
    whole = write_video(tmp_path / "whole.mkv", talking_face(70), options={"g": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    read = follows(document, post(client, READ, cut), READ).json()
    (warning, *_) = read["warnings"]
    assert (
        warning["reason"] == "unreadable"
        and warning["message"].startswith("cut.mkv: breaks off after")
        and read["text"]
    )
    assert "unreadable" in post(client, READ, cut, response_format="text").headers["x-warning"]
    spoken = follows(document, post(client, SPEAK, cut), SPEAK)
    assert spoken.status_code == 200 and "unreadable" in spoken.headers["x-warning"]
