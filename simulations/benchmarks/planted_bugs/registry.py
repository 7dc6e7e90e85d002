"""All planted bugs, and the scenario in which a sweep must find them."""

from simulations.benchmarks.planted_bugs.bug import PlantedBug
from simulations.benchmarks.planted_bugs.node_bugs import NODE_BUGS
from simulations.benchmarks.planted_bugs.process_bugs import PROCESS_BUGS
from simulations.benchmarks.planted_bugs.rare_bugs import RARE_BUGS
from simulations.benchmarks.planted_bugs.relation_bugs import RELATION_BUGS

BUGS: dict[str, PlantedBug] = {bug.name: bug for bug in (*PROCESS_BUGS, *RELATION_BUGS, *NODE_BUGS, *RARE_BUGS)}
"""The bugs by their names."""
SCENARIO = "everything"
"""A small town in which everything happens."""
