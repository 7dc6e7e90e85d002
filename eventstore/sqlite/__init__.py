"""The embedded engine: one SQLite file holds the commit log, its index and its evidence."""
