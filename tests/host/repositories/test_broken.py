"""Each repository and model that cannot be served is one row with its reason; the others serve."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from pytriton_plugins.errors import ControlError
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.models.repositories import ensemble, install_model, of_backend, write
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import path_with
from tests.support.traffic.clients import infer


@attrs.frozen
class Broken:
    """A daemon with broken repositories, its folders, and the status after the start."""

    host: RunningHost
    folder: Path
    options: list[str]
    env: dict[str, str]
    status: dict[str, Any]

    def error(self, model: str) -> str:
        """Of the row for the model that cannot be read."""
        (found,) = {each["error"] for each in self.status["broken"] if each["model"] == model}
        return str(found)

    def reason(self, model: str) -> str:
        (found,) = {each["reason"] for each in self.status["models"] if each["model"] == model}
        return str(found)


def fill(folder: Path) -> None:
    """A repository with one model that serves, and many that do not."""
    write(folder, "good", ensemble("plus", "plus"))
    (folder / "no_config" / "1").mkdir(parents=True)
    write(folder, "no_text", "max_batch_size: \x1b[31m")
    write(folder, "no_version", ensemble("plus"), ())
    write(folder, "no_backend", of_backend("onnxruntime"))
    write(folder, "own_backend", of_backend("pytriton"))
    write(folder, "path_backend", of_backend("../../lib"))
    write(folder, "named_otherwise", f'name: "else"\n{ensemble("plus")}')
    write(folder, "pytriton_gate_3", ensemble("plus"))
    write(folder, "circle", ensemble("round"))
    write(folder, "round", ensemble("circle"))
    write(folder, "lost", ensemble("pluss"))
    write(folder, "mismatch", ensemble("plus").replace('key: "y"', 'key: "z"'))
    write(folder, "over_mismatch", ensemble("mismatch"))
    write(folder, "looped", ensemble("plus", "loop"))
    write(folder, "taken", ensemble("plus"))
    write(folder, "twin", ensemble("plus"))
    write(folder, "left_out", "nonsense")
    outside = write(folder.parent / "outside", "outside", ensemble("plus"))
    (folder / "linked").symlink_to(outside)
    (write(folder, "file_linked", ensemble("plus")) / "1" / "weights").symlink_to("/etc/hostname")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("models") / "first"
    for name in ("plus", "taken"):
        install_model(site, name, "x + 1")
    install_model(site, "loop", "x", calls=["looped"])
    fill(folder)
    write(folder.parent / "second", "twin", ensemble("plus"))
    config = folder.parent / "host.toml"
    config.write_text(
        "[models.left_out]\nenabled = false\n[models.lost]\nrequired = false\n[models.good]\nworkers = 2\n"
    )
    repositories = [folder, folder.parent / "second", folder.parent / "missing", config]
    options = [f"--config={config}", *(f"--model-repository={each}" for each in repositories)]
    options += ["--plugin=plus", "--plugin=taken", "--plugin=loop", "--optional=no_config"]
    env = {"PYTHONPATH": path_with(site)}
    with run_host(options=options, env=env, ready=False) as host:
        host.wait_settled()
        with contextlib.closing(find_host(None, host.process.pid)) as connection:
            status = connection.ask({"command": "status"}, 60)
        yield Broken(host, folder, options, env, status)


def test_the_others_serve(broken: Broken) -> None:
    x = np.array([[1]], np.float32)
    assert infer(broken.host, "grpc", "good", {"x": x})["y"].tolist() == [[3]]
    assert broken.reason("good") == ""


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("no_config", "config.pbtxt is missing; write one, because Triton's automatic configuration is off"),
        ("no_version", "it has no version folder; create one, such as 1, which may be empty for an ensemble"),
        (
            "no_backend",
            "tritonserver has no backend onnxruntime (it has ensemble); install one that has it, or name another "
            "with --tritonserver",
        ),
        (
            "own_backend",
            "config.pbtxt: backend pytriton is the daemon's own; serve the plugin that has the model instead",
        ),
        ("path_backend", "config.pbtxt: invalid backend '../../lib': expected a name, not a path"),
        ("named_otherwise", "config.pbtxt: name is 'else', but the folder is named_otherwise; remove name"),
        ("circle", "the ensemble contains itself: circle → round → circle; correct ensemble_scheduling"),
        ("round", "the ensemble contains itself: round → circle → round; correct ensemble_scheduling"),
    ],
)
def test_a_model_that_cannot_be_read_is_a_row(broken: Broken, model: str, error: str) -> None:
    assert broken.error(model) == error


def test_text_of_a_configuration_is_escaped(broken: Broken) -> None:
    assert "\\x1b[31m" in broken.error("no_text")
    assert "\x1b" not in broken.host.log + broken.host.output


def test_the_names_of_the_gates_are_reserved(broken: Broken) -> None:
    assert "is reserved for the daemon's own models" in broken.error("pytriton_gate_3")


def test_links_that_lead_out_of_the_repository_are_refused(broken: Broken) -> None:
    outside = broken.folder.parent / "outside" / "outside"
    remedy = "outside of the repository; copy the file into it"
    assert broken.error("linked") == f"linked is a link to {outside}, {remedy}"
    target = os.path.realpath("/etc/hostname")
    assert broken.error("file_linked") == f"file_linked/1/weights is a link to {target}, {remedy}"


def test_a_name_of_two_repositories_is_served_from_neither(broken: Broken) -> None:
    places = f"repository {broken.folder} and repository {broken.folder.parent / 'second'}"
    remedy = "rename one of them, or take one away from what is served"
    assert broken.error("twin") == f"model twin comes from {places}; {remedy}"


def test_a_name_of_a_plugin_and_a_repository_is_served_from_neither(broken: Broken) -> None:
    message = f"model taken comes from plugin taken (acme-taken 1.0) and repository {broken.folder}; "
    assert broken.reason("taken").startswith(message)
    (plugin,) = (each["error"] for each in broken.status["broken"] if each["plugin"] == "taken (acme-taken 1.0)")
    assert plugin.startswith(message)


def test_an_ensemble_whose_model_is_missing_says_so(broken: Broken) -> None:
    assert (
        broken.reason("lost")
        == "contains pluss, which is not served: there is no model of this name; did you mean plus?"
    )


def test_a_plugin_that_calls_an_ensemble_that_contains_it_is_refused(broken: Broken) -> None:
    problem = "the declared calls form a cycle: loop → looped → loop; remove one of them from calls=[…]"
    assert broken.reason("loop") == problem
    assert broken.reason("looped") == f"contains loop, which is not served: {problem}"


def test_what_triton_refuses_is_the_reason(broken: Broken) -> None:
    assert "in ensemble mismatch" in broken.reason("mismatch")
    assert broken.reason("over_mismatch") == f"contains mismatch, which is not served: {broken.reason('mismatch')}"


def test_a_repository_that_is_none_is_a_row(broken: Broken) -> None:
    missing, config = broken.folder.parent / "missing", broken.folder.parent / "host.toml"
    errors = {
        each["plugin"]: each["error"]
        for each in broken.status["broken"]
        if each["plugin"].startswith("/") and not each["model"]
    }
    assert errors == {
        str(missing): f"{missing} does not exist; correct the path or create it",
        str(config): f"{config} is not a folder; name the folder that has the models",
    }


def test_readiness_names_what_is_required(broken: Broken) -> None:
    reasons = broken.status["reasons"]
    assert (
        "model no_version: it has no version folder; create one, such as 1, which may be empty for an ensemble"
        in reasons
    )
    assert not [reason for reason in reasons if reason.startswith(("model no_config", "model lost", "model left_out"))]
    assert broken.host.status("/v2/health/ready") == 400


def test_the_table_has_a_row_for_each(broken: Broken) -> None:
    rows = [line.split() for line in broken.host.output.splitlines()]
    (row,) = (row for row in rows if row[:1] == ["no_config"])
    assert row[1:4] == ["-", str(broken.folder), "-"]
    assert " ".join(row[4:]).startswith("config.pbtxt is missing")


def test_tables_that_have_no_effect_are_named(broken: Broken) -> None:
    line = f"[models.good]: a model of a repository has enabled and required only; write the rest into {broken.folder}"
    assert line in broken.host.log
    assert "is unused" not in broken.host.log


def test_a_mended_model_is_loaded(broken: Broken) -> None:
    config = broken.folder / "named_otherwise" / "config.pbtxt"
    question = {"command": "load", "model": "named_otherwise", "timeout": 60}
    with contextlib.closing(find_host(None, broken.host.process.pid)) as connection:
        with pytest.raises(ControlError, match=f"of repository {broken.folder}: config.pbtxt: name is 'else'"):
            connection.ask(question, 60)
        config.write_text(ensemble("plus"))
        assert connection.ask(question, 60)["done"] == ["model named_otherwise: serving"]


def test_check_has_a_line_for_each(broken: Broken) -> None:
    done = call_host("check", *broken.options, env={**broken.env, "PYTRITON_HOST_HTTP_PORT": "0"})
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    missing = broken.folder.parent / "missing"
    unknown = "there is no model of this name; did you mean plus?"
    for line in (
        f"bad  repository {missing}: {missing} does not exist; correct the path or create it",
        f"bad  model circle of repository {broken.folder}: {broken.error('circle')}",
        f"bad  model lost of repository {broken.folder}: contains pluss, but {unknown}",
        f"bad  model taken of repository {broken.folder}: {broken.reason('taken')}",
    ):
        assert line in lines
