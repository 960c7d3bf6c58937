"""A worker whose callable may use the terminal; `pytriton-host debug` starts it (testing/foreground.py)."""

from __future__ import annotations

import logging
import os
import sys

from pytriton_plugins.discovery.namesakes import current_folder
from pytriton_plugins.worker.main import run


def main(arguments: list[str]) -> int:
    """Run a worker for ``LINK PROFILE REFERENCE FOLDER…``: it ends with its link, and logs plain lines.

    ``PROFILE`` is the file for cProfile's figures, "" for none.
    """
    sys.path += [*arguments[3:], *current_folder()]
    link_fd, profile_file, reference = int(arguments[0]), arguments[1], arguments[2]
    os.set_inheritable(link_fd, False)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if not profile_file:
        return run(link_fd, reference)
    import cProfile

    with cProfile.Profile() as profile:
        code = run(link_fd, reference)
    profile.dump_stats(profile_file)
    return code
