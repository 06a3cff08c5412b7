"""The page of metrics and log lines against the code."""

import re

from statusgate import telemetry
from statusgate.api.account_metrics import account_metrics
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reference/events.md").read_text()
_LOGGED = re.compile(r"\blog\.(?:info|warning|error|exception)\(\s*\"([a-z_]+(?:\.[a-z_]+)?)\"")


def test_the_page_has_every_metric_with_its_kind_and_no_other() -> None:
    rows = re.findall(r"^\| `(statusgate_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    ours = {metric.name: metric.type for metric in telemetry.REGISTRY.collect()}
    of_accounts = account_metrics([], 0).decode()
    assert dict(rows) == ours | dict(re.findall(r"^# TYPE (\w+) (\w+)", of_accounts, re.M))


def test_the_page_has_every_event_of_the_log() -> None:
    sources = (ROOT / "src/statusgate").rglob("*.py")
    logged = {name for path in sources for name in _LOGGED.findall(path.read_text())}
    assert logged
    assert {name for name in logged if f"`{name}`" not in PAGE} == set()
