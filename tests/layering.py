"""The import graph of a tree, from its syntax trees, and its faults: cycles, and imports of a higher layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# Lowest first: a layer imports itself and those before it, also inside functions and for type checkers.
LAYERS = {
    "vsr": (
        "core", "text", "media", "face", "data", "corpora", "models", "objectives", "modelstore", "decoding",
        "evaluation", "training", "output", "inference", "report", "cli",
    ),
    "lip2speech": (
        "conditions", "features", "models", "vocoders", "inference", "training", "evaluation", "av_sync", "web", "cli",
    ),
}  # fmt: skip
TOP = ("moved",)  # modules directly in a package, above its layers


def modules_of(root: Path, packages=tuple(LAYERS)) -> dict[str, Path]:
    """Dotted name -> file of every module of the packages under ``root``."""
    modules = {}
    for file in (file for package in packages for file in sorted((root / package).rglob("*.py"))):
        parts = file.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return modules


def imports_of(tree: ast.AST, lazy: bool = False, typing: bool = False) -> Iterator[tuple[str, str]]:
    """(dotted name, "top", "lazy" or "typing") of all that a file imports, at whatever depth."""
    for node in ast.iter_child_nodes(tree):
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        checked = typing or isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        how = "typing" if checked else "lazy" if inside else "top"
        if isinstance(node, ast.Import):
            yield from ((alias.name, how) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", how) for alias in node.names)
        yield from imports_of(node, inside, checked)


def graph_of(root: Path, packages=tuple(LAYERS)) -> dict[str, dict[str, str]]:
    """Module -> {module of the tree that it imports: how}."""
    modules = modules_of(root, packages)
    graph: dict[str, dict[str, str]] = {}
    for name, file in modules.items():
        graph[name] = {}
        for target, how in imports_of(ast.parse(file.read_text(encoding="utf-8"))):
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target and target != name:
                graph[name].setdefault(target, how)
    return graph


def circles(graph: dict[str, dict[str, str]]) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            groups.extend([sorted(group)] if len(group) > 1 else [])

    for name in graph:
        if name not in index:
            visit(name)
    return groups


def faults(graph: dict[str, dict[str, str]], layers=LAYERS, top=TOP) -> Iterator[str]:
    """A line for each import of a higher layer, or of lip2speech by vsr, and each module that is in no layer."""
    for name, targets in graph.items():
        package, _, rest = name.partition(".")
        layer = rest.partition(".")[0]
        if layer and layer not in (*layers[package], *top):
            yield f"{name} is in no layer"
            continue
        for target, how in targets.items():
            target_package, _, rest = target.partition(".")
            target_layer = rest.partition(".")[0]
            if list(layers).index(target_package) > list(layers).index(package):
                yield f"{name} imports {target} ({how}): {package} never imports {target_package}"
            elif (
                target_package == package
                and {layer, target_layer} <= set(layers[package])
                and is_higher(layers[package], target_layer, layer)
            ):
                yield f"{name} imports {target} ({how}), which is higher"


def is_higher(layers, first: str, second: str) -> bool:
    """Whether the layer ``first`` is above ``second``."""
    return layers.index(first) > layers.index(second)
