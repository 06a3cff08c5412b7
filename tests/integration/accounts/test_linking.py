"""What ``qr`` answers while an account is being linked."""

from typing import Any

import pytest

from statusgate.accounts.linking import STARTING, Linking
from statusgate.domain.events import LinkingEnded, QrCode
from tests.clocks import VirtualClock
from tests.databases import new_instance
from tests.factories import INSTANCE


class Instances:
    def listen(self, _listener: Any) -> None:
        return


class Engine:
    """One whose attempts the test ends."""

    attempts = 0

    async def begin_linking(self) -> None:
        self.attempts += 1


@pytest.fixture
def linking() -> Linking:
    instances: Any = Instances()
    return Linking(instances, VirtualClock())


async def test_an_attempt_that_ends_without_a_code_says_why(linking: Linking) -> None:
    engine: Any = Engine()
    told = [await linking.qr(new_instance(), engine)]
    linking.take(INSTANCE, LinkingEnded(reason="WhatsApp cannot be reached"))
    told.append(await linking.qr(new_instance(), engine))
    told.append(await linking.qr(new_instance(), engine))
    assert [one.message for one in told] == [STARTING, *["WhatsApp cannot be reached"] * 2]
    assert engine.attempts == 3
    linking.take(INSTANCE, QrCode(payload="one"))
    assert (await linking.qr(new_instance(), engine)).type == "qrCode"


@pytest.mark.parametrize("runs_out", [True, False])
async def test_codes_that_ran_out_are_no_obstacle(linking: Linking, *, runs_out: bool) -> None:
    engine: Any = Engine()
    linking.take(INSTANCE, QrCode(payload="one"))
    if runs_out:
        linking.take(INSTANCE, QrCode(payload=""))
    linking.take(INSTANCE, LinkingEnded(reason="timeout"))
    told = await linking.qr(new_instance(), engine)
    assert (told.type, told.message) == ("error", STARTING)
