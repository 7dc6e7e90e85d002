"""The processes of Relation ONE: contracts, mail, key keeper, proxy state and archive index."""
