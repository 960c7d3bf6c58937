"""Names and versions that a worker reports are checked before they are used."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytriton_plugins import Tensor
from pytriton_plugins.host.supervision.plugins import check_names
from pytriton_plugins.host.triton.repository import GATES
from pytriton_plugins.host.workers.worker import WorkerFailed
from pytriton_plugins.model.declaration import ModelDeclaration

GOOD = ModelDeclaration("good", 1, "function", "good", (Tensor("x", np.int32, ()),), (Tensor("y", np.int32, ()),))


def test_good_names_pass() -> None:
    check_names([GOOD, replace(GOOD, name="x" * 64, version=7)])


@pytest.mark.parametrize("name", ["", "../../evil", "a/b", ".", "-x", "x" * 65, "a\n", *GATES, 7, None])
def test_names_that_are_no_folder_of_their_own(name: Any) -> None:
    """A model name that is not usable as a folder name is refused."""
    wrong = rf"^(invalid )?model name {re.escape(repr(name))}.*; write name="
    with pytest.raises(WorkerFailed, match=wrong) as refused:
        check_names([GOOD, replace(GOOD, name=name)])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["1", "../1", 0, -1, True, None])
def test_versions_that_are_no_numbers(version: Any) -> None:
    """A version that is not a positive number is refused."""
    wrong = rf"^model good: invalid version {re.escape(repr(version))}; write a whole number from 1 up$"
    with pytest.raises(WorkerFailed, match=wrong):
        check_names([replace(GOOD, version=version)])
