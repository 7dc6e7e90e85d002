"""The explorer: pages that show what a log holds."""
