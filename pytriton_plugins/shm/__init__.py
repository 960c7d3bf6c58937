"""The binary protocol in Python: segments, messages, sockets (docs/reference/protocol.md).

Standard library and numpy only.
The daemon and the workers use it; the other end of channels and of the backend link is the backend, in C.
"""
