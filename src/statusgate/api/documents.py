"""The API described by itself: ``/openapi.json``, and ``/docs/api`` for people.

Both are made when they are first asked for, so that a server nobody asks does not pay for them.
"""

import asyncio
import functools

from statusgate.api.answers import Answers, Call, Send
from statusgate.api.openapi import openapi_document
from statusgate.api.pages import ANEW, GUARDS, File, Redirect, digest_of
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

    needs_start = False

    def __init__(self, answers: Answers, url: str) -> None:
        super().__init__("docs/api", "GET", answers)
        self._url = url
        self._redirect = Redirect(answers, b"../api")

    async def respond(self, call: Call, send: Send) -> int:
        """Send the page; lead to it from its path with a slash at the end."""
        if call.scope["raw_path"].endswith(b"/"):
            return await self._redirect.respond(call, send)
        page = await asyncio.to_thread(_page, self._url)
        return await page.respond(call, send)


@functools.cache
def _page(url: str) -> File:
    policy = (
        f"default-src 'none'; style-src {style_source()}; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    body = reference_page(url)
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", ANEW),
        (b"content-security-policy", policy.encode()),
        *GUARDS,
    ]
    return File(body, digest_of(body), headers)
