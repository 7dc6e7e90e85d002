"""The simulation and load commands, and the ``mostao`` entry point."""
