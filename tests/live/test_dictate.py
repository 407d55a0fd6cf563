"""Dictation: stable words are written and never taken back; commands get each line; Enter opens and closes."""

import io
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import talking_face, write_video
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.inference.live.dictation import Dictation
from vsr.inference.live.session import Caption
from vsr.inference.live.typing import Typist
from vsr.output.transcript import TimedWord

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"
COPY = "import sys; open('said.txt', 'a').write(sys.stdin.read())"


def words(text):
    """Words of a text; a question mark makes one unsure."""
    return tuple(TimedWord(word.strip("?"), 0.0, 1.0, 0.2 if "?" in word else 0.9) for word in text.split())


def captions(*lines):
    """Captions that grow word by word to each line, whose last is final."""
    for line in lines:
        for count in range(len(words(line)) + 1):
            yield Caption(words(line)[:count], words("maybe"), False, 0)
        yield Caption(words(line), (), True, 0)


def test_stable_words_are_written_once_and_at_once(capsys):
    dictation, seen = Dictation(), []
    for caption in captions("bin blue now", "", "set red"):
        seen.append(caption)
        dictation_of_prefix = Dictation()
        dictation_of_prefix.follow(seen)
        written = capsys.readouterr().out
        assert "maybe" not in written and "bin blue now\nset red\n".startswith(written)
        standing = " ".join(word.word for word in caption.standing)
        assert caption.final or written.endswith(standing)
    dictation.follow(seen)
    assert capsys.readouterr().out == "bin blue now\nset red\n" and dictation.lines == ["bin blue now", "set red"]


@pytest.mark.parametrize(
    "unsure, text", [("mark", "[...] blue [...] now"), ("drop", "blue now"), ("keep", "bin blue at x now")]
)
def test_unsure_words_are_marked_dropped_or_kept(unsure, text, capsys):
    Dictation(unsure=unsure).follow(captions("bin? blue at? x? now"))
    assert capsys.readouterr().out == f"{text}\n"


def test_commands_get_each_line_and_a_filter_replaces_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    upper = f"{sys.executable} -c 'import sys; print(sys.stdin.read().upper())'"
    Dictation(f'{sys.executable} -c "{COPY}"', upper).follow(captions("bin blue", "a;rm -rf $HOME"))
    assert capsys.readouterr().out == "BIN BLUE\nA;RM -RF $HOME\n"
    assert Path("said.txt").read_text("utf-8") == "BIN BLUE\nA;RM -RF $HOME\n"


@pytest.mark.parametrize(
    "command, message",
    [("/no/such/program", "No such file"), (f"{sys.executable} -c 'raise SystemExit(3)'", "exit status 3")],
)
def test_failing_command_is_named(command, message):
    with pytest.raises(VsrError, match=message) as caught:
        Dictation(command).follow(captions("bin"))
    assert caught.value.reason == "command_failed" and "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["", "'open"])
def test_impossible_command_is_refused_before_the_work(command, capsys):
    assert main(["dictate", str(CLIP), "--command", command]) == 2
    assert "--command" in capsys.readouterr().err


class Controller:
    """In place of pynput's."""

    typed: list[str] = []

    def type(self, text):
        if "#" in text:
            raise ValueError("no key")
        self.typed.append(text)


@pytest.fixture
def keyboard(monkeypatch):
    """The typed words."""
    module = ModuleType("pynput.keyboard")
    module.Controller = Controller
    monkeypatch.setitem(sys.modules, "pynput", ModuleType("pynput"))
    monkeypatch.setitem(sys.modules, "pynput.keyboard", module)
    monkeypatch.setattr(Controller, "typed", [])
    return Controller.typed


def test_words_are_typed_at_the_cursor(keyboard, capsys):
    assert main(["dictate", str(CLIP), "--type"]) == 0
    assert "blue" in "".join(keyboard) and "".join(keyboard).endswith("\n") and not capsys.readouterr().out


def test_missing_keys_and_package_are_one_line(keyboard, monkeypatch, capsys):
    with pytest.raises(VsrError, match="'#' cannot be typed: no key"):
        Typist().type("#")
    monkeypatch.setitem(sys.modules, "pynput.keyboard", None)
    assert main(["dictate", str(CLIP), "--type"]) == 1
    assert "--type needs the package pynput" in capsys.readouterr().err


def test_window_system_that_takes_no_keys_is_named(keyboard, monkeypatch):
    def refuse():
        raise RuntimeError("no display\nhere")

    monkeypatch.setattr(sys.modules["pynput.keyboard"], "Controller", refuse)
    with pytest.raises(VsrError, match=r"nothing can be typed here: .* \(no display here\)") as caught:
        Typist()
    assert caught.value.reason == "no_keyboard"


def test_file_is_dictated(capsys):
    assert main(["dictate", str(CLIP)]) == 0
    assert "blue" in capsys.readouterr().out


class Hand:
    """Presses Enter, again once the source is open, then ends standard input."""

    def __init__(self):
        self.opened, self.ended, self.presses = threading.Event(), threading.Event(), 0

    def readline(self):
        self.presses += 1
        if self.presses == 1:
            return "\n"
        if self.presses == 2:
            self.opened.wait(60)
            return "\n"
        self.ended.wait(60)
        return ""


def test_enter_opens_and_closes_the_source(monkeypatch, tiny_model, capsys):
    """The source has no end of its own: the second Enter ends the session, and the third line the program."""
    from vsr.inference.live import source

    keys, closed = Hand(), []

    def endless(name):
        images = talking_face(4, 64)
        try:
            for count in range(10**9):
                if count == 30:
                    keys.opened.set()
                yield images[count % 4], count / 25
        finally:
            closed.append(name)
            keys.ended.set()

    monkeypatch.setattr(source, "open_source", endless)
    monkeypatch.setattr(sys, "stdin", keys)
    assert main(["dictate", "0", "--push", "--model", str(tiny_model)]) == 0
    assert "Enter: listen" in capsys.readouterr().err and keys.presses == 3


def test_push_and_standard_input_do_not_go_together(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["dictate", "-", "--push"]) == 2
    assert "--push" in capsys.readouterr().err


def test_source_without_a_face_writes_nothing(tmp_path, tiny_model, capsys):
    video = write_video(tmp_path / "grey.mp4", talking_face(20)[:, :64, :64])
    main(["dictate", str(video), "--model", str(tiny_model)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verb", ["dictate", "live"])
def test_source_that_gives_no_frame_says_why_and_nothing_of_faces(verb, tmp_path, tiny_model, capsys):
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert main([verb, str(tmp_path / "empty.mp4"), "--model", str(tiny_model)]) == 1
    error = capsys.readouterr().err
    assert "the file is empty" in error and "no face" not in error
