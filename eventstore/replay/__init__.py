"""Reading a log back: sequential replay, replay partitioned by process, and verification of the hash chains."""
