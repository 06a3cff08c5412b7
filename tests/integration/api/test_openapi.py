"""F25: whatever the OpenAPI document allows, and what it does not, gets a documented answer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from statusgate.api.openapi import openapi_document
from tests.integration.api.running import ADMIN, Tenant

CASES = 20
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(json.loads(openapi_document()))
FOUND: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]
OPERATIONS = {found.definition.raw["operationId"]: found for found in FOUND}


def fuzz(operation: Any, address: Callable[[Case[Any], bool], None], url: str) -> None:
    """Send valid and invalid cases, with the right credentials and with others."""
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.integers(0, 29).map(bool))
    def check(case: Case[Any], known: bool) -> None:
        address(case, known)
        case.validate_response(case.call(base_url=url), checks=CHECKS)

    check()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_answer_is_documented(tenant: Tenant, name: str) -> None:
    def address(case: Case[Any], known: bool) -> None:
        """Let most cases through the door, and let nobody start a real engine."""
        if known and name != "updateApiToken":
            secrets = {"apiTokenInstance": tenant.token, "partnerToken": ADMIN}
            values = secrets | {"idInstance": tenant.id}
            case.path_parameters |= {
                key: value for key, value in values.items() if key in case.path_parameters
            }
        if name == "createInstance" and isinstance(case.body, dict):
            case.body["engine"] = "simulated"

    tenant.running.built.services.notifications.close()  # nobody waits
    tenant.running.built.services.live.close()
    await asyncio.to_thread(fuzz, OPERATIONS[name], address, tenant.running.url)
    assert (await tenant.running.request("GET", "/health/ready")).code == 200
