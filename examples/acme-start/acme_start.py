# acme_start.py
import logging

from pytriton_plugins import hookimpl
from pytriton_plugins.values import HostStatus


@hookimpl
def pytriton_on_host_ready(host: HostStatus) -> None:
    logging.getLogger("pytriton.acme").info("ready with %s", ", ".join(model.name for model in host.models))
