"""The Triton backend in C, and the library that is built from it; loaded by tritonserver, by nobody else."""
