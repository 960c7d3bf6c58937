# acme_both.py
from pytriton_plugins import hookimpl
from pytriton_plugins.values import Ports


@hookimpl
def pytriton_choose_ports(ports: Ports, attempt: int = 0) -> Ports | None:
    """Also works with a version of the framework whose hook has no ``attempt``."""
    return Ports(http=0, grpc=0, metrics=0) if attempt > 0 else None
