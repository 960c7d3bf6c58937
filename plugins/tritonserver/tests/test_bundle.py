"""The installed bundle: the hook's answer, and its server, which is really started."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import distribution
from itertools import takewhile
from pathlib import Path
from threading import Timer

import pytriton_plugins_tritonserver as plugin


def test_the_hook_offers_an_executable_in_this_package() -> None:
    server = plugin.pytriton_choose_server(candidates=(Path("/opt/tritonserver/bin/tritonserver"),))
    assert server == plugin.SERVER
    assert os.access(plugin.SERVER, os.X_OK)


def test_the_server_finds_every_library_without_help_from_the_environment() -> None:
    listed = subprocess.run([plugin.SERVER, "--help"], env={}, capture_output=True, text=True)
    assert "error while loading shared libraries" not in listed.stderr
    assert "--model-control-mode" in listed.stdout + listed.stderr


def test_the_server_starts_with_its_response_cache(tmp_path: Path) -> None:
    options = [f"--model-repository={tmp_path}", "--allow-http=false", "--allow-grpc=false", "--allow-metrics=false"]
    cache = ["--cache-config=local,size=1048576", f"--cache-directory={plugin.BUNDLE}/pytriton/tritonserver/caches"]
    server = subprocess.Popen(
        [plugin.SERVER, *options, *cache], env={}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = Timer(60, server.kill)
    deadline.start()
    try:
        assert server.stdout is not None
        printed = "".join(takewhile(lambda line: "cache_enabled" not in line, map(bytes.decode, server.stdout)))
        assert server.poll() is None, printed
        assert "| 2.51.0" in printed
    finally:
        deadline.cancel()
        server.terminate()
        server.communicate()


def test_licence_and_list_of_parts_come_along_and_nothing_of_the_python_backend() -> None:
    assert "Apache License" in (plugin.BUNDLE / "licenses/LICENSE").read_text()
    parts = (plugin.BUNDLE / "NOTICE").read_text()
    assert "pytriton/tritonserver/bin/tritonserver" in parts
    assert "python" not in parts.partition("\n\n")[2]


def test_the_entry_point_leads_to_the_hook() -> None:
    (point,) = distribution("pytriton-plugins-tritonserver").entry_points.select(group="pytriton_plugins.hooks")
    assert point.load() is plugin
