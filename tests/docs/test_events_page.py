"""The pages of metrics and of log lines against the code."""

import re

from statusgate import telemetry
from statusgate.api.account_metrics import account_metrics
from statusgate.api.engine_metrics import engine_metrics
from statusgate.engines.neonize.hosts import Hosts
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs/reference"
PAGE = (REFERENCE / "events.md").read_text()
METRICS = (REFERENCE / "metrics.md").read_text()
_LOGGED = re.compile(r"\blog\.(?:info|warning|error|exception)\(\s*\"([a-z_]+(?:\.[a-z_]+)?)\"")


def test_the_page_has_every_metric_with_its_kind_and_no_other() -> None:
    rows = re.findall(r"^\| `(statusgate_\w+)` \| (\w+) \|", METRICS, re.MULTILINE)
    ours = {
        metric.name + ("_total" if metric.type == "counter" else ""): metric.type
        for metric in telemetry.REGISTRY.collect()
    }
    made = (account_metrics([], 0) + engine_metrics(Hosts(), each=True)).decode()
    assert dict(rows) == ours | dict(re.findall(r"^# TYPE (\w+) (\w+)", made, re.M))


def test_the_labels_of_the_page_are_those_that_are_served() -> None:
    given = dict(re.findall(r"^\| `(statusgate_\w+)` \| \w+ \|([\w, ]*)\|", METRICS, re.M))
    served = [sample for metric in telemetry.REGISTRY.collect() for sample in metric.samples]
    for sample in served:
        name = re.sub(r"_(bucket|sum|count|created)$", "", sample.name)
        labels = sample.labels.keys() - {"le"}
        if not sample.name.endswith("_created"):
            assert labels == set(filter(None, given[name].strip().split(", "))), name


def test_the_page_has_every_event_of_the_log() -> None:
    sources = (ROOT / "src/statusgate").rglob("*.py")
    logged = {name for path in sources for name in _LOGGED.findall(path.read_text())}
    assert logged
    assert {name for name in logged if f"`{name}`" not in PAGE} == set()
