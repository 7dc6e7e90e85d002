"""Load tests: processes that send to a node and measure its replies, and a check of every result against the log."""
