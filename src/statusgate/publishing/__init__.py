"""A status of ours, from acceptance to outcome.

Accepted in one transaction, which is all a caller waits for. Then the file is fetched and
converted (``preparing``), the head of each instance's queue is handed to its engine
(``queues``), and the outcome is recorded (``outcomes``). Everything is found again in the
outbox after a crash; the engine is asked with the same key as before, so that nothing is on
the wire twice.
"""
