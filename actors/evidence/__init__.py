"""Evidence: signed checkpoints, cosignatures, proofs, and the check of signed items against rows."""
