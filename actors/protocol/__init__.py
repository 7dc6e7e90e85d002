"""The protocol's vocabulary: messages, effects, derived ids, canonical JSON and spawn messages."""
