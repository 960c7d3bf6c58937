"""The module with the keywords of `Host`, written from the settings: their types for type checkers."""

from __future__ import annotations

import ast
import inspect

HEAD = '''"""The keywords of `Host`, for type checkers. Written by docs/generate.py from config/settings.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from pytriton_plugins.values import OnFull


class HostKeywords(TypedDict, total=False):
    """The settings of `pytriton-host serve`; sizes are bytes or text as ``16MiB``, times seconds or ``500ms``."""

'''


def keywords_module() -> str:
    """The text of pytriton_plugins/script/keywords.py."""
    from pytriton_plugins.config.settings import DaemonSettings
    from pytriton_plugins.script.options import KEYWORDS

    (node,) = ast.parse(inspect.getsource(DaemonSettings)).body
    assert isinstance(node, ast.ClassDef)
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    types = {each.target.id: ast.unparse(each.annotation) for each in fields if isinstance(each.target, ast.Name)}
    return HEAD + "".join(f"    {name}: {_accepted(name, types[name])}\n" for name in KEYWORDS)


def _accepted(name: str, kind: str) -> str:
    """The type of the keyword: a value of the setting's own type ``kind``, and the text that stands for one."""
    from pytriton_plugins.config import readers
    from pytriton_plugins.script.options import KEYWORDS

    setting = KEYWORDS[name]
    if setting.parse is readers.parse_server_options:
        return "Mapping[str, object] | Sequence[str]"
    if setting.parse is readers.parse_paths:
        return "Path | str | Sequence[Path | str]"
    if setting.repeated:
        return "str | Sequence[str]"
    base, _, optional = kind.partition(" | ")
    accepted = [base]
    if base == "Path" or setting.parse in (readers.parse_size, readers.parse_seconds, readers.parse_wait):
        accepted.append("str")
    return " | ".join([*accepted, *([optional] if optional else [])])
