"""Where settings come from, which place wins, and how a wrong one is said: the place, the key, and what to write instead."""

from pathlib import Path

import pytest

from bedside.configuration import Loaded, load, shown
from bedside.exits import CommandFailed, Exit
from bedside.gateway import load_gateway
from hub.settings import HubSettings, Level

HUB = 'database_url = "sqlite+aiosqlite:///r"\n[auth]\nsecret_file = "s"\n'
GATEWAY = 'gateway_id = "gw-1"\nstate_dir = "state"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(HUB)
    return path


def loaded(
    file: Path | None, text: str = "", *, overrides: dict | None = None, **environment: str
) -> Loaded[HubSettings]:
    """The hub's settings with `text` in front of the file's, and `environment` under our prefix."""
    if file is not None and text:
        file.write_text(text + "\n" + HUB)
    named = {f"BEDSIDE_{name}": value for name, value in environment.items()}
    return load(HubSettings, file=file, overrides=overrides, environment=named)


def failure(file: Path | None, text: str = "", *, overrides: dict | None = None, **environment: str) -> str:
    """What is said against it, with its exit code in front."""
    with pytest.raises(CommandFailed) as refused:
        loaded(file, text, overrides=overrides, **environment)
    return f"{refused.value.code.value} {refused.value}"


def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(file):
    assert loaded(file).settings.port == 5054
    assert loaded(file, "port = 1001").settings.port == 1001
    assert loaded(file, "port = 1001", PORT="1002").settings.port == 1002
    assert loaded(file, "port = 1001", overrides={"port": 1003}, PORT="1002").settings.port == 1003


def test_an_override_of_none_is_none(file):
    assert loaded(file, "port = 1001", overrides={"port": None}).settings.port == 1001


def test_it_is_told_where_each_value_came_from(file):
    origins = loaded(file, "port = 1001", overrides={"role": "all"}, MQTT__HOST="broker", HOST="::1").origins
    assert {key: origins.get(key) for key in ("port", "mqtt.host", "host", "role", "mqtt.port")} == {
        "port": str(file),
        "mqtt.host": "BEDSIDE_MQTT__HOST",
        "host": "BEDSIDE_HOST",
        "role": "--role",
        "mqtt.port": None,
    }


def test_the_environment_alone_is_enough():
    settings = loaded(None, DATABASE_URL="sqlite+aiosqlite://", AUTH__SECRET_FILE="/s", PRODUCTION="true").settings
    assert (settings.auth.secret_file, settings.production) == (Path("/s"), True)


def test_an_empty_variable_counts_as_not_set(file):
    assert loaded(file, REGISTRY_FILE="", PORT="").settings == loaded(file).settings


def test_other_programs_variables_are_left_alone(file):
    assert loaded(file, STATE="/x", TOOLS="/y", SOMETHING="z").settings == loaded(file).settings


@pytest.mark.parametrize(
    "said",
    [
        '[logging.loggers]\n"hub.rooms" = "DEBUG"\n',
        "[logging.loggers]\nhub.rooms = 'DEBUG'\n",
        "[logging.loggers.hub]\nrooms = 'DEBUG'\n",
    ],
)
def test_a_loggers_name_has_dots_in_whatever_way_it_is_written(tmp_path, said):
    path = tmp_path / "hub.toml"
    path.write_text(HUB + said)
    assert loaded(path).settings.logging.loggers == {"hub.rooms": Level.DEBUG}


def test_a_logger_can_be_named_by_a_variable_beside_those_of_the_file(tmp_path):
    path = tmp_path / "hub.toml"
    path.write_text(HUB + '[logging.loggers]\nhub = "ERROR"\n')
    settings = loaded(path, LOGGING__LOGGERS__APP__SERVICES__WEBSOCKET_MANAGER="DEBUG").settings
    assert settings.logging.loggers == {"hub": Level.ERROR, "app.services.websocket_manager": Level.DEBUG}


def test_what_is_wrong_is_said_with_its_place_and_its_key(file):
    assert failure(file, PORT="many") == "3 BEDSIDE_PORT: Expected `int`, got `str`"
    assert failure(file, MQTT="x") == "3 BEDSIDE_MQTT: Expected `object`, got `str`"
    assert failure(file, overrides={"port": 70000}) == "2 --port: Expected `int` <= 65535"
    assert failure(file, "port = 70000") == f"3 {file}: port: Expected `int` <= 65535"
    assert failure(file, "port = 1.5") == f"3 {file}: port: Expected `int`, got `float`"
    assert failure(file, "registry_file = 1") == f"3 {file}: registry_file: Expected `str`, got `int`"
    assert failure(file, "limits = {ping_seconds = 0}").startswith(
        f"3 {file}: limits.ping_seconds: Expected `float` > 0"
    )


def test_a_wrong_word_is_answered_with_the_words_that_there_are(file):
    there = "there are DEBUG, INFO, WARNING, ERROR, CRITICAL"
    assert failure(file, LOGGING__LEVEL="loud") == f"3 BEDSIDE_LOGGING__LEVEL: Invalid enum value 'loud'; {there}"
    assert failure(file, LOGGING__LOGGERS__HUB="loud").endswith(
        f"BEDSIDE_LOGGING__LOGGERS__HUB: Invalid enum value 'loud'; {there}"
    )
    assert failure(file, 'role = "boss"').endswith(": role: Invalid enum value 'boss'; there are all, ingest, serve")


def test_one_text_in_place_of_a_list_is_told_to_be_a_list(tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text('database_url = "x"\nauth = {origins = "https://a"}\n')
    assert failure(file) == (
        f'3 {file}: auth.origins: Expected `array`, got `str`; write a list in the file: origins = ["…"]'
    )


def test_of_two_loggers_in_the_file_and_the_environment_neither_is_blamed_alone(tmp_path):
    path = tmp_path / "hub.toml"
    path.write_text(HUB + '[logging.loggers]\nhub = "loud"\n')
    assert failure(path, LOGGING__LOGGERS__REDIS="INFO").startswith(f"3 {path}: logging.loggers: Invalid enum value")


def test_a_missing_key_is_named_with_what_to_write(tmp_path):
    path = tmp_path / "hub.toml"
    path.write_text("")
    assert failure(path) == f"3 {path}: database_url is missing; write database_url = …, or set BEDSIDE_DATABASE_URL"
    assert failure(None).startswith("3 the configuration: database_url is missing")


def test_an_unknown_key_is_answered_with_the_nearest_or_with_all(file):
    assert (
        failure(file, MQTT__HOSST="x") == "3 BEDSIDE_MQTT__HOSST: there is no key mqtt.hosst; did you mean mqtt.host?"
    )
    assert failure(file, "prot = 1") == f"3 {file}: there is no key prot; did you mean port?"
    assert failure(file, "zzz = 1").startswith(f"3 {file}: there is no key zzz; there are auth, database_url, host,")
    slip = failure(file, "limits = {pin_seconds = 1}")
    assert slip == f"3 {file}: there is no key limits.pin_seconds; did you mean limits.ping_seconds?"


def test_a_slip_in_a_variables_name_is_not_passed_over(file):
    said = failure(file, PRODUCTOIN="true")
    assert said == "3 BEDSIDE_PRODUCTOIN: there is no such key; did you mean BEDSIDE_PRODUCTION?"


def test_a_key_is_not_a_value_and_a_table_at_once(file):
    assert failure(file, MQTT="x", MQTT__HOST="y") == "3 BEDSIDE_MQTT__HOST: mqtt is said to be a value already"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = ", "is no TOML: Invalid value"),
        (b"\xff\xfe", "is no TOML: 'utf-8' codec"),
        (b"port = 1\nport = 2", "is no TOML: Cannot overwrite"),
    ],
)
def test_a_file_that_is_no_toml_is_named(file, content, said):
    file.write_bytes(content)
    assert failure(file).startswith(f"3 {file}: {said}")


def test_a_file_that_can_not_be_read_is_named(tmp_path):
    assert failure(tmp_path / "none") == f"3 {tmp_path}/none: can't be read: No such file or directory"
    assert failure(tmp_path) == f"3 {tmp_path}: can't be read: Is a directory"


def test_what_is_shown_has_every_key_and_no_password(file):
    settings = loaded(
        file,
        DATABASE_URL="postgresql+psycopg://bedside:p@ss:word@db/x?password=more&sslmode=require",
        REDIS_URL="redis://:hidden@127.0.0.1:6379/0",
    ).settings
    values = shown(settings)
    assert values["database_url"] == "postgresql+psycopg://bedside:…@db/x?password=…&sslmode=require"
    assert values["redis_url"] == "redis://:…@127.0.0.1:6379/0"
    assert {"auth.secret_file", "limits.ping_seconds", "logging.level", "mqtt.ca_file"} <= set(values)


class TestGateway:
    """gateway.toml goes the same ways; its own rules are said with the same places."""

    def failure(self, tmp_path: Path, text: str = "", **environment: str) -> str:
        path = tmp_path / "gateway.toml"
        path.write_text(GATEWAY + text)
        with pytest.raises(CommandFailed) as refused:
            load_gateway(path, environment={f"BEDSIDE_{name}": value for name, value in environment.items()})
        assert refused.value.code is Exit.CONFIGURATION
        return str(refused.value).replace(str(path), "gateway.toml")

    def test_a_device_is_named_by_its_place(self, tmp_path):
        text = '[[devices]]\ndevice_id = "x"\ndriver = "{}"\n{}\n'
        assert self.failure(tmp_path, text.format("contec", "port = '/dev/x'")).startswith(
            "gateway.toml: devices[0].driver: there is no driver 'contec'; did you mean contec-"
        )
        assert self.failure(tmp_path, text.format("contec-v7", "prot = 1")).startswith(
            "gateway.toml: there is no key devices[0].prot; did you mean devices[0].port?"
        )
        assert self.failure(tmp_path, text.format("contec-v7", "address = 'C0:00:00:00:00:01'")).startswith(
            "gateway.toml: devices[0].port: is what driver contec-v7 needs"
        )

    def test_one_table_in_place_of_a_list_is_told_what_to_write(self, tmp_path):
        assert self.failure(tmp_path, "[devices]\nport = 'x'\n") == (
            "gateway.toml: devices is a list of tables: write [[devices]] before each"
        )
        assert "write [[devices]] before each" in self.failure(tmp_path, DEVICES__0__PORT="x")

    def test_a_variable_is_blamed_for_what_it_says(self, tmp_path):
        assert self.failure(tmp_path, MQTT__PORT="0") == "BEDSIDE_MQTT__PORT: Expected `int` >= 1"
        assert self.failure(tmp_path, GATEWAY_ID="a b") == (
            "BEDSIDE_GATEWAY_ID: must be 1 to 64 of the characters A-Z a-z 0-9 _ . -"
        )

    def test_devices_are_shown_one_key_each(self, tmp_path):
        path = tmp_path / "gateway.toml"
        path.write_text(GATEWAY + '[[devices]]\ndevice_id = "x"\ndriver = "contec-v7"\nport = "/dev/x"\n')
        found = load_gateway(path, environment={})
        assert shown(found.settings)["devices[0].zone"] == "UTC"
        assert found.origins.get("devices[0].port") == str(path)
        assert "devices[0].zone" not in found.origins
