"""The compose file starts what there is: its commands and settings are ones that the program knows.

There is nothing here to run containers with, so the file is read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from bot.cli import app
from bot.settings import EXAMPLE_FILE, Settings, load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "herald"]


def settings(service: str, folder: Path) -> Settings:
    """What the program makes of a service's environment, its secrets being files that say their own names."""
    environment = {name: str(value) for name, value in SERVICES[service]["environment"].items()}
    for name, value in environment.items():
        if name.endswith("_FILE"):
            secret = Path(value).name
            (folder / secret).write_text(secret)
            environment[name] = str(folder / secret)
    return load(environment, EXAMPLE_FILE)


def test_there_are_gateways_workers_and_what_they_share() -> None:
    assert set(SERVICES) == {"gateway", "worker", "postgres", "redis"}
    assert OURS == ["gateway", "worker"]
    assert SERVICES["worker"]["deploy"]["replicas"] >= 2


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ones_that_the_program_has(name: str) -> None:
    command, *arguments = SERVICES[name]["command"]
    group: Any = typer.main.get_command(app)
    context = group.commands[command].make_context(command, list(arguments))
    assert context.params == {"role": name}
    program, check = SERVICES[name]["healthcheck"]["test"][1:]
    assert program == "herald"
    assert check in group.commands


@pytest.mark.parametrize("name", OURS)
def test_settings_are_ones_that_the_program_has(name: str, tmp_path: Path) -> None:
    found = settings(name, tmp_path)
    assert found.configured() == ("slack", "discord", "telegram")
    assert found.database_url.get_secret_value() == "database_url"
    assert found.redis_url.get_secret_value() == f"redis://{'redis'}:6379/0"
    assert found.openai.api_key.get_secret_value() == "openai_api_key"


def test_a_platform_whose_file_is_empty_is_left_out(tmp_path: Path) -> None:
    environment = {
        name: str(tmp_path / Path(str(value)).name)
        for name, value in SERVICES["worker"]["environment"].items()
        if name.endswith("_FILE")
    }
    for file in environment.values():
        Path(file).write_text("")
    (tmp_path / "telegram_token").write_text("1:token\n")
    assert load(environment, EXAMPLE_FILE).configured() == ("telegram",)


def test_secrets_are_files_and_nothing_secret_stands_here() -> None:
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert set(FILE["secrets"]) == used
    assert all(secret == {"file": f"./secrets/{name}"} for name, secret in FILE["secrets"].items())
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if name.endswith("_FILE"):
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]
            else:
                assert not re.search(r"TOKEN|SECRET|PASSWORD|KEY|DATABASE_URL", name)
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    named = re.search(r"touch ([\w ]+)$", TEXT, re.MULTILINE)
    assert named
    assert {*named[1].split(), "postgres_password", "database_url"} == set(FILE["secrets"])


def test_ports_are_published_to_this_machine_only_and_lead_to_the_server(tmp_path: Path) -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}
    assert set(published) == {"gateway"}
    address = settings("gateway", tmp_path).http.address
    assert address is not None
    assert published["gateway"] == [f"127.0.0.1:{address[1]}:{address[1]}"]


def test_everything_has_a_health_check_and_what_is_waited_for_is_there() -> None:
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in SERVICES.values())
    for name in OURS:
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"}, "redis": {"condition": "service_healthy"}}  # fmt: skip
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_database_is_kept_in_a_volume_and_redis_keeps_and_drops_nothing() -> None:
    (volume,) = SERVICES["postgres"]["volumes"]
    assert volume.partition(":")[0] in FILE["volumes"]
    words = SERVICES["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert options["--maxmemory-policy"] == "noeviction"
    assert (options["--save"], options["--appendonly"]) == ("", "no")


def test_images_are_named_by_version() -> None:
    others = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert all(re.fullmatch(r"[a-z]+:\d+-\w+", image) for image in others)
    assert all(SERVICES[name]["build"] == "." for name in OURS)
