"""Ports that no other program gets while a test's server starts."""

from __future__ import annotations

import socket

import pytest

from pytriton_plugins.testing.ports import ADDRESS, held_port, held_ports


def test_held_ports_differ_and_nothing_else_can_bind_them() -> None:
    with held_ports(5) as ports:
        assert len(set(ports)) == 5
        for port in ports:
            with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
                other.bind((ADDRESS, port))


def test_a_server_listens_on_a_held_port() -> None:
    with (
        held_ports(1) as (port,),
        socket.create_server((ADDRESS, port)) as server,
        socket.create_connection((ADDRESS, port)),
    ):
        server.accept()[0].close()


def test_a_held_port_refuses_connections() -> None:
    with held_port() as sock, pytest.raises(ConnectionRefusedError):
        socket.create_connection(sock.getsockname())
