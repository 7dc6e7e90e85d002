"""Merkle trees over a log: RFC 9162 hashing and proofs, and the tiles that a log stores."""
