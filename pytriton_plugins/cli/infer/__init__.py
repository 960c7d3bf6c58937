"""The parts of `pytriton-host infer`: address, connection, request, values and result."""
