"""Values refuse invalid fields; authors of hook plugins read these messages."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from pytriton_plugins.values import Ports, ShmPolicy, Verdict


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Ports(70000, 1, 2), "http is 70000"),
        (lambda: Ports(1, True, 2), "grpc is True"),
        (lambda: ShmPolicy(initial=0), "0 < initial <= max"),
        (lambda: ShmPolicy(initial=2, max=1), "0 < initial <= max"),
        (lambda: ShmPolicy(growth=0.5), "growth must be at least 1"),
        (lambda: ShmPolicy(on_full="burst"), "write 'reject' or 'wait'"),  # type: ignore[arg-type]
        (lambda: Verdict("no"), "write Verdict"),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_cannot_be_is_refused(make: Callable[[], object], expected: str) -> None:
    with pytest.raises((ValueError, TypeError), match=expected):
        make()


def test_values_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Ports(1, 2, 3).http = 4  # type: ignore[misc]
