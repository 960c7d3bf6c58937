"""`python -m benchmarks soak`: a long run against one host, which may not grow."""
