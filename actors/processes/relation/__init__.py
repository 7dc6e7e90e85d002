"""The processes of Relation ONE: contracts and messages, key keeper, proxy state and archive index."""
