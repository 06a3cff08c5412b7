"""Publishing: statuses of the API on their way to WhatsApp, and what became of them.

Accepted in one transaction, which is all a caller waits for. Then the file is fetched and
converted (``preparing``), the head of each instance's queue is handed to its engine
(``queues``), and the outcome is recorded (``outcomes``). Everything is found again in the
outbox after a crash; the engine is asked with the same key as before, so that nothing is on
the wire twice.
"""

from statusgate.services.publishing.accepting import Publishing
from statusgate.services.publishing.assembly import Parts, Surroundings, assemble
from statusgate.services.publishing.deleting import Deleting
from statusgate.services.publishing.reports import Reports

__all__ = ["Deleting", "Parts", "Publishing", "Reports", "Surroundings", "assemble"]
