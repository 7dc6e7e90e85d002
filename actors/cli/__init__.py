"""The commands that run and inspect a node's log. Each file parses options, calls the library and prints."""
