"""The rule that a skipped test is a failure in CI unless `tests/allowed_skips.txt` names it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SEPARATOR = " -- "


def read_allowed(path: Path) -> frozenset[str]:
    """The test ids in ``path``; ValueError for a line without a reason."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return frozenset(_test_id(path, line) for line in lines if line and not line.startswith("#"))


def _test_id(path: Path, line: str) -> str:
    test_id, _, reason = line.partition(SEPARATOR)
    if not reason.strip():
        raise ValueError(f"{path.name}: {line!r} gives no reason; write TEST_ID{SEPARATOR}REASON")
    return test_id.strip()


def forbidden(skipped: Iterable[str], allowed: frozenset[str]) -> list[str]:
    """The ids of ``skipped`` tests that are not allowed, each once and in order."""
    return [test_id for test_id in dict.fromkeys(skipped) if test_id not in allowed]
