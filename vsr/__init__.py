"""Visual speech recognition: from a silent video of a talking face to its text.

Start with `vsr.load_model().transcribe("clip.mp4")`.  Heavy modules are imported on first use, so that `import vsr`
and `vsr --help` are quick.  OpenMP, unless it is loaded already, is set not to spin; see
`vsr.core.machine.wait_passively`.
"""

from vsr.core.early_interrupt import answer_in_one_line

answer_in_one_line()  # first: what follows takes a tenth of a second

from typing import TYPE_CHECKING  # noqa: E402

from vsr import moved  # noqa: E402
from vsr.core.machine import wait_passively  # noqa: E402
from vsr.core.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from vsr.inference.reader import load_model

__all__ = ["load_model", "__version__"]
wait_passively()
moved.install()


def __getattr__(name: str):
    """Import `load_model` on first use (PEP 562)."""
    if name == "load_model":
        from vsr.inference.reader import load_model

        return load_model
    raise AttributeError(f"module 'vsr' has no attribute {name!r}")
