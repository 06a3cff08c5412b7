"""The engines that instances can have, and the options they take."""

from pathlib import Path
from typing import Any, get_args

import pytest

from statusgate.domain.clock import SystemClock
from statusgate.domain.errors import InvalidRequest
from statusgate.domain.ids import InstanceId
from statusgate.domain.instance import EngineName, Instance
from statusgate.engines.options import OptionValue
from statusgate.engines.port import EngineContext
from statusgate.engines.registry import ENGINES, check_engine_options, kind_of


def instance(engine: EngineName, **options: OptionValue) -> Instance:
    return Instance(
        id=InstanceId(7), engine=engine, engine_options=options, token_digest=b"", created_ms=0
    )


def test_every_name_has_an_engine() -> None:
    assert set(ENGINES) == set(get_args(EngineName))


@pytest.mark.parametrize("engine", get_args(EngineName))
def test_every_engine_can_be_made_also_with_options_it_no_longer_knows(
    tmp_path: Path, engine: Any
) -> None:
    made = kind_of(instance(engine)).make(
        instance(engine, forgotten="yes"), tmp_path, EngineContext(clock=SystemClock())
    )
    assert callable(made.post_status)
    assert hasattr(made, "simulate") == kind_of(instance(engine)).is_sandbox


@pytest.mark.parametrize(
    ("engine", "options", "fault"),
    [
        ("simulated", {"profil": "lively"}, "there is no 'profil'; there are auto_authorize"),
        ("simulated", {"profile": "loud"}, "profile"),
        ("simulated", {"contacts": "-1"}, "contacts"),
        ("simulated", {"proxy": "http://x"}, "'proxy'"),
        ("neonize", {"profile": "lively"}, "there is no 'profile'; there are recipient_add"),
        ("neonize", {"recipient_addressing": "phone"}, "recipient_addressing"),
        ("neonize", {"legacy_fonts": "yes"}, "legacy_fonts"),
    ],
)
def test_an_unknown_or_wrong_option_is_named(
    engine: EngineName, options: dict[str, OptionValue], fault: str
) -> None:
    with pytest.raises(InvalidRequest) as found:
        check_engine_options(instance(engine, **options))
    assert fault in found.value.detail


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("simulated", {"auto_authorize": "off", "push_name": "yes", "contacts": "12"}),
        ("neonize", {"recipient_addressing": "lid", "legacy_fonts": "map"}),
        ("neonize", {}),
    ],
)
def test_options_may_be_text(engine: EngineName, options: dict[str, OptionValue]) -> None:
    check_engine_options(instance(engine, **options))


def test_a_sandbox_links_itself_unless_told_otherwise() -> None:
    def links_itself(made: Instance) -> bool:
        return kind_of(made).links_itself(made)

    assert links_itself(instance("simulated"))
    for no in ("no", "off", "false", "0", False):
        assert not links_itself(instance("simulated", auto_authorize=no))
    assert not links_itself(instance("neonize"))
