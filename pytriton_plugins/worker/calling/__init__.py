"""The call of the marked callable: its keywords, its result, its failures; runs in workers."""
