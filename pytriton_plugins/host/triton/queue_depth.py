"""How many requests wait in Triton's queues, by its metrics."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

_PENDING = b"nv_inference_pending_request_count{"
_LABEL = re.compile(r'(\w+)="([^"]*)"')


async def waiting_requests(host: str, port: int) -> int:
    """The requests of all models that no backend has yet; raises OSError or ValueError without metrics."""
    return sum((await waiting_by_model(host, port)).values())


async def waiting_by_model(host: str, port: int) -> Counter[tuple[str, str]]:
    """The same for each model, by name and version; models without an entry have none."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET /metrics HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        content = await reader.read(-1)
    finally:
        writer.close()
    waiting: Counter[tuple[str, str]] = Counter()
    for line in content.splitlines():
        if line.startswith(_PENDING):
            labels, _, count = line.decode(errors="replace").rpartition(" ")
            found = dict(_LABEL.findall(labels))
            waiting[found.get("model", ""), found.get("version", "")] += int(float(count))
    return waiting
