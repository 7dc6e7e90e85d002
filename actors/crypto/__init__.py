"""Signature schemes: Ed25519, secp256k1 (Ethereum) and RSA-PSS (Arweave)."""
