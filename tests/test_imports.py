"""The layering rules, read from the sources, and the imports of a start, seen in a new Python."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytriton_plugins

PACKAGE = Path(pytriton_plugins.__file__).parent
WORKER_SIDE = (
    "__init__.py",
    "errors.py",
    "text",
    "models.py",
    "model",
    "shm",
    "worker",
    "discovery/importing.py",
    "discovery/namesakes.py",
    "discovery/resolve.py",
)
WORKER_SIDE_HEAVY = ("pytriton_plugins.hooks", "pytriton_plugins.script")
"""Imported by ``__init__`` when a hook plugin asks for ``hookimpl``, or a program for ``Host``, never otherwise."""

OBSERVE = "worker/hooks.py"
"""Imported in a worker only where a hook plugin asks for it: it may have the hooks and what they need."""

FOR_OBSERVE = ("pytriton_plugins.hooks", "pytriton_plugins.values", "pytriton_plugins.discovery.references")

NEVER_IN_THE_HOST = ("pytriton_plugins.discovery.resolve", "pytriton_plugins.worker", "importlib", "runpy")
"""Modules that could import a model plugin."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports at run time, also inside functions, without those for type checking."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the module's whole name"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)


def files(*parts: str) -> list[Path]:
    found = [
        path
        for part in parts
        for path in ([PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py"))
    ]
    return [path for path in found if path.exists()]


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def show(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


ALL = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", files(*WORKER_SIDE), ids=show)
def test_the_worker_side_needs_the_standard_library_and_numpy_only(path: Path) -> None:
    own = tuple(module_name(file) for file in files(*WORKER_SIDE) if file.name != "__init__.py")
    own += tuple(f"pytriton_plugins.{name}" for name in ("text", "shm", "worker"))
    own += WORKER_SIDE_HEAVY if path.parent == PACKAGE else ()
    own += FOR_OBSERVE if show(path) == OBSERVE else ()
    # annotationlib is the standard library's from 3.14 on.
    allowed = {*sys.stdlib_module_names, "numpy", "annotationlib"}
    allowed |= {"ml_dtypes"} if show(path) == "model/tensors.py" else set()  # where it is installed, for bfloat16 alone
    for name in imports(path):
        if name.startswith("pytriton_plugins."):
            assert within(name, own), f"{path} imports {name}, which is not part of the worker side"
        else:
            assert name.partition(".")[0] in {*allowed, "pytriton_plugins"}, f"{path} imports {name}"


@pytest.mark.parametrize("path", files("shm"), ids=show)
def test_shm_rests_on_plain_values_and_itself(path: Path) -> None:
    own = tuple(f"pytriton_plugins.{name}" for name in ("errors", "text", "model.tensors", "model.declaration", "shm"))
    assert [name for name in imports(path) if name.startswith("pytriton_plugins.") and not within(name, own)] == []


@pytest.mark.parametrize("path", files("host"), ids=show)
def test_the_host_cannot_import_a_model_plugin(path: Path) -> None:
    assert [name for name in imports(path) if within(name, NEVER_IN_THE_HOST)] == []


@pytest.mark.parametrize("path", files("cli", "hooks", "values", "config"), ids=show)
def test_the_command_line_and_hooks_cannot_import_a_model_plugin(path: Path) -> None:
    resolvers = ("pytriton_plugins.discovery.resolve", "pytriton_plugins.worker")
    assert [name for name in imports(path) if within(name, resolvers)] == []


@pytest.mark.parametrize("path", ALL, ids=show)
def test_only_entry_points_reads_metadata(path: Path) -> None:
    readers = [
        name for name in imports(path) if within(name, ("importlib_metadata", "importlib.metadata", "pkg_resources"))
    ]
    assert readers == [] or show(path) == "discovery/entry_points.py"


LAYERS = (
    *("text", "errors", "model", "models", "client", "shm", "discovery", "values", "hooks", "worker", "config", "host"),
    *("limits", "script", "scaffold", "deploy", "testing", "cli"),
)
"""Packages and modules of the root; each imports from those before it (docs/explanation/architecture.md)."""

USED_FROM_BELOW = {
    "pytriton_plugins.config.mappings": ("values",),
    "pytriton_plugins.host.triton.grpc_import": ("config",),
}
"""Helpers without imports of their own, and the earlier packages that use them."""


def layer(module: str) -> str:
    """The package or module of the root that ``module`` belongs to."""
    return module.split(".")[1]


@pytest.mark.parametrize("path", [path for path in ALL if layer(f"{module_name(path)}.") in LAYERS], ids=show)
def test_packages_import_from_those_before_them(path: Path) -> None:
    own = layer(module_name(path))
    later = {f"pytriton_plugins.{name}" for name in LAYERS[LAYERS.index(own) + 1 :]}
    above = {name for name in imports(path) if within(name, tuple(later))}
    used = {name for name, users in USED_FROM_BELOW.items() if own in users}
    assert {name for name in above if not within(name, tuple(used)) and name.rpartition(".")[0] not in used} == set()


def test_every_package_has_its_layer() -> None:
    assert {layer(module_name(path)) for path in ALL if path.parent != PACKAGE} == {
        name for name in LAYERS if (PACKAGE / name).is_dir()
    } | {"backend"}


@pytest.mark.parametrize("helper", USED_FROM_BELOW)
def test_a_helper_that_is_used_from_below_imports_nothing_of_ours(helper: str) -> None:
    (path,) = [path for path in ALL if module_name(path) == helper]
    assert [name for name in imports(path) if name.startswith("pytriton_plugins")] == []


CALLERS = {
    "pytriton_plugins.host.supervision.supervisor": "registry loader admission plugins records",
    "pytriton_plugins.host.supervision.place": "supervisor registry loader admission plugins records",
    "pytriton_plugins.host.supervision.loader": "registry admission supervisor plugins records",
    "pytriton_plugins.host.supervision.plugins": "registry admission supervisor loader",
    "pytriton_plugins.host.supervision.registry": "admission",
}
"""Modules of host/supervision that each of these must not know: they call it, directly or not."""

ABOVE_SUPERVISION = (
    "daemon",
    "startup",
    "control",
    "reloader",
    "readiness",
    "watchdog",
    "shutdown",
    "metrics_exporter",
)
"""Modules of the host that call supervision, whose only ways up are the Protocols of supervision/context.py."""


def named_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, also for type checking."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", files("host/supervision"), ids=show)
def test_calls_go_from_the_daemon_to_the_registry_to_supervisors(path: Path) -> None:
    """No module imports one that calls it, not even for type checking."""
    above = [f"pytriton_plugins.host.{name}" for name in ABOVE_SUPERVISION]
    above += [f"pytriton_plugins.host.supervision.{name}" for name in CALLERS.get(module_name(path), "").split()]
    assert [name for name in named_modules(path) if within(name, tuple(above))] == []


LOSES_CANCELLATIONS = ("asyncio.wait_for", "asyncio.timeout", "asyncio.timeout_at")
"""Before Python 3.12 the first drops a cancellation that comes together with the result; 3.10 has no others."""


@pytest.mark.parametrize("path", ALL, ids=show)
def test_a_wait_with_a_time_limit_is_our_own(path: Path) -> None:
    """`within` of host/timeouts.py."""
    used = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert {*used, *imports(path)} & {*LOSES_CANCELLATIONS} == set()


@pytest.mark.parametrize("path", ALL, ids=show)
def test_each_module_says_what_lives_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def loaded_after(statement: str) -> set[str]:
    """The packages that a new Python has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent, timeout=60
    )
    return set(done.stdout.split())


def test_an_author_module_costs_no_host_library() -> None:
    loaded = loaded_after("from pytriton_plugins import Tensor, infer_func, RequestError")
    assert loaded & {"pluggy", "attrs", "attr", "tritonclient", "grpc", "click", "rich", "importlib_metadata"} == set()


def test_the_init_is_forked_before_heavy_imports() -> None:
    loaded = loaded_after("import pytriton_plugins.cli.entry")
    assert loaded & {"numpy", "click", "attr", "attrs", "pluggy", "grpc", "asyncio"} == set()


def test_serve_imports_only_what_it_uses() -> None:
    modules = ("cli.commands.serve", "config.loading", "hooks.manager")
    loaded = loaded_after(f"import {', '.join(f'pytriton_plugins.{each}' for each in modules)}")
    assert loaded & {"rich", "tritonclient", "grpc", "asyncio", "tomllib", "importlib_metadata"} == set()


def test_the_guard_of_a_commands_output_costs_no_sockets() -> None:
    loaded = loaded_after("import pytriton_plugins.cli.output.streams")
    assert loaded & {"socket", "numpy", "click", "asyncio"} == set()


def test_the_client_loads_the_libraries_of_a_protocol_when_they_are_needed() -> None:
    heavy = {"grpc", "tritonclient", "google.protobuf", "aiohttp", "gevent"}
    assert loaded_after("from pytriton_plugins.client import AsyncClient, Client") & heavy == set()
    grpc = loaded_after("from pytriton_plugins.client import Client\nClient('grpc://localhost:1').close()")
    assert grpc & heavy == {"grpc", "tritonclient", "google.protobuf"}
    http = loaded_after("from pytriton_plugins.client import Client\nClient('http://localhost:1').close()")
    assert http & heavy == {"aiohttp"}
