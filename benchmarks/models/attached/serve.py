"""Serves the models of ours with callables of this process: serve.py HTTP GRPC METRICS RUN_DIR TRITONSERVER FILE…"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from pytriton_plugins import Host


def main(ports: list[int], run_dir: str, tritonserver: str, files: list[str]) -> None:
    """Attach the callable of each file, which has the file's name, and serve until a signal."""
    http, grpc, metrics = ports
    with Host(
        http_port=http,
        grpc_port=grpc,
        metrics_port=metrics,
        run_dir=run_dir,
        tritonserver=tritonserver,
        allow=["shared-memory"],
        drain_timeout=1,
    ) as host:
        for file in files:
            host.attach(runpy.run_path(file)[Path(file).stem])
        host.wait()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:4]], sys.argv[4], sys.argv[5], sys.argv[6:])
