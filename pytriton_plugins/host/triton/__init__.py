"""The tritonserver process: how it is found, started, asked, watched and ended."""
