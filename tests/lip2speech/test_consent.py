"""No voice is cloned without consent, which is asked for once."""

import io
import json

import pytest

from lip2speech.cli import main
from lip2speech.cli.consent import check_consent, consent_file, has_consented, remind_of_consent
from lip2speech.inference.consent_statement import STATEMENT
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.media.audio import write_wave


@pytest.fixture(autouse=True)
def without_consent(consented):
    consent_file().unlink()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_consent_is_asked_for_once(monkeypatch, capsys):
    with pytest.raises(VsrError, match="--consent") as caught:
        check_consent(False, "--reference")
    assert caught.value.reason == "no_consent" and STATEMENT in str(caught.value) and not has_consented()
    check_consent(True, "--reference")
    check_consent(False, "--reference")
    assert json.loads(consent_file().read_text("utf-8"))["statement"] == STATEMENT


@pytest.mark.parametrize(
    ("answer", "agrees"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_terminal_is_asked(monkeypatch, answer, agrees):
    screen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", screen)
    if agrees:
        check_consent(False, "--reference")
    else:
        with pytest.raises(VsrError):
            check_consent(False, "--reference")
    assert STATEMENT in screen.getvalue() and has_consented() == agrees


@pytest.mark.parametrize("content", ["", "[]", "{", '{"statement": "anything goes"}'])
def test_other_statement_or_damaged_file_is_no_consent(content):
    consent_file().write_text(content, "utf-8")
    assert not has_consented()
    check_consent(True, "--reference")
    assert has_consented()


def test_consent_that_cannot_be_stored_counts_once(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    check_consent(True, "--reference")
    assert not has_consented() and "will be asked for again" in capsys.readouterr().err


def test_dub_needs_consent(tiny_voice_folder, tmp_path, capsys):
    video, script = write_video(tmp_path / "face.mp4", talking_face(25)), tmp_path / "s.txt"
    script.write_text("bin", "utf-8")
    command = ["dub", video, "--script", script, "-o", tmp_path / "out.wav", "--model", tiny_voice_folder]
    assert main(list(map(str, command))) == 1
    assert "needs consent" in capsys.readouterr().err and not list(tmp_path.glob("out*"))


def test_speak_reminds_of_consent_until_it_is_given(tiny_voice_folder, tmp_path, capsys, voice_like):
    video = write_video(tmp_path / "face.mp4", talking_face(25))
    write_wave(tmp_path / "someone.wav", voice_like)
    command = ["speak", str(video), "-o", str(tmp_path / "a.wav"), "--model", str(tiny_voice_folder)]
    reference = ["--reference", str(tmp_path / "someone.wav")]
    assert main(command) == 0 and "agreed" not in capsys.readouterr().err
    for options, reminders in (([], 1), (["--consent"], 0), ([], 0)):
        assert main([*command, *reference, *options]) == 0
        assert capsys.readouterr().err.count("only for a person who has agreed") == reminders


def test_refusal_at_the_terminal_stops_a_clone(monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    monkeypatch.setattr("sys.stderr", Terminal())
    with pytest.raises(VsrError, match="needs consent"):
        remind_of_consent(False, "--reference")


@pytest.mark.parametrize("verb", ["speak", "live", "inspect"])
def test_consent_to_nobody_s_voice_is_refused(verb, tmp_path, capsys):
    assert main([verb, "clip.mp4", "-o", str(tmp_path / "out.wav"), "--consent"]) == 2
    where = "--reference or --fill" if verb == "speak" else "--reference"
    assert f"--consent works only with {where}: leave it out" in capsys.readouterr().err
