"""Reading a log back: sequentially, partitioned by process, and the check of its hash chains."""
