"""Imports of the programs beside the packages (tools, recipes) exist."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted([*ROOT.glob("tools/bench/*.py"), *ROOT.glob("tools/parallel/*.py"), *ROOT.glob("egs/*/*/local/*.py")])
STEMS = {program.stem for program in PROGRAMS}  # some programs import from another recipe


def names_in(path: Path) -> set[str]:
    """Names that a module defines or imports at its top level."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}
        names |= {alias.asname or alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)}
        names |= {node.name} if hasattr(node, "name") else set()
    return names


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imported_names_of_neighbouring_modules_exist(program):
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        module = program.parent / f"{node.module}.py" if isinstance(node, ast.ImportFrom) and node.module else None
        if module and module.is_file():
            missing = {alias.name for alias in node.names} - names_in(module)
            assert not missing, f"{program.name} imports {missing} from {module.name}"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imported_modules_exist(program):
    for node in ast.parse(program.read_text(encoding="utf-8")).body:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for first in {module.partition(".")[0] for module in modules}:
            assert first in STEMS or find_spec(first), f"{program.name} imports {first}"


def test_programs_are_found():
    assert len(PROGRAMS) > 80 and "recode" in names_in(ROOT / "tools/bench/poor_frames.py")
    assert "POOR" in names_in(ROOT / "tools/bench/poor_frames.py"), "annotated assignments, too"
