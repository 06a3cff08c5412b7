"""Settings: file < environment < flag, and a wrong value names itself."""

from pathlib import Path

import pytest

from statusgate.settings import Settings, SettingsError, load_settings, unknown_variables


def test_defaults_serve_a_newcomer_on_loopback() -> None:
    settings = load_settings(None, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.data_folder == Path("data")


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "statusgate.toml"
    file.write_text("port = 1\nhost = '127.0.0.2'\nretention_days = 7\n")
    settings = load_settings(
        file, {"STATUSGATE_PORT": "2", "STATUSGATE_HOST": "127.0.0.3"}, port=3
    )
    assert (settings.port, settings.host, settings.retention_days) == (3, "127.0.0.3", 7)


def test_an_unset_flag_is_silent() -> None:
    assert load_settings(None, {"STATUSGATE_PORT": "9"}, port=None).port == 9


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "seventy"), ("port", "65536"), ("retention_days", "0"), ("rate_profile", "fast")],
)
def test_a_wrong_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings(None, {f"STATUSGATE_{name.upper()}": value})


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "statusgate.toml"
    file.write_text("prot = 8080\n")
    with pytest.raises(SettingsError, match="prot"):
        load_settings(file, {})


@pytest.mark.parametrize("content", [b"port = [", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(file, {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings(tmp_path / "nowhere.toml", {})


def test_an_empty_environment_value_of_a_number_counts_as_unset() -> None:
    assert load_settings(None, {"STATUSGATE_MAX_AUDIENCE": ""}).max_audience is None


def test_data_lie_beside_the_sqlite_file_unless_said_otherwise() -> None:
    assert Settings(database="sqlite:////var/lib/sg/x.db").data_folder == Path("/var/lib/sg")
    assert Settings(database="postgresql://h/d").data_folder == Path("data")
    assert Path(Settings(data="/srv/sg").media_store) == Path("/srv/sg/media")


def test_every_setting_is_documented() -> None:
    text = Path("docs/reference/settings.md").read_text()
    missing = [name for name in Settings.__struct_fields__ if f"`{name}`" not in text]
    assert missing == []


def test_a_variable_that_means_nothing_is_named_with_what_was_meant() -> None:
    environ = {"STATUSGATE_PROT": "1", "STATUSGATE_QQQQQQQ": "", "STATUSGATE_TOKEN": "x"}
    assert unknown_variables(environ) == [
        "STATUSGATE_PROT is not a setting; did you mean STATUSGATE_PORT?",
        "STATUSGATE_QQQQQQQ is not a setting",
    ]
