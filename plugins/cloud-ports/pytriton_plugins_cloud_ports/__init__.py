"""The HTTP port from the variables of cloud platforms."""

from __future__ import annotations

import os

import attrs

from pytriton_plugins import hookimpl
from pytriton_plugins.values import Ports

VARIABLES = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT", "PORT")
"""Of Vertex AI, SageMaker and all others; the first one that is set counts."""


@hookimpl
def pytriton_choose_ports(ports: Ports, attempt: int) -> Ports | None:
    """The platform's port; no other if it is in use, because the platform sends its requests there only."""
    name = next((name for name in VARIABLES if os.environ.get(name)), None)
    if name is None or attempt > 0:
        return None
    text = os.environ[name]
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"variable {name} is {text!r}; write a port from 1 to 65535")
    return attrs.evolve(ports, http=int(text))
