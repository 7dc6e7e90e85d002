"""What a node says of itself: structured, through the standard library's logging, so that a program that uses a node
decides what becomes of it. Never a key, never a message's data.
"""

import logging
from typing import Any

NAME = "mostao"


def get_logger() -> Any:
    """The node's logger. Its records carry the event's fields; ``structlog.stdlib.ProcessorFormatter`` renders them."""
    import structlog  # takes long, and most who only read a log have nothing to say

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
