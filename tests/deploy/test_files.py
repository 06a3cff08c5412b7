"""The files of ``deploy/`` name only what the gateway has, and their programs take them."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

from statusgate.api.account_metrics import account_metrics
from statusgate.api.engine_metrics import engine_metrics
from statusgate.domain.instance import State
from statusgate.engines.neonize.hosts import Hosts
from statusgate.settings import load_settings, unknown_variables
from statusgate.telemetry import REGISTRY
from tests.deploy.proxies import DEPLOY, replaced
from tests.docs.pages import ROOT

UNIT = (DEPLOY / "statusgate.service").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
GRAFANA: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
MADE_WHEN_ASKED = account_metrics([], 0) + engine_metrics(Hosts(), each=True)
METRICS = set(re.findall(r"^# TYPE (\w+)", MADE_WHEN_ASKED.decode(), re.M)) | {
    family.name + suffix
    for family in REGISTRY.collect()
    for suffix in {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(
        family.type, [""]
    )
}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(which(program) is None, reason=f"{program} is not installed")


def run(*words: str, folder: Path = DEPLOY) -> str:
    """What a program said; it must have been content."""
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _expressions() -> Iterator[str]:
    for group in ALERTS["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in GRAFANA["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_alerts_and_dashboard_ask_only_for_metrics_that_there_are() -> None:
    asked = {name for one in _expressions() for name in re.findall(r"statusgate_\w+", one)}
    assert asked - METRICS == set()


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name for one in _expressions() for name in re.findall(r"statusgate_\w+", one)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRICS}
    assert families - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == set()


def test_alerts_name_only_states_that_there_are() -> None:
    named = re.findall(r'state=~?"([\w|]+)"', " ".join(_expressions()))
    assert {state for one in named for state in one.split("|")} <= set(State)


@needs("promtool")
def test_each_alert_fires_when_it_should_and_only_then() -> None:
    tested = (DEPLOY / "alerts_test.yaml").read_text()
    named = {rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert [name for name in sorted(named) if name not in tested] == []
    run("promtool", "check", "rules", "alerts.yaml")
    run("promtool", "test", "rules", "alerts_test.yaml")


@needs("promtool")
def test_prometheus_takes_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    asked = [one.replace("$__rate_interval", "5m") for one in _expressions()]
    rules = [{"record": f"it:{n}", "expr": one} for n, one in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    run("promtool", "check", "rules", str(file))


def _unit_of(folder: Path) -> Path:
    """The unit as it stands, with a command that this machine has."""
    unit = folder / "statusgate.service"
    here = {"/opt/statusgate/bin/statusgate serve": "/bin/true"}
    here |= {f"{word}=statusgate\n": "" for word in ("User", "Group")}
    unit.write_text(replaced(UNIT, here))
    return unit


@needs("systemd-analyze")
def test_systemd_takes_the_unit_and_finds_it_confined(tmp_path: Path) -> None:
    unit = _unit_of(tmp_path)
    assert "statusgate.service" not in run("systemd-analyze", "verify", str(unit))
    run("systemd-analyze", "security", "--offline=true", "--threshold=15", "statusgate.service")


def test_the_settings_of_the_service_are_taken_and_fit_its_folders() -> None:
    settings = load_settings(DEPLOY / "statusgate.toml", {})
    state = Path("/var/lib/statusgate")
    assert settings.data_folder == state
    assert settings.database == f"sqlite:///{state}/statusgate.db"
    assert f"StateDirectory={state.name}" in UNIT
    assert "STATUSGATE_CONFIG=/etc/statusgate/statusgate.toml" in UNIT
    assert load_settings(None, {}).port == 8080


def _variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+):\?", text))


def test_compose_asks_for_what_the_example_has_and_sets_only_settings() -> None:
    example = (DEPLOY / "env.example").read_text()
    assert _variables((DEPLOY / "compose.yaml").read_text()) == set(
        re.findall(r"^(\w+)=", example, re.M)
    )
    environment = COMPOSE["services"]["gateway"]["environment"]
    image = dict(re.findall(r"^ +(STATUSGATE_\w+)=(\S+)", DOCKERFILE, re.M))
    assert unknown_variables(image | environment) == []
    settings = load_settings(None, image | environment)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert settings.data_folder == Path("/data")


def test_compose_trusts_the_network_of_the_proxy_only() -> None:
    [network] = COMPOSE["networks"]["front"]["ipam"]["config"]
    gateway = COMPOSE["services"]["gateway"]
    assert gateway["environment"]["STATUSGATE_TRUSTED_PROXIES"] == network["subnet"]
    assert COMPOSE["services"]["postgres"]["networks"] == ["back"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert "ports" not in gateway


def test_no_container_of_ours_has_privileges_or_writes_beside_its_volumes() -> None:
    for name in ("gateway", "proxy"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"^USER (?!0|root)\d+", DOCKERFILE, re.M)


def test_the_image_gets_every_file_that_its_steps_copy() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


@pytest.mark.parametrize("page", sorted((ROOT / ".github").rglob("*.y*ml")), ids=str)
def test_the_forms_and_workflows_are_yaml(page: Path) -> None:
    assert isinstance(yaml.safe_load(page.read_text()), dict)
