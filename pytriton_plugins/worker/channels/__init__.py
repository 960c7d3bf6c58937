"""How a worker serves its channels: one batch after the other, in threads, streamed, or in an event loop."""
