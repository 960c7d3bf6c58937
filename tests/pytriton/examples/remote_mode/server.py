"""A server without models: other processes bind theirs to it."""

from pytriton.triton import Triton

with Triton() as triton:
    triton.serve()
