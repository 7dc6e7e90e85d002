"""Load tests: a node in a process of its own, load from others, and figures that the log itself has to confirm.

* ``plan``       what is asked for: how many sessions, how much load, for how long
* ``arrivals``   when each send of an open model is due
* ``wire``       how load reaches the node: frames on a local socket
* ``host``       the node under test, in a process of its own
* ``people``     who talks: registered, with sessions and keys, before anything is measured
* ``generator``  the load, in processes of their own
* ``seconds``    what came of it, second by second
* ``thresholds`` what it has to keep
* ``run``        all of that once; ``search``: the highest rate that keeps the thresholds
* ``verify``     every acknowledged send is in the log, once, and the audit is clean
"""
