"""The part of curl that the lines below the table of `serve` use, as a program for machines without curl."""

from __future__ import annotations

import os
import shutil
import sys
import urllib.request
from pathlib import Path


def path_with_curl(folder: Path) -> str:
    """PATH with this environment's programs; without curl, also with this file as `curl` in ``folder``."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which("curl", path=path):
        return path
    program = folder / "curl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    program.chmod(0o755)
    return f"{path}:{folder}"


def main(arguments: list[str]) -> None:
    options = [each for each in arguments if each.startswith("-")]
    assert set(options) <= {"-s", "-sN", "-d", "-H", "--data-binary"}, options
    (url,) = [each for each in arguments if each.startswith("http://")]
    body = arguments[-1]
    headers = dict([arguments[arguments.index("-H") + 1].split(": ")]) if "-H" in arguments else {}
    request = urllib.request.Request(url, sys.stdin.buffer.read() if body == "@-" else body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        sys.stdout.buffer.write(response.read())


if __name__ == "__main__":
    main(sys.argv[1:])
