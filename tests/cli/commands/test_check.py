"""`check` on a file and a configuration: the memory that it reports, and the mistakes that it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

MODEL = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
def small(x):
    return x

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], workers=3)
def large(x):
    return x
"""
ANY_PORTS = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")


@pytest.fixture
def memory(called: Called, tmp_path: Path) -> Callable[[str], str]:
    """Calls `check` for two models with a configuration file; returns its line on memory."""

    def check(configuration: str) -> str:
        (tmp_path / "model.py").write_text(MODEL)
        (tmp_path / "pytriton-host.toml").write_text(configuration)
        (line,) = [line for line in called("check", "model.py", *ANY_PORTS).out.splitlines() if "memory: " in line]
        return line

    return check


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ("", "ok   memory: 32.0 MiB of shared memory for 2 models at start"),
        ('[models.small.shm]\ninitial = "64MiB"\n', "ok   memory: 80.0 MiB of shared memory for 2 models at start"),
        ("[models.large]\nenabled = false\n", "ok   memory: 16.0 MiB of shared memory for 1 model at start"),
        # Each worker has at least 64 KiB in either direction.
        ('[models.large.shm]\ninitial = "64KiB"\n', "ok   memory: 16.4 MiB of shared memory for 2 models at start"),
        ('[shm]\ntotal = "31MiB"\n', "bad  memory: 32.0 MiB of shared memory for 2 models at start"),
        ('[models.small.shm]\ninitial = "9TiB"\nmax = "9TiB"\n', "bad  memory: 9437200.0 MiB of shared memory"),
    ],
)
def test_memory_counts_what_each_model_gets(memory: Callable[[str], str], configuration: str, expected: str) -> None:
    assert memory(configuration).startswith(expected)


CLASS = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
class Scaled:
    def __init__(self, weights, scale=1):
        raise RuntimeError("not for check")

    def __call__(self, x):
        return x

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())])
def plain(x):
    return x
"""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("[models.Scaled.settings]\nweights = 'w'\n", ""),
        ("", "[models.Scaled.settings]: __init__ of Scaled needs weights; set it there"),
        (
            "[models.Scaled.settings]\nweights = 'w'\nscael = 2\n",
            "[models.Scaled.settings]: unknown setting scael of Scaled.__init__; did you mean scale?",
        ),
        (
            "[models.Scaled.settings]\nweights = 'w'\ndepth = 2\n",
            "[models.Scaled.settings]: unknown setting depth of Scaled.__init__; known settings: weights, scale",
        ),
        (
            "[models.Scaled.settings]\nweights = 'w'\n[models.plain.settings]\na = 1\n",
            "[models.plain.settings]: the model is a function, which takes no settings; "
            "remove the table or mark a class",
        ),
    ],
)
def test_settings_that_do_not_fit_are_found_before_anything_is_served(
    called: Called, tmp_path: Path, settings: str, expected: str
) -> None:
    (tmp_path / "model.py").write_text(CLASS)
    (tmp_path / "pytriton-host.toml").write_text(settings)
    ran = called("check", "model.py", *ANY_PORTS)
    (line,) = [line for line in ran.out.splitlines() if "model.py" in line]
    assert (ran.code, line[:3]) == ((1, "bad") if expected else (0, "ok "))
    assert line.endswith(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "ok   drain: delay 0 + timeout 30 + 3 s to end everything, no grace period is set"),
        (
            ("--drain-delay=5", "--grace-period=30"),
            "ok   drain: delay 5 + timeout 20 + 3 s to end everything, within a grace period of 30 s",
        ),
        (
            ("--grace-period=3",),
            "bad  drain: grace-period (3 s) is less than a stop may take: drain-delay 0 + drain-timeout 1 + 3 s to end "
            "everything = 4 s; raise --grace-period, or lower drain-delay or drain-timeout",
        ),
    ],
)
def test_a_stop_within_its_time(called: Called, tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    assert expected in called("check", "model.py", *ANY_PORTS, *options).out.splitlines()


@pytest.mark.parametrize("command", ["check", "serve"])
def test_every_mistake_of_the_configuration_is_told_before_the_start(
    called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "pytriton-host.toml").write_text("http_prt = 1\n[models.a.triton_config]\nno_such_key = 1\n")
    monkeypatch.setenv("PYTRITON_HOST_WORKERS", "many")
    options = ("--drain-timeout=soon", "--server-option=http-port=1", "--server-option=grpc-port=1")
    ran = called(command, "model.py", *options)
    assert (ran.code, ran.out) == (2, "")
    file = f"{tmp_path / 'pytriton-host.toml'}: "
    assert [line.partition("; ")[0] for line in ran.err.splitlines()] == [
        f"pytriton-host: {file}unknown key http_prt",
        f"pytriton-host: {file}models.a: triton_config: unknown key no_such_key",
        "pytriton-host: PYTRITON_HOST_WORKERS: invalid number of workers 'many': expected 1 to 1024",
        "pytriton-host: --drain-timeout: invalid duration 'soon': expected seconds such as 20, or 500ms, 2m",
        "pytriton-host: --server-option http-port: pytriton-host sets this itself",
        "pytriton-host: --server-option grpc-port: pytriton-host sets this itself",
    ]


def test_a_configuration_that_triton_would_not_take(called: Called, tmp_path: Path) -> None:
    """The author's triton_config, known only after the import, is checked too."""
    (tmp_path / "model.py").write_text(MODEL.replace("workers=3", "triton_config={'metric_tag': {}, 'runtime': 3}"))
    ran = called("check", "model.py", *ANY_PORTS)
    (line,) = [line for line in ran.out.splitlines() if line.startswith("bad")]
    assert (ran.code, line) == (
        1,
        "bad  plugin model.py: model large: triton_config: unknown key metric_tag; did you mean "
        "metric_tags?; also: model large: triton_config: runtime: invalid value 3: expected text",
    )
