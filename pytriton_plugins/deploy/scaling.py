"""The metric by which replicas come and go; runs in the called process."""

from __future__ import annotations

IN_FLIGHT = "pytriton_requests_in_flight"
