"""Evidence: signed checkpoints, proofs, and the check of signed items against rows."""
