"""A node over HTTP: AO's protocol and the explorer pages."""
