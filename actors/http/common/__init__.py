"""What all HTTP applications share: server, connections, responses, rate limits, metrics."""
