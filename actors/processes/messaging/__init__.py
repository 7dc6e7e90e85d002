"""The processes of MostAO: registries, handles, sessions and groups, one file per module version."""
