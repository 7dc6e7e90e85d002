"""Relation ONE IM around its processes: proxies, the key keeper's secret, and the archive of all messages."""
