"""One process per instance that runs a marked callable; standard library and numpy only."""
