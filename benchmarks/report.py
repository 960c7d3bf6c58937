"""The raw figures as JSON, with the machine and the checkout that they come from. Runs in the benchmark process."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def default_file(suffix: str = "", folder: Path = RESULTS) -> Path:
    """A new file in `folder`, named for the day."""
    day = datetime.date.today().isoformat()
    names = (f"{day}{suffix}{'' if number == 1 else f'-{number}'}.json" for number in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())


def write(file: Path, facts: dict[str, Any]) -> None:
    """`facts` with the time, the checkout and the machine."""
    moment = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    document = {"schema": 1, "time": moment, "checkout": checkout(), "machine": machine(), **facts}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def checkout() -> str:
    """The commit that is measured; `-dirty` if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }
