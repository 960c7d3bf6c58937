"""The output of commands: messages, tables, the second screen of a terminal, and the streams behind them."""
