"""What every HTTP app here shares: server, connections, responses, rate limits, metrics."""
