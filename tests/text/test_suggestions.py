"""The suggestion for an unknown name."""

from __future__ import annotations

import pytest

from pytriton_plugins.text.suggestions import suggestion


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("--prot", ["--host", "--grpc-port", "--http-port"], "; did you mean --grpc-port or --http-port?"),
        ("--prot", ["--host", "--protocol"], "; did you mean --protocol?"),
        ("--plugins", ["--plugin", "--plugins-dir"], "; did you mean --plugin?"),
        ("--timeout", ["--a-timeout", "--b-timeout", "--c-timeout"], "; did you mean --a-timeout, --b-timeout or --c-"),
        ("http-port", ["http_port", "grpc_port"], "; did you mean http_port?"),
        (
            "max_queue_delay",
            ["max_queue_size", "max_queue_delay_microseconds"],
            "; did you mean max_queue_delay_micros",
        ),
        ("scael", ["scale", "scope"], "; did you mean scale?"),
        ("bret", ["bert", "resnet"], "; did you mean bert?"),
        ("number_of_workers", ["threads", "workers"], "; did you mean workers?"),
        ("depth", ["weights", "scale"], ""),
        ("b", ["bert"], ""),
        ("x", [], ""),
    ],
)
def test_the_meant_name_is_suggested(name: str, known: list[str], expected: str) -> None:
    assert suggestion(name, known).startswith(expected)
    assert bool(suggestion(name, known)) == bool(expected)
