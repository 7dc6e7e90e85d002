"""A world on one page: ``facts`` from its log, ``plots`` of them, ``world`` puts them together."""
