"""The API described by itself: ``/openapi.json``, and ``/docs/api`` for people.

Both are made when they are first asked for, so that a server nobody asks does not pay for them.
"""

import asyncio

from statusgate.api.answers import Answers, Call, Header, Send, send_answer
from statusgate.api.openapi import openapi_document
from statusgate.api.pages import GUARDS
from statusgate.api.reference_page import reference_page, style_source
from statusgate.api.routes import BodyRoute, Route


class OpenApi(BodyRoute):
    """``/openapi.json``"""

    needs_start = False

    def __init__(self, answers: Answers, url: str) -> None:
        super().__init__("openapi.json", "GET", answers)
        self._url = url

    async def answer(self, _call: Call) -> bytes:
        return await asyncio.to_thread(openapi_document, self._url)


class ReferencePage(Route):
    """``/docs/api``: a page that may do nothing but show itself."""

    content_type = b"text/html; charset=utf-8"
    needs_start = False

    def __init__(self, answers: Answers, url: str) -> None:
        super().__init__("docs/api", "GET", answers)
        self._url = url
        policy = (
            f"default-src 'none'; style-src {style_source()}; form-action 'none'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        self._fixed: list[Header] = [
            (b"content-type", self.content_type),
            (b"cache-control", b"no-cache"),
            (b"content-security-policy", policy.encode()),
            *GUARDS,
        ]

    async def respond(self, call: Call, send: Send) -> int:
        """Send the page."""
        page = await asyncio.to_thread(reference_page, self._url)
        headers = [*self._fixed, (b"content-length", b"%d" % len(page))]
        await send_answer(call, send, 200, headers, page)
        return 200
