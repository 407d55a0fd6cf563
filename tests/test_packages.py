"""A missing or broken package is one line that names the cause and the remedy."""

import pytest

from lip2speech.evaluation import corpus as evaluation
from lip2speech.evaluation import metrics
from vsr.core.errors import VsrError
from vsr.core.packages import required_package
from vsr.modelstore.checkpoint import load_weights


def refusal(call, *args):
    with pytest.raises(VsrError) as caught:
        call(*args)
    assert caught.value.reason == "missing_package" and len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_installed_package_is_imported():
    assert required_package("json", "a test").dumps([]) == "[]"


def test_missing_package_is_named_with_purpose_and_remedy():
    assert refusal(required_package, "nobody_has_this", "a test") == (
        "a test needs the package nobody_has_this: pip install nobody_has_this"
    )
    assert refusal(required_package, "nobody_has_this", "a test", "ask for it").endswith(": ask for it")


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (
            "libGL.so.1: cannot open shared object file: No such file or directory",
            "apt-get install libgl1, or the like",
        ),
        ("libodd.so.3: cannot open shared object file", "install the system's package with libodd.so.3"),
        ("numpy.core.multiarray failed to import", "pip install broken_package"),
    ],
)
def test_import_error_of_a_package_is_shown_with_remedy(tmp_path, monkeypatch, message, remedy):
    (tmp_path / "broken_package.py").write_text(f"raise ImportError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    assert (
        refusal(required_package, "broken_package", "a test")
        == f"a test needs the package broken_package ({message}): {remedy}"
    )


def test_library_that_does_not_load_is_not_blamed_on_the_weights(tiny_model):
    def build():
        raise OSError("libtorchaudio.so: undefined symbol")

    assert "libtorchaudio.so: undefined symbol" in refusal(load_weights, tiny_model, build)


def test_evaluation_asks_for_its_packages_before_the_work(monkeypatch):
    monkeypatch.setattr(metrics, "required_package", lambda name, *rest: required_package("nobody_has_" + name, *rest))
    assert "needs the package nobody_has_pesq" in refusal(evaluation.evaluate, [], {})
