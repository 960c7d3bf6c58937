"""How many requests wait in Triton's queues, as its metrics say; runs in the host's event loop."""

from __future__ import annotations

import asyncio

_PENDING = b"nv_inference_pending_request_count{"


async def waiting_requests(host: str, port: int) -> int:
    """The requests of all models that are in no backend yet; raises OSError or ValueError where no metrics are."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET /metrics HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        content = await reader.read(-1)
    finally:
        writer.close()
    return sum(int(float(line.rpartition(b" ")[2])) for line in content.splitlines() if line.startswith(_PENDING))
