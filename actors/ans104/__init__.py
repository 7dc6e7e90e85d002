"""ANS-104 data items: parsing, tags, bundles, signing, and wallets."""
