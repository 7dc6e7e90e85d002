"""The node's structured log messages. They go through the standard library's logging, so the program that embeds a node
configures their output. They never contain a key or the data of a message.
"""

import logging
from typing import Any

NAME = "mostao"


def get_logger() -> Any:
    """The node's logger. Its records carry the event's fields; ``structlog.stdlib.ProcessorFormatter`` renders them."""
    import structlog  # imported on first use: the import is slow, and a program that only reads a log rarely logs

    return structlog.wrap_logger(
        logging.getLogger(NAME),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )
