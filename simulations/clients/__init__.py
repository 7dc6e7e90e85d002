"""Clients of MostAO and Relation ONE: keys, encryption, sessions and groups."""
