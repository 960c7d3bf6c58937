"""The tritonserver process: found, started, asked, watched and ended by the daemon."""
