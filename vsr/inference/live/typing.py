"""Type text at the cursor of the active program, by pynput."""

from __future__ import annotations

from vsr.core.errors import VsrError, one_line
from vsr.core.packages import required_package


class Typist:
    """Types text like a keyboard.

    Raises VsrError missing_package; no_keyboard without a window system that accepts keys from programs.
    """

    def __init__(self):
        try:
            keyboard = required_package("pynput.keyboard", "--type", "pip install pynput")
            self._keys = keyboard.Controller()
        except VsrError as error:
            if "pynput" in str(getattr(error.__cause__, "name", "")):
                raise
            raise _no_keyboard(error.__cause__ or error) from error
        except Exception as error:  # pynput's backends raise what their window systems raise
            raise _no_keyboard(error) from error

    def type(self, text: str) -> None:
        """Type text. Raises VsrError no_keyboard for a character that cannot be typed."""
        try:
            self._keys.type(text)
        except Exception as error:
            raise VsrError("no_keyboard", f"'{text.strip()}' cannot be typed: {one_line(error)}") from error


def _no_keyboard(error: BaseException) -> VsrError:
    problem = "nothing can be typed here: is there a window system, and may this program type into it?"
    return VsrError("no_keyboard", f"{problem} ({one_line(error)})")
