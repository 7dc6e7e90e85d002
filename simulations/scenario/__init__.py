"""What a simulated day holds: scenario files, workload and attacks."""
