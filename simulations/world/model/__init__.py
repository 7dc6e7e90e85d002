"""A reference model of the protocol in plain dicts and lists; it shares no code with the processes.

It gets the assignments of a log in their order, and predicts replies, refusals, sent messages and query replies.
"""
