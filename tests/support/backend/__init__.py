"""The C backend without a host, and the vectors of its protocol."""
