"""Relation ONE IM around its processes: proxies over HTTP, the key keeper's secret, and the archive of messages."""
