"""What the node runs on: asyncio actors, child processes, interpreter tuning and logs."""
