"""The public modules and their names, and that documentation, plugins and new projects import no others."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docs.blocks import DOCS, ROOT, blocks

PUBLIC = {
    "pytriton_plugins": {
        "Context",
        "Host",
        "ModelCallError",
        "Request",
        "RequestError",
        "Sequence",
        "Tensor",
        "hookimpl",
        "infer_func",
    },
    "pytriton_plugins.client": {
        "AsyncClient",
        "AsyncModel",
        "Client",
        "ClientClosed",
        "ClientError",
        "DeadlineExceeded",
        "InvalidInput",
        "InvalidUrl",
        "Model",
        "ModelFailed",
        "ModelInfo",
        "ModelNotFound",
        "NotFound",
        "RequestCancelled",
        "Result",
        "TensorInfo",
        "Unavailable",
        "Unsupported",
        "WrongServer",
    },
    "pytriton_plugins.errors": {
        "AttachError",
        "CODES",
        "ConfigError",
        "ControlError",
        "DeclarationError",
        "DiscoveryError",
        "ErrorCode",
        "HookError",
        "HostError",
        "LimitError",
        "ModelCallError",
        "ProtocolError",
        "PytritonPluginsError",
        "RequestError",
        "ResultError",
        "ServerError",
        "ShmError",
    },
    "pytriton_plugins.limits": {"END_SECONDS", "MIN_DRAIN_TIMEOUT", "container_memory", "machine_memory"},
    "pytriton_plugins.models": {"ModelDeclaration", "declaration_of"},
    "pytriton_plugins.testing": {
        "RunningHost",
        "call_batch",
        "call_model",
        "call_sequence",
        "call_stream",
        "hook_manager",
        "run_host",
        "wait_until",
    },
    "pytriton_plugins.values": {
        "MAX_WAIT",
        "MIB",
        "Drain",
        "FullAction",
        "GiveUp",
        "Grow",
        "HostState",
        "HostStatus",
        "ModelConfig",
        "ModelReference",
        "ModelStatus",
        "NamedVerdict",
        "OnFull",
        "Ports",
        "Reject",
        "RequestInfo",
        "ResponseInfo",
        "Restart",
        "RestartAction",
        "ServerOptions",
        "ShmPolicy",
        "ShmUse",
        "Shortage",
        "StopHost",
        "Verdict",
        "Wait",
        "WorkerExit",
        "WorkerInfo",
    },
}
"""The public names by module: this table and ``__all__`` of each module change together."""

FOLDERS = ("plugins", "examples")
OF_PLUGINS = [path for name in FOLDERS for path in (ROOT / name).rglob("*.py") if "bundle" not in path.parts]
OF_NEW_PROJECTS = list((ROOT / "pytriton_plugins/scaffold").rglob("*.py.txt"))
SOURCES = {
    **{str(path.relative_to(ROOT)): path.read_text() for path in sorted(OF_PLUGINS + OF_NEW_PROJECTS)},
    **{f"page {block}": block.text for block in blocks("python")},
}


DROP_IN = "plugins/pytriton/src/"
"""This package is released with the framework, and follows other rules than a plugin's callables do."""

OF_DROP_IN = {
    "pytriton_plugins.host.control.client.find_hosts",
    "pytriton_plugins.model.call_rules.CallRules",
    "pytriton_plugins.model.call_settings.Settings",
    "pytriton_plugins.script.attach.attach_by_rules",
    "pytriton_plugins.script.attachment.Attachment",
    "pytriton_plugins.script.connected.ConnectedHost",
}
"""What the drop-in package uses beside the public names."""


def private_imports(source: str) -> Iterator[str]:
    """The modules and names of this package that ``source`` imports and that are not public."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_ours(alias.name) and alias.name not in PUBLIC)
        elif isinstance(node, ast.ImportFrom) and is_ours(node.module or ""):
            names = PUBLIC.get(str(node.module), set())
            modules = (f"{node.module}.{alias.name}" for alias in node.names if alias.name not in names)
            yield from (module for module in modules if module not in PUBLIC)


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == "pytriton_plugins"


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_lists_its_names(module: str) -> None:
    loaded = importlib.import_module(module)
    assert set(loaded.__all__) == PUBLIC[module]
    assert all(hasattr(loaded, name) for name in PUBLIC[module])


def test_the_page_lists_the_public_names() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| .+ \|$", (DOCS / "reference/public-api.md").read_text(), re.MULTILINE)
    assert {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows} == PUBLIC


@pytest.mark.parametrize("place", SOURCES)
def test_documentation_and_plugins_import_public_names_only(place: str) -> None:
    allowed = OF_DROP_IN if place.startswith(DROP_IN) else set()
    assert set(private_imports(SOURCES[place])) <= allowed


@pytest.mark.parametrize(
    ("source", "private"),
    [
        ("from pytriton_plugins import values\nimport pytriton_plugins.errors, numpy", []),
        ("from pytriton_plugins.values import Ports, Port", ["pytriton_plugins.values.Port"]),
        ("from pytriton_plugins.text import one_line", ["pytriton_plugins.text.one_line"]),
        ("import pytriton_plugins.hooks.manager", ["pytriton_plugins.hooks.manager"]),
        ("def f():\n    from pytriton_plugins import host", ["pytriton_plugins.host"]),
        ("from pytriton_plugins_acme import model", []),
    ],
)
def test_a_private_import_is_found(source: str, private: list[str]) -> None:
    assert list(private_imports(source)) == private


def test_the_drop_in_package_uses_all_that_it_may_use() -> None:
    used = {name for place, source in SOURCES.items() if place.startswith(DROP_IN) for name in private_imports(source)}
    assert used == OF_DROP_IN


def test_there_is_something_to_read() -> None:
    folders = {Path(place).parts[0] for place in SOURCES if not place.startswith("page ")}
    assert folders >= {"plugins", "pytriton_plugins"}
    assert any(place.startswith("page ") for place in SOURCES)
