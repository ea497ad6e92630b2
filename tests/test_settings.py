"""Settings from file and environment: every fault in one line that says what to change, and all of them at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.settings import EXAMPLE_FILE, Settings, SettingsFault, exposed, load


def write(folder: Path, text: str) -> Path:
    file = folder / "herald.toml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(environment: dict[str, str], file: Path) -> list[str]:
    with pytest.raises(SettingsFault) as caught:
        load(environment, file)
    assert str(caught.value).splitlines() == caught.value.faults
    return caught.value.faults


GOOD = """
languages = ["zh"]
[channels]
"slack/review" = "C1"
"telegram/community" = -100123
[watch]
channels = ["telegram/community"]
[review]
channels = ["slack/review"]
undo_seconds = 3
[roles]
approver = ["slack:T1:U1", "discord:G1:role:R1"]
[telegram]
token = "1:from-file"
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    settings = load({}, write(tmp_path, GOOD))
    assert settings.languages == ("zh",)
    assert settings.channels == {"slack/review": "C1", "telegram/community": "-100123"}
    assert settings.channel_ids(settings.watch.channels, "telegram") == ("-100123",)
    assert settings.channel_ids(settings.watch.channels, "slack") == ()
    assert settings.review.undo_seconds == 3
    assert settings.configured() == ("telegram",)
    assert [grant.platform_role for grant in settings.roles.grants()] == [None, "R1"]


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load({}, write(tmp_path, text)).model_dump(exclude={"data_dir", "knowledge"}) == Settings().model_dump(
        exclude={"data_dir", "knowledge"}
    )


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load({}, tmp_path / "missing.toml").configured() == ()


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {
        "HERALD_TELEGRAM__TOKEN": "2:from-environment",
        "HERALD_REVIEW__UNDO_SECONDS": "7.5",
        "HERALD_REVIEW__FOUR_EYES": "true",
        "HERALD_LANGUAGES": '["en", "zh"]',
        "HERALD_CHANNELS": json.dumps({"slack/review": "C9", "telegram/community": -5, "discord/x": "1"}),
        "HERALD_LOG_LEVEL": "DEBUG",
        "HERALD_CLOCK_FILE": str(tmp_path / "clock"),
        "HERALD_DATA_DIR": str(tmp_path),
        "PATH": "/bin",
        "herald_languages": "[]",
    }
    settings = load(environment, write(tmp_path, GOOD))
    assert settings.telegram.token.get_secret_value() == "2:from-environment"
    assert (settings.review.undo_seconds, settings.review.four_eyes) == (7.5, True)
    assert settings.languages == ("en", "zh")
    assert settings.channels == {"slack/review": "C9", "telegram/community": "-5", "discord/x": "1"}
    assert (settings.log_level, settings.data_dir) == ("DEBUG", tmp_path)
    assert settings.clock_file == tmp_path / "clock"


def test_the_environment_may_stand_alone(tmp_path: Path) -> None:
    settings = load({"HERALD_SLACK__BOT_TOKEN": "xoxb-1", "HERALD_SLACK__APP_TOKEN": "xapp-1"}, tmp_path / "none")
    assert settings.configured() == ("slack",)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("3:secret\n")
    settings = load({"HERALD_TELEGRAM__TOKEN_FILE": str(secret)}, write(tmp_path, GOOD))
    assert settings.telegram.token.get_secret_value() == "3:secret"


def test_a_secret_is_shown_nowhere(tmp_path: Path) -> None:
    settings = load({"HERALD_OPENAI__API_KEY": "sk-very-secret"}, write(tmp_path, GOOD))
    assert "sk-very-secret" not in repr(settings)
    assert "1:from-file" not in str(settings)
    shown = faults({"HERALD_SLACK__BOT_TOKEN": '["xoxb-in-a-list"]'}, write(tmp_path, GOOD))
    assert "xoxb" not in "\n".join(shown)


def test_secret_files_that_are_missing_are_all_named(tmp_path: Path) -> None:
    environment = {"HERALD_SLACK__BOT_TOKEN_FILE": "/nowhere/a", "HERALD_DISCORD__TOKEN_FILE": "/nowhere/b"}
    found = faults(environment, write(tmp_path, GOOD))
    assert found == [
        "HERALD_SLACK__BOT_TOKEN_FILE: /nowhere/a cannot be read: No such file or directory",
        "HERALD_DISCORD__TOKEN_FILE: /nowhere/b cannot be read: No such file or directory",
    ]


def test_all_faults_of_values_are_told_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'languages = ["en", "fr"]\nlimits = "few"\nunknown = 1\n[review]\nundo_seconds = -1\ntypo = 2\n'
        '[drafting]\nmax_length = "long"\n[delivery]\nlease = 0\n[slack]\ntoken = "x"\n',
    )
    found = faults({}, file)
    for name in (
        "languages.1", "limits", "unknown", "review.undo_seconds", "review.typo", "drafting.max_length",
        "delivery.lease", "slack.token",
    ):  # fmt: skip
        assert [line for line in found if line.startswith(f"{file}: {name}: ")], (name, found)
    assert len(found) == 8
    assert sum("there is no such setting" in line for line in found) == 3


def test_all_faults_of_names_are_told_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[channels]\n"irc/x" = "1"\n"slack" = "2"\n"slack/" = "3"\n[watch]\nchannels = ["slack/nowhere"]\n'
        '[review]\nchannels = ["discord/nowhere"]\n[roles]\nadmin = ["ana"]\napprover = ["slack:T1:role"]\n',
    )
    found = faults({}, file)
    expected = (
        "'irc/x'", "'slack'", "'slack/'", "watch.channels: 'slack/nowhere'", "review.channels: 'discord/nowhere'",
        "roles.admin: 'ana'", "roles.approver: 'slack:T1:role'",
    )  # fmt: skip
    for name in expected:
        assert [line for line in found if name in line], name
    assert len(found) == 7


def test_faults_of_every_sort_are_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, 'limits = "few"\n[watch]\nchannels = ["slack/nowhere"]\n')
    found = faults({"HERALD_SLACK__BOT_TOKEN_FILE": "/nowhere/a"}, file)
    assert len(found) == 3


def test_a_language_for_an_unknown_channel_is_a_fault(tmp_path: Path) -> None:
    found = faults({}, write(tmp_path, GOOD + '[channel_languages]\n"slack/nowhere" = "zh"\n'))
    assert "slack/nowhere" in found[0]


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_bytes(b"\xff\xfe\x00")
    assert "TOKEN_FILE" in faults({"HERALD_TELEGRAM__TOKEN_FILE": str(secret)}, write(tmp_path, GOOD))[0]


@pytest.mark.parametrize("text", ["[channels", "a = ", "a = 1\na = 2", '"', "[review]\n[review]"])
def test_what_is_not_toml(tmp_path: Path, text: str) -> None:
    (found,) = faults({}, write(tmp_path, text))
    assert "not valid TOML" in found
    assert "herald.toml" in found


def test_what_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "herald.toml"
    file.write_bytes(b"\xff\xfe")
    assert "cannot be read" in faults({}, file)[0]
    file.unlink()
    file.mkdir()
    assert "cannot be read" in faults({}, file)[0]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    named = tmp_path / "mine.toml"
    with pytest.raises(SettingsFault, match="HERALD_CONFIG"):
        load({"HERALD_CONFIG": str(named)})
    named.write_text('log_level = "ERROR"\n')
    assert load({"HERALD_CONFIG": str(named)}).log_level == "ERROR"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HERALD_SLACK__TYPO", "x"),
        ("HERALD_SLAK__BOT_TOKEN", "x"),
        ("HERALD_NOTHING", "x"),
        ("HERALD_REVIEW", "x"),
        ("HERALD_REVIEW__UNDO_SECONDS__MORE", "1"),
        ("HERALD_CHANNELS", "{broken"),
        ("HERALD_LANGUAGES", "en"),
        ("HERALD_HTTP__BIND", "8421"),
        ("HERALD_HTTP__BIND", "127.0.0.1"),
        ("HERALD_HTTP__BIND", "127.0.0.1:65536"),
    ],
)
def test_faults_of_the_environment(tmp_path: Path, name: str, value: str) -> None:
    assert len(faults({name: value}, write(tmp_path, ""))) == 1


@pytest.mark.parametrize("name", ["HERALD_REDIS_URL", "HERALD_DATABASE_URL"])
def test_what_other_parts_read_is_left_to_them(tmp_path: Path, name: str) -> None:
    load({name: "x"}, write(tmp_path, ""))


@pytest.mark.parametrize(
    ("bind", "address"),
    [("", None), ("127.0.0.1:8421", ("127.0.0.1", 8421)), ("[::1]:0", ("::1", 0)), ("herald:80", ("herald", 80))],
)
def test_where_health_is_told(tmp_path: Path, bind: str, address: tuple[str, int] | None) -> None:
    assert load({"HERALD_HTTP__BIND": bind}, write(tmp_path, "")).http.address == address


def test_channels_by_name_carry_the_tenant_that_is_set(tmp_path: Path) -> None:
    settings = load({}, write(tmp_path, GOOD + '[tenants]\n"slack/review" = "T9"\n'))
    names = ("slack/review", "telegram/community")
    assert [str(channel) for channel in settings.named(names, {"slack": "T1", "telegram": "1"})] == [
        "slack:T9:C1", "telegram:1:-100123"]  # fmt: skip
    assert [str(channel) for channel in settings.named(names, {})] == ["slack:T9:C1"]


def test_the_example_is_valid() -> None:
    settings = load({}, EXAMPLE_FILE)
    assert settings.review.channels
    assert settings.configured() == ()


@pytest.mark.parametrize(
    ("mode", "text", "told"),
    [
        (0o644, '[telegram]\ntoken = "123:abc"\n', True),
        (0o600, '[telegram]\ntoken = "123:abc"\n', False),
        (0o644, '[telegram]\ntoken = ""\n# token = "123:abc"\n', False),
    ],
)
def test_a_file_with_tokens_that_others_can_read_is_noticed(tmp_path: Path, mode: int, text: str, told: bool) -> None:
    """Attack 47."""
    file = write(tmp_path, text)
    file.chmod(mode)
    assert exposed(file) is told


@pytest.mark.parametrize("zone", ["asia/shanghai", "Asia", "localtime", "../UTC", "", "UTC+8", "Europe/Berlin/"])
def test_a_zone_that_the_database_does_not_know_is_a_fault(tmp_path: Path, zone: str) -> None:
    found = faults({}, write(tmp_path, f'timezone = "{zone}"'))
    assert len(found) == 1
    assert "timezone" in found[0]
    assert "Continent/City" in found[0]


def test_zones_are_taken_by_their_name(tmp_path: Path) -> None:
    assert load({}, write(tmp_path, 'timezone = "Asia/Shanghai"')).timezone == "Asia/Shanghai"
    assert load({"HERALD_TIMEZONE": "Europe/Berlin"}, tmp_path / "none.toml").timezone == "Europe/Berlin"


def test_the_keys_of_polls_lie_with_the_data_or_where_it_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    assert load({}, write(folder, 'data_dir = "here"')).ballot_keys == tmp_path / "here" / "ballots"
    assert load({}, write(folder, '[polls]\nkeys = "apart"')).ballot_keys == tmp_path / "apart"


@pytest.mark.parametrize(
    "line", ['open_to = "nobody"', "active_days = 0", "default_hours = 0", "default_hours = 9000", "kinds = []"]
)
def test_what_polls_cannot_be_set_to_is_a_fault(tmp_path: Path, line: str) -> None:
    assert len(faults({}, write(tmp_path, f"[polls]\n{line}"))) == 1


def test_giveaways_use_the_public_beacon_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    giveaways = load({}, write(tmp_path, "")).giveaways
    assert giveaways.beacon == "drand"
    assert len({url.split("/")[2] for url in giveaways.beacon_urls}) == 3
    assert (giveaways.beacon_chain, giveaways.beacon_genesis, giveaways.beacon_period) == (
        "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971", 1692803367, 3)  # fmt: skip
    assert len(giveaways.key) == 192


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("", "83cf0f28"),
        ('beacon_key = ""', ""),
        (f'beacon_chain = "{"A" * 64}"', ""),
        (f'beacon_chain = "{"a" * 64}"\nbeacon_key = "{"AB" * 96}"', "abababab"),
    ],
)
def test_the_key_belongs_to_the_chain(tmp_path: Path, lines: str, key: str) -> None:
    giveaways = load({}, write(tmp_path, f"[giveaways]\n{lines}")).giveaways
    assert giveaways.key[:8] == key
    assert giveaways.beacon_chain == giveaways.beacon_chain.lower()


@pytest.mark.parametrize(
    "url", ["https://a.example/sub/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
)
def test_mirrors_are_encrypted_or_on_this_machine(tmp_path: Path, url: str) -> None:
    settings = load({"HERALD_GIVEAWAYS__BEACON_URLS": json.dumps([url])}, write(tmp_path, ""))
    assert settings.giveaways.beacon_urls == (url.rstrip("/"),)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('open_to = "team"', "'staff' or 'everyone'"),
        ('staff = "included"', "'excluded' or 'disclosed'"),
        ('beacon = "bitcoin"', "'drand' or 'none'"),
        ("beacon_urls = []", "at least 1"),
        ('beacon_urls = ["http://a.example"]', "no address"),
        ('beacon_urls = ["ftp://a.example"]', "no address"),
        ('beacon_urls = ["https://"]', "no address"),
        ('beacon_urls = ["https://a.example:x"]', "no address"),
        ('beacon_urls = ["https://[::1"]', "no address"),
        ('beacon_urls = ["https://me:pass@a.example"]', "no address"),
        ('beacon_urls = ["https://a.example?x=1"]', "no address"),
        ('beacon_urls = ["https://a.example", "https://A.example/"]', "twice"),
        ('beacon_chain = "quicknet"', "64 hexadecimal"),
        ('beacon_key = "83cf"', "192 hexadecimal"),
        ("beacon_period = 0", "greater than or equal to 1"),
        ("beacon_genesis = -1", "greater than or equal to 0"),
        ('law = ["cn", "atlantis"]', "no note on 'atlantis'; known are: cn"),
        ("alternates = 10001", "less than or equal to 10000"),
        ("alternates = -1", "greater than or equal to 0"),
        ("claim_hours = -1", "greater than or equal to 0"),
        ("default_hours = 0", "greater than 0"),
        ("retention_days = 0", "greater than 0"),
        ("address_days = 0", "greater than 0"),
        ("past_winner_days = -1", "greater than or equal to 0"),
        (f'organiser = "{"x" * 201}"', "at most 200"),
        ("beacon_delay_seconds = 1", "no such setting"),
    ],
)
def test_what_giveaways_cannot_be_set_to_is_a_fault(tmp_path: Path, line: str, told: str) -> None:
    (found,) = faults({}, write(tmp_path, f"[giveaways]\n{line}"))
    assert f"giveaways.{line.partition(' ')[0]}" in found
    assert told in found
