"""One file per command: reads options, calls the library, prints."""
