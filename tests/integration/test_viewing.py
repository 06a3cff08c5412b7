"""How the author of a status is named when it is marked as viewed."""

from typing import Any

import pytest

from statusgate.changes.publisher import ChangePublisher
from statusgate.domain.address import Address
from statusgate.domain.instance import State
from statusgate.journal import Transaction, open_journal
from statusgate.publishing.reports import Reports
from tests.clocks import VirtualClock
from tests.databases import new_instance
from tests.factories import INSTANCE, new_status

BOTH = Address(phone="79000000005", lid="222000000000005")


class Account:
    """An account whose engine remembers whom it was told to send a view to."""

    def __init__(self) -> None:
        self.author = Address()

    def live_engine(self, _instance: Any) -> Any:
        return self

    async def mark_viewed(self, _wire_id: str, author: Address) -> None:
        self.author = author


@pytest.mark.parametrize(
    ("by_lid", "named"), [(False, BOTH), (True, Address(lid=BOTH.lid))], ids=["phone", "lid"]
)
async def test_a_view_names_the_author_in_the_form_in_which_the_status_came(
    by_lid: bool, named: Address
) -> None:
    journal = open_journal("sqlite:///:memory:")
    try:
        instance = new_instance(state=State.AUTHORIZED)
        new = new_status(author=BOTH, by_lid=by_lid)

        def begin(tx: Transaction) -> None:
            tx.create_instance(instance)
            tx.record_status(INSTANCE, new)

        await journal.write(None, begin)
        account = Account()
        accounts: Any = account
        publisher = ChangePublisher(journal)
        clock = VirtualClock()
        reports = Reports(journal, publisher, accounts, clock, public_url="", max_audience=None)
        await reports.view(instance, new.status_id, None)
        assert account.author == named
        viewed = await journal.read(lambda tx: tx.status(INSTANCE, new.status_id))
        assert viewed is not None
        assert viewed.viewed_ms is not None
    finally:
        await journal.close()
