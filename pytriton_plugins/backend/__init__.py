"""The Triton backend in C, and the library that is built from it, which tritonserver loads."""
