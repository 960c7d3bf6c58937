"""The configuration files of the pages over the models that they are about, on hosts of their own; runs in pytest."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.config.tables import ModelSettings
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.docs.blocks import Block, blocks
from tests.support.docs.calls import WAYS, answered
from tests.support.docs.examples import Examples, ask

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def file_about(page: str, model: str) -> Block:
    (file,) = [block for block in blocks("toml") if block.page == page and f"[models.{model}]" in block.text]
    return file


@contextlib.contextmanager
def configured(page: str, model: str, examples: Examples, folder: Path) -> Iterator[RunningHost]:
    """A host of the page's model, in the file of its name in lower case, with the page's configuration."""
    file = file_about(page, model)
    (code,) = [block for block in blocks("python") if (block.page, block.name) == (page, f"{model.lower()}.py")]
    (folder / file.name).write_text(file.text)
    with run_host(examples.file(code), options=[f"--config={folder / file.name}"]) as host:
        yield host


def triton_config(host: RunningHost, model: str) -> Any:
    return json.loads(ask(host, f"/v2/models/{model}/config", None)[1])


def test_the_file_goes_before_the_code(examples: Examples, tmp_path: Path) -> None:
    with configured("model-configuration", "pooled", examples, tmp_path) as host:
        config = triton_config(host, "pooled")
        batching = config["dynamic_batching"]
        assert (config["max_batch_size"], batching["preferred_batch_size"]) == (8, [4])
        assert batching["max_queue_delay_microseconds"] == 500
        line = "model pooled version 1: serving; shared memory 16.0 MiB for 1 worker"
        wait_until(lambda: line in host.log, 10, "the log has it")
        for way in WAYS:
            assert answered(host, way, "pooled", {"x": ("FP32", [[1, 2]])}) == {"total": [3]}


def test_every_key_of_a_model(examples: Examples, tmp_path: Path) -> None:
    with configured("configuration", "Graded", examples, tmp_path) as host:
        config = triton_config(host, "Graded")
        assert (config["max_batch_size"], config["dynamic_batching"]["max_queue_delay_microseconds"]) == (16, 100)
        line = "model Graded version 1: serving; shared memory 4.0 MiB for 2 workers"
        wait_until(lambda: line in host.log, 10, "the log has it")
        for way in WAYS:
            assert answered(host, way, "Graded", {"score": ("FP32", [[0.25], [0.625], [0.9]])}) == {"grade": [0, 1, 2]}


def test_the_example_has_every_key() -> None:
    """But those of models with state, which have a page of their own."""
    document = tomllib.loads(file_about("configuration", "Graded").text)
    (table,) = document["models"].values()
    given = {*table, *(f"shm_{name}" for name in table["shm"])} - {"shm"}
    names = {field.name for field in attrs.fields(ModelSettings)}
    assert given == {name for name in names if not name.startswith("sequence_")}
    assert {f"shm.{name}" for name in document["shm"]} == {s.key for s in SETTINGS if s.key.startswith("shm.")}
