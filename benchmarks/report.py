"""The figures of a run as JSON, with the machine and the checkout that they come from.

``python -m benchmarks.report`` names each file of figures that README.md does not name, and exits with 1 for one.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = RESULTS.parent / "README.md"
SCHEMA = 2
"""1 held every measurement and every sample."""
DIGITS = 5
"""Significant digits of a fraction; integers, such as bytes, are exact."""
LINE_LENGTH = 200
"""A list or an object that fits is written on one line, so that a file is short and a difference can be read."""


def default_file(suffix: str = "", folder: Path = RESULTS) -> Path:
    """The path of a new file in `folder`, named after the day."""
    day = datetime.date.today().isoformat()
    names = (f"{day}{suffix}{'' if number == 1 else f'-{number}'}.json" for number in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())


def write(file: Path, facts: dict[str, Any]) -> None:
    """Write `facts` with the time, the checkout and the machine."""
    moment = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    document = {"schema": SCHEMA, "time": moment, "checkout": checkout(), "machine": machine(), **facts}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(document) + "\n")


def unquoted(files: Iterable[Path], readme: Path = README) -> list[str]:
    """A line for each of `files` that `readme` names neither in full nor without the day, which begins each name."""
    page = readme.read_text()
    day = len("2026-11-25")
    return [
        f"benchmarks/{readme.name} does not name {file.name}; quote its figures there, or name the page that does"
        for file in sorted(files)
        if file.name not in page and f"`{file.name[day:]}`" not in page
    ]


def text(value: Any, indent: int = 0) -> str:
    """`value` as JSON: a part that fits on a line is on one line, and so is a list of numbers."""
    line = json.dumps(_rounded(value), ensure_ascii=False)
    parts = _parts(value)
    holds_others = any(_parts(part) for _, part in parts)
    if indent + len(line) <= LINE_LENGTH or not parts or (isinstance(value, list) and not holds_others):
        return line
    lines = [f"{' ' * (indent + 1)}{name}{text(part, indent + 1)}" for name, part in parts]
    opening, closing = line[0], line[-1]
    return "\n".join([opening, ",\n".join(lines), f"{' ' * indent}{closing}"])


def _parts(value: Any) -> list[tuple[str, Any]]:
    """The parts of an object or a list, each with its name as JSON; none for other values."""
    if isinstance(value, dict):
        return [(f"{json.dumps(name, ensure_ascii=False)}: ", part) for name, part in value.items()]
    return [("", part) for part in value] if isinstance(value, list) else []


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def checkout() -> str:
    """The commit that was measured, with `-dirty` if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def machine() -> dict[str, object]:
    """The machine of the figures."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


def main() -> int:
    """Print the files of results/ that nothing names; 1 if there are any."""
    found = unquoted(RESULTS.iterdir())
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
