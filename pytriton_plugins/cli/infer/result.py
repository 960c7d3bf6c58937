"""The response of a server, as a table or as JSON."""

from __future__ import annotations

import base64
import math
from typing import Any

from pytriton_plugins.cli.infer.client import Output, Result
from pytriton_plugins.cli.output.tables import print_table
from pytriton_plugins.text import one_line

MAX_VALUES = 16
MAX_CHARACTERS = 200


def print_result(result: Result) -> None:
    """A row for each output: name, dtype, shape and its first values."""
    rows = [
        (item.name, item.datatype, "[" + ", ".join(map(str, item.shape)) + "]", shown(item)) for item in result.outputs
    ]
    print_table(("output", "dtype", "shape", "values"), rows)


def shown(output: Output) -> str:
    """The first values on one line, with the number of the others."""
    if output.array is None:
        return "(cannot be shown)"
    flat = output.array.reshape(-1)
    texts = [one_line(_text(value), MAX_CHARACTERS) for value in flat[:MAX_VALUES].tolist()]
    rest = flat.size - len(texts)
    return ", ".join(texts) + (f", … ({rest} more)" if rest else "")


def to_json(result: Result) -> dict[str, Any]:
    """The whole response: nested lists of values; bytes that are not UTF-8 as ``{"base64": …}``, NaN as text."""
    outputs = {
        item.name: {
            "dtype": item.datatype,
            "shape": list(item.shape),
            "values": None if item.array is None else _plain(item.array.tolist()),
        }
        for item in result.outputs
    }
    return {"schema": 1, "model": result.model, "version": result.version, "outputs": outputs}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
