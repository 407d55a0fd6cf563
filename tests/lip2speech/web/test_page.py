"""The page as visitors meet it: a server, clients that talk to it, and a real browser."""

import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import talking_face, write_video

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
NASTY = "{{value}} ${1+1} a.mp4"  # what templates would expand


def get(address):
    with urllib.request.urlopen(address, timeout=30) as response:
        return response.read(), response.headers


def status_of(address):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(address)
    return caught.value.code


def test_server_restricts_the_browser_to_itself(served):
    address, worker = served
    page, headers = get(address)
    assert "connect-src 'self'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"
    assert b'"analytics_enabled":false' in page.replace(b" ", b"")
    folder = worker.store.new_job()
    (folder / "inspect0.html").write_text("<p>x</p>", encoding="utf-8")
    (folder / "0.srt").write_text("1\n", encoding="utf-8")
    body, headers = get(f"{address}results/{folder.name}/inspect0.html")
    assert body == b"<p>x</p>"
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert get(f"{address}results/{folder.name}/0.srt")[0] == b"1\n"
    for path in ("results/x/0.srt", f"results/{folder.name}/1.srt", f"results/{folder.name}/..%2F..%2Fx.srt"):
        assert status_of(address + path) == 404
    for path in (folder / "0.srt", Path(__file__), "/etc/passwd"):  # gradio hands out nothing but uploads
        assert status_of(f"{address}gradio_api/file={path}") == 403
    worker.store.remove(folder)


def test_full_disk_refuses_uploads(served, monkeypatch):
    address, worker = served
    monkeypatch.setattr(worker.store, "room", -1)
    with pytest.raises(urllib.error.HTTPError, match="507"):
        urllib.request.urlopen(urllib.request.Request(f"{address}gradio_api/upload", data=b"x"), timeout=30)


def test_concurrent_clients_get_their_own_results(served, face_clip, tmp_path):
    """Two visitors at the same time: each is shown the words of its own file, and no other token."""
    from gradio_client import Client, handle_file

    address, worker = served
    other = write_video(tmp_path / "other.mp4", talking_face(30)[::-1].copy())
    answers = {}

    def visit(video):
        client = Client(address, verbose=False, download_files=False, httpx_kwargs={"timeout": 180})
        answers[video.name] = work = client.submit(
            handle_file(str(video)), None, "the lips alone", "", api_name="/read"
        )
        work.result(300)

    visits = [threading.Thread(target=visit, args=(video,)) for video in (face_clip, other)]
    for visitor in visits:
        visitor.start()
    for visitor in visits:
        visitor.join(300)
    for name, work in answers.items():
        output = str(work.outputs())
        (token,) = set(re.findall(r"results/([\w-]{22})/", output))
        assert set(re.findall(r'download="(\w+)\.', output)) == {Path(name).stem}
        record = json.loads(get(f"{address}results/{token}/0.json")[0])
        assert record["file"] == name and record["text"].split() == re.findall(r">([^<>]+)<small>", output)
    assert len(answers) == 2


@pytest.fixture
def browser(tmp_path):
    """Headless Chromium with downloads in `tmp_path`."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="the browser test needs selenium")
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("no chromium and chromedriver here to open the page in")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


def first(browser, selector, seconds=180):
    """Wait for the first element of a selector."""
    for _ in range(int(10 * seconds)):
        elements = browser.find_elements("css selector", selector)
        if elements:
            return elements[0]
        time.sleep(0.1)
    raise AssertionError(f"no {selector}: {browser.find_element('css selector', 'main').text}")


def give(browser, address, video):
    browser.get(address)
    first(browser, "#video input[type=file]").send_keys(str(video))
    first(browser, "#video video")
    browser.find_element("css selector", "#go").click()


def test_browser_uploads_plays_and_downloads(served, browser, face_clip, landscape_clip, tmp_path):
    address, worker = served
    video = tmp_path / NASTY
    shutil.copy(face_clip, video)
    give(browser, address, video)
    first(browser, ".player.voiced")
    first(browser, "#how")
    _check_players(browser)
    _check_words(browser)
    link = first(browser, ".files a[href$='/0.srt']")
    expected, _ = get(link.get_attribute("href"))
    link.click()
    # A browser creates the file before it has content.
    assert wait_for(lambda: [data for path in tmp_path.glob("*.srt") if (data := path.read_bytes())]) == [expected]
    first(browser, "#how").click()
    assert first(browser, "iframe.inspect").get_attribute("sandbox") == "allow-scripts"
    _check_silence(browser, address)
    give(browser, address, landscape_clip)
    problem = first(browser, ".status.error")
    assert [path.name for path in worker.uploads_on_pages()] and all(
        path.is_dir() for path in worker.uploads_on_pages()
    )
    assert problem.text.splitlines()[0] == "landscape.mp4: no face is seen for 12 frames (half a second)"
    assert not browser.find_elements("css selector", ".player, .files a")
    browser.get("about:blank")
    assert wait_for(lambda: not any(worker.store.jobs.iterdir())), "the results of visitors who left are still there"
    assert worker.uploads_on_pages() == set(), "the uploads of visitors who left are still kept"


def wait_for(condition, seconds=60):
    """Wait for the first true value of a condition."""
    for _ in range(10 * seconds):
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    return condition()


def _check_players(browser):
    """Both videos play, and have their subtitles."""
    script = "return [...document.querySelectorAll('.player video')].map(v => [v.error, v.duration, v.readyState > 0])"
    assert wait_for(lambda: all(ready for *_, ready in browser.execute_script(script)))
    assert [error for error, *_ in browser.execute_script(script)] == [None, None]
    assert all(duration == pytest.approx(1, abs=0.1) for _, duration, _ in browser.execute_script(script))
    tracks = "return [...document.querySelectorAll('.player video')].map(v => v.textTracks[0].mode)"
    assert browser.execute_script(tracks) == ["showing", "showing"]


def _check_words(browser):
    """Each word has the colour of its confidence; a click on one plays the voice from there."""
    words = browser.find_elements("css selector", ".words button")
    assert words, "the tiny model reads nonsense, but reads"
    shades = [int(re.search(r"--p: (\d+)", word.get_attribute("style")).group(1)) for word in words]
    edges = [word.value_of_css_property("border-bottom-color") for word in words]
    assert len(set(edges)) == len(set(shades))
    start = float(words[-1].get_attribute("data-start"))
    words[-1].click()
    script = "return document.querySelector('.player.voiced video').currentTime"
    assert wait_for(lambda: browser.execute_script(script) >= start)


def _check_silence(browser, address):
    """No request went to another host, and there were no errors."""
    hosts = browser.execute_script("return performance.getEntriesByType('resource').map(e => new URL(e.name).host)")
    assert {host for host in hosts if host} == {address.split("/")[2]}
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_example_is_the_demo_clip():
    example = Path(__file__).parents[3] / "lip2speech/web/static/example.mp4"
    assert example.read_bytes() == (Path(__file__).parents[3] / "demo/clip.mp4").read_bytes()
