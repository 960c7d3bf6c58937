"""What the commands print: messages, tables, the second screen of a terminal, and what happens if that fails."""
