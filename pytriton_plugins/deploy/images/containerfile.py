"""The Containerfile of an image that serves plugins; runs in the called process."""

from __future__ import annotations

import re

import attrs

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.deploy.common import GROUP, USER, startup_seconds
from pytriton_plugins.deploy.images.requirements import Wanted
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

TRITON_TAG = "26.10"
"""The release of Triton that an image has unless another is named: the newest of which NVIDIA had published notes."""

LEAST_RELEASE = (26, 6)
"""Older releases have known flaws (host/triton/version_check.py, which knows them by the server's own version)."""

TRITON_IMAGE = "nvcr.io/nvidia/tritonserver"
BUNDLE_BASE = "python:3.12-slim"
SERVED_FROM = "/srv/pytriton"

SOURCE_DATE = 315532800
"""1980, the first year that a wheel can tell: the age of what is built, unless SOURCE_DATE_EPOCH says otherwise.

With it pip's compiled files hold a hash of their source in place of its time, so that two builds give the same.
"""

START_PERIOD = startup_seconds(HostConfig())
"""Seconds, with the built-in limits."""

_INSTALL = "python3 -m pip --python=/opt/pytriton install --no-cache-dir"
_SECRET = "--mount=type=secret,id=pip.conf,target=/etc/pip.conf"
_TAG = re.compile(r"(?P<year>\d\d)\.(?P<month>\d\d)(?P<variant>-[\w.-]+)?")
_REFERENCE = re.compile(r"[\w.:/@-]+")


@attrs.frozen
class Server:
    """Where the image's tritonserver comes from: the ``base`` image, or the ``bundle`` beside the plugins."""

    base: str
    bundle: bool
    warning: str = ""


@attrs.frozen
class Image:
    """What a Containerfile is made from. ``config`` is the configuration file's name in the context, "" for none."""

    server: Server
    framework: tuple[Wanted, ...]
    plugins: tuple[Wanted, ...]
    config: str = ""
    ports: tuple[int, ...] = (8000, 8001, 8002)

    @property
    def name(self) -> str:
        """The plugin that the image is named after."""
        return self.plugins[0].name


def read_server(text: str, base: str | None) -> Server:
    """What ``--server`` asks for; ``base`` replaces the image that it stands for. Raises ConfigError."""
    kind, _, tag = text.partition(":")
    if base is not None and not _REFERENCE.fullmatch(base):
        raise ConfigError(f"--base {one_line(repr(base))} is no image; write NAME:TAG or NAME@sha256:DIGEST")
    if text == "bundle":
        return Server(
            base or BUNDLE_BASE,
            True,
            "the bundled tritonserver has known security flaws: this image is for development and tests",
        )
    if kind != "triton" or (":" in text and not tag):
        raise ConfigError(f"--server {one_line(repr(text))} is no server; write bundle, or triton:{TRITON_TAG}")
    version, at, digest = (tag or TRITON_TAG).partition("@")
    found = _TAG.fullmatch(version)
    if found is None or not _REFERENCE.fullmatch(tag or TRITON_TAG):
        raise ConfigError(f"--server {one_line(repr(text))}: {one_line(version)} is no tag; write triton:{TRITON_TAG}")
    old = (int(found["year"]), int(found["month"])) < LEAST_RELEASE and base is None
    least = f"{LEAST_RELEASE[0]}.{LEAST_RELEASE[1]:02}"
    variant = "" if found["variant"] else "-py3"
    return Server(
        base or f"{TRITON_IMAGE}:{version}{variant}{at}{digest}",
        False,
        f"Triton {version} is older than {least} and has known security flaws" if old else "",
    )


def containerfile(image: Image) -> str:
    """The text of the Containerfile."""
    return "\n".join([*_head(image), "", *_build_stages(image), "", *_last_stage(image), ""])


def _head(image: Image) -> list[str]:
    lines = [
        "# Written by pytriton-host image. Build it in this folder:",
        f"#   podman build --format docker -t {image.name} .",
        f"#   docker build -f Containerfile -t {image.name} .",
        "# An index that needs a login: --secret id=pip.conf,src=FILE hands pip's configuration to the build alone.",
    ]
    if image.server.bundle:
        lines.append("# For development and tests only: the bundled tritonserver has known security flaws.")
    return [*lines, f"ARG BASE={image.server.base}"]


def _build_stages(image: Image) -> list[str]:
    """One for the framework and one above it, so that a change of plugins leaves the framework's layer as it is.

    What the second adds is told by its time, and copied by itself. A layer of a RUN in the last stage would do as well,
    but builders take such a one from their cache although what it mounts has changed (buildah 1.28).
    """
    return [
        "# What needs an index, a compiler or build tools stays in these two stages.",
        "FROM ${BASE} AS framework",
        f"ARG SOURCE_DATE_EPOCH={SOURCE_DATE}",
        "USER root",
        "WORKDIR /build",
        "COPY framework ./framework",
        f"RUN {_SECRET} \\",
        "    python3 -m venv --without-pip /opt/pytriton \\",
        f"    && {_INSTALL} \\",
        "    --constraint=framework/constraints.txt --requirement=framework/requirements.txt",
        "",
        "FROM framework AS plugins",
        f"ARG SOURCE_DATE_EPOCH={SOURCE_DATE}",
        "COPY requirements.txt constraints.txt ./",
        *(["COPY plugins ./plugins"] if any(each.path for each in image.plugins) else []),
        f"RUN {_SECRET} \\",
        "    mkdir /added && touch /before \\",
        f"    && {_INSTALL} \\",
        "    --constraint=constraints.txt --requirement=requirements.txt \\",
        "    && cd /opt/pytriton && find . ! -type d -newer /before -exec cp -P --parents -t /added {} +",
    ]


def _last_stage(image: Image) -> list[str]:
    """Layers from what changes rarely to what changes often."""
    return [
        "FROM ${BASE}",
        "ARG BASE",
        "COPY --from=framework /opt/pytriton /opt/pytriton",
        "COPY --from=plugins /added /opt/pytriton",
        f"WORKDIR {SERVED_FROM}",
        *([f"COPY {image.config} ./"] if image.config else []),
        *_labels(image),
        "ENV PATH=/opt/pytriton/bin:${PATH} \\",
        "    HOME=/tmp \\",
        "    PYTHONDONTWRITEBYTECODE=1 \\",
        "    PYTHONUNBUFFERED=1 \\",
        "    PYTRITON_HOST_ADDRESS=0.0.0.0",
        f"USER {USER}:{GROUP}",
        f"EXPOSE {' '.join(map(str, image.ports))}",
        "STOPSIGNAL SIGTERM",
        f"HEALTHCHECK --start-period={START_PERIOD}s --interval=10s --timeout=5s --retries=3 \\",
        '    CMD ["pytriton-host", "health", "ready"]',
        'ENTRYPOINT ["pytriton-host"]',
        'CMD ["serve"]',
    ]


def _labels(image: Image) -> list[str]:
    """Of the plugin that gives the image its name. No date, which would make each build another."""
    about = image.plugins[0].metadata
    said = {"title": image.name, "base.name": "${BASE}"}
    if about is not None:
        license = about.license if len(about.license) <= 80 else ""
        said |= {"version": about.version, "description": about.summary, "licenses": license, "source": about.source}
    labels = [f"org.opencontainers.image.{key}={_quoted(value)}" for key, value in said.items() if value]
    return ("LABEL " + " \\\n      ".join(labels)).splitlines()


def _quoted(value: str) -> str:
    """``value`` between quotation marks; of what the builder would replace only the base image's name is left."""
    text = one_line(value)
    if text != "${BASE}":
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{text}"'
