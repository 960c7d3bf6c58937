"""`Request`: what a callable without a batch decorator gets a list of."""

from __future__ import annotations

import contextlib
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from dataclasses import dataclass
from typing import Any

Arrays = dict[str, Any]


@dataclass
class _Named:
    """Arrays by name."""

    data: Arrays

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.data[name] = value

    def __delitem__(self, name: str) -> None:
        del self.data[name]

    def __contains__(self, name: object) -> bool:
        return name in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def keys(self) -> KeysView[str]:
        return self.data.keys()

    def items(self) -> ItemsView[str, Any]:
        return self.data.items()

    def values(self) -> ValuesView[Any]:
        return self.data.values()


@dataclass
class Request(_Named):
    """One request: its inputs by name, and the parameters and forwarded headers of its client."""

    parameters: dict[str, str | int | bool] | None = None
    span: Any | None = None
    requested_output_names: list[str] | None = None

    @contextlib.contextmanager
    def traced_span(self, span_name: str) -> Iterator[None]:
        """Measures nothing: traces are not collected from callables."""
        yield


@dataclass
class Response(_Named):
    """The outputs of one request by name."""


Requests = list[Request]
Responses = list[Response]
