"""Messages with descriptors over SOCK_SEQPACKET sockets."""

from __future__ import annotations

import array
import os
import socket
import time

from pytriton_plugins.errors import ProtocolError
from pytriton_plugins.shm.polling import wait_until_writable
from pytriton_plugins.shm.wire import MAX_MESSAGE

_FD_SIZE = array.array("i").itemsize
_MAX_DESCRIPTORS = 4
_ANCILLARY = socket.CMSG_SPACE(_MAX_DESCRIPTORS * _FD_SIZE)
# Plain numbers: operations on `enum` flags take longer than the system call, for every request.
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)
_CUT = int(socket.MSG_CTRUNC | socket.MSG_TRUNC)
NO_SIGNAL = int(socket.MSG_NOSIGNAL)
_SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; a child inherits neither unless it is passed on."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(
    sock: socket.socket, data: bytes | bytearray, descriptors: tuple[int, ...] = (), *, deadline: float = 5.0
) -> None:
    """Send one message within ``deadline`` seconds; raises OSError when the peer is gone or does not read."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end = time.monotonic() + deadline
    while True:
        try:
            sock.sendmsg([data], ancillary, _SEND)
            return
        except BlockingIOError:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the other end of the link does not read") from None
            wait_until_writable(sock, left)


def receive(sock: socket.socket, size: int = MAX_MESSAGE, flags: int = 0) -> tuple[bytes, list[int]]:
    """The next message and its descriptors, which the caller owns; ``(b"", [])`` at the end of the link.

    Raises ProtocolError when the message or its descriptors were cut.
    """
    try:
        data, ancillary, seen, _ = sock.recvmsg(size, _ANCILLARY, _CLOEXEC | flags)
    except ConnectionResetError:
        # The peer closed before it read all of our messages; its own last messages may still be queued.
        data, ancillary, seen, _ = sock.recvmsg(size, _ANCILLARY, _CLOEXEC | flags)
    if not ancillary and not seen & _CUT:
        return data, []
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % _FD_SIZE])
    if seen & _CUT:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ProtocolError("a message on a link was cut")
    return data, list(descriptors)
