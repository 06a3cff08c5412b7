"""What a stranger can send: the library hands these on, the product has to judge them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.waiting import until
from tests.whatsapp.client import FakeWhatsApp
from tests.whatsapp.engines import EngineError, RawEngine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("rules")]


def test_a_stranger_may_revoke_what_is_not_his(
    author: RawEngine, viewer: RawEngine, third: RawEngine
) -> None:
    """The revoke arrives under the stranger's address, naming another's status."""
    author.know(viewer.person)
    third.know(viewer.person)
    sent = author.post("mine")
    viewer.message(sent)
    forged = third.call("revoke", user=third.person.phone, message_id=sent)["id"]
    found = viewer.message(forged)
    assert found["Message"]["protocolMessage"]["key"]["ID"] == sent
    assert found["Info"]["MessageSource"]["Sender"]["User"] == third.person.phone
    assert not found["Info"]["MessageSource"]["IsFromMe"]


def test_history_from_a_stranger_is_no_history(viewer: RawEngine, third: RawEngine) -> None:
    sent = third.call(
        "send_history",
        user=viewer.person.phone,
        texts=["never said"],
        author=viewer.person.address(),
    )
    found = viewer.message(sent["id"])
    assert found["Message"]["protocolMessage"]["type"] == "HISTORY_SYNC_NOTIFICATION"
    assert viewer.found("HistorySyncEv") == []


def test_a_file_may_redirect_to_another_host(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine
) -> None:
    """The library follows it, only the proxy stands in the way; then it tries again."""
    author.know(viewer.person)
    found = viewer.message(author.post_file("image", b"redirected", caption=""))
    place = "https://example.org/internal"
    fake.fault("media", times=1, method="GET", status=302, location=place)
    downloading = viewer.begin("download", raw=found["raw"])
    broken = until(lambda: fake.violations(take=True))
    assert {each["target"] for each in broken} == {"example.org:443"}
    assert base64.b64decode(viewer.result(downloading)) == b"redirected"


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut": 10}])
def test_a_download_that_breaks_is_an_error(
    fake: FakeWhatsApp, author: RawEngine, viewer: RawEngine, fault: dict[str, Any]
) -> None:
    author.know(viewer.person)
    found = viewer.message(author.post_file("video", b"broken" * 100, seconds=3))
    assert found["Message"]["videoMessage"]["seconds"] == 3
    fake.fault("media", method="GET", **fault)
    with pytest.raises(EngineError):
        viewer.call("download", raw=found["raw"], deadline=60)
