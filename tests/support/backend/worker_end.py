"""The worker's end of a channel, played by a test."""

from __future__ import annotations

import os
import socket
import struct

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.shm.sockets import receive
from pytriton_plugins.shm.wire import ChannelMessage


class WorkerEnd:
    """The worker's end of one channel, and its first request segment."""

    def __init__(self, number: int, sock: socket.socket, timeout: float) -> None:
        """``timeout``: seconds after which a wait for the backend fails."""
        self.number = number
        self.sock = sock
        self.sock.settimeout(timeout)
        self.request: Segment | None = None
        self.loans: dict[int, bytes] = {}
        """The content of each loan's window at its arrival, by number."""
        self.heard: list[bytes] = []
        """The messages of the last `receive`."""

    def receive(self) -> ChannelMessage:
        """Receive the next EXECUTE; map a segment that follows it, and read the loans."""
        data, descriptors = receive(self.sock, 64)
        assert descriptors == []
        self.heard = [data]
        message = ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data))
        if message.flags & wire.NEW_SEGMENT:
            data, (descriptor,) = receive(self.sock, 64)
            self.heard.append(data)
            self.request = Segment(message.segment, descriptor, writable=False)
            os.close(descriptor)
        news = message
        while news.flags & wire.NEW_LOAN:
            data, (descriptor,) = receive(self.sock, 64)
            self.heard.append(data)
            news = ChannelMessage._make(wire.CHANNEL_MESSAGE.unpack(data))
            self.loans[news.segment] = os.pread(descriptor, news.length, news.offset)
            os.close(descriptor)
        return message

    def block(self, message: ChannelMessage) -> wire.RequestBlock:
        assert self.request is not None
        return wire.unpack_request_block(self.request.view, message.offset, message.length)

    def send(self, data: bytes, *descriptors: int) -> None:
        """Send any bytes and descriptors to the backend."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(descriptors)}i", *descriptors))]
        self.sock.sendmsg([data], ancillary if descriptors else [])

    def ended(self) -> bool:
        """Wait for the end of the channel; False if a message comes instead."""
        return self.sock.recv(64) == b""

    def close(self) -> None:
        self.sock.close()
