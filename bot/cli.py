"""The command line: nothing but reading arguments and saying what went wrong in one line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from bot import __version__

app = typer.Typer(
    name="herald",
    help="A self-hosted chat-ops bot for community teams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
knowledge_app = typer.Typer(help="The knowledge base.", no_args_is_help=True)
app.add_typer(knowledge_app, name="knowledge")
db_app = typer.Typer(help="Back up the database, and restore it.", no_args_is_help=True)
app.add_typer(db_app, name="db")

Limits = Literal["published", "none"]
Journal = Annotated[Path | None, typer.Option("--journal", help="Write the wire journal to this file (JSON lines).")]


def main() -> None:
    """Run the command line."""
    app()


def _fail(message: str, code: int = 1) -> NoReturn:
    for line in message.splitlines():
        typer.echo(f"herald: {line}", err=True)
    raise typer.Exit(code)


def _finish(result: Coroutine[Any, Any, int]) -> NoReturn:
    try:
        code = asyncio.run(result)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def run(
    role: Annotated[
        Literal["gateway", "worker", "all"],
        typer.Option(help="What this process does, where several share a PostgreSQL database."),
    ] = "all",
) -> None:
    """Connect to every configured platform; with none configured, start the sandbox and the bot beside it."""
    from bot.running import run_bot

    _finish(run_bot(role))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.", min=0, max=65535)] = 8420,
    journal: Journal = None,
    limits: Annotated[
        Limits, typer.Option(help="Enforce the platforms' published rate limits, or none.")
    ] = "published",
) -> None:
    """Start only the local platform servers and their page."""
    from bot.sandbox.server import serve

    try:
        asyncio.run(serve(port, journal, limits == "published"))
    except OSError as error:
        _fail(f"port {port}: {error.strerror}")


@app.command()
def rehearse(  # noqa: PLR0913, PLR0917 - one parameter for each option
    scenario: Annotated[Path | None, typer.Argument(help="A scenario in YAML; without one, all built-in ones.")] = None,
    comments: Annotated[Path | None, typer.Option(help="Feed these comments (JSON lines with text).")] = None,
    platform: Annotated[str | None, typer.Option(help="Platform of the fed comments.")] = None,
    approve: Annotated[str, typer.Option(help="all, none, or first:N")] = "all",
    knowledge: Annotated[Path | None, typer.Option(help="Knowledge base to answer from.")] = None,
    limits: Annotated[Limits, typer.Option(help="Rate limits of sandbox and bot.")] = "none",
    journal: Journal = None,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file (JSON).")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the bot's database and logs in this folder.")] = None,
) -> None:
    """Play a scenario, or feed comments, with the real bot against the sandbox."""
    from bot.rehearsal import Options
    from bot.rehearsal import rehearse as play

    options = Options(
        scenario=scenario,
        comments=comments,
        platform=platform,
        approve=approve,
        knowledge=knowledge,
        limits=limits,
        journal=journal,
        report=report,
        keep=keep,
    )
    _finish(play(options))


@app.command(name="report")
def report_command(
    journal: Annotated[Path, typer.Option(help="A rehearsal's wire journal.")],
    database: Annotated[Path, typer.Option(help="The bot's database of the same rehearsal (--keep).")],
    undo_seconds: Annotated[float, typer.Option(help="review.undo_seconds of that rehearsal.")] = 10.0,
) -> None:
    """Compute a rehearsal's report again from its journal and database; exit 1 if anything was lost or doubled."""
    from bot.rehearsal import RehearsalError, recompute

    try:
        found = recompute(journal, database, undo_seconds)
    except RehearsalError as error:
        _fail(str(error), 2)
    typer.echo(json.dumps(found.as_json(), indent=2))
    raise typer.Exit(1 if found.lost or found.duplicated else 0)


@app.command()
def doctor() -> None:
    """Check tokens, rights, database, knowledge, model and clock; every fault with its fix."""
    from bot.doctor import run_doctor

    _finish(run_doctor())


@app.command()
def health() -> None:
    """Whether the bot on this data folder is alive; exit 1 if not."""
    from bot.running import health as look

    wrong = look()
    if wrong is not None:
        _fail(wrong)
    typer.echo("alive")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """How the installation stands, read beside a running bot; exit 1 if something needs a person."""
    from bot.operations.commands import show_status

    raise typer.Exit(show_status(as_json=as_json))


@db_app.command("backup")
def db_backup(
    file: Annotated[Path, typer.Argument(help="A new file. The key and the tokens are not put into it.")],
) -> None:
    """Copy the database to a file while the bot runs."""
    from bot.operations.commands import make_backup

    raise typer.Exit(make_backup(file))


@db_app.command("restore")
def db_restore(file: Annotated[Path, typer.Argument(help="What `herald db backup` wrote.")]) -> None:
    """Put a backup in the place of the database. The bot must not run; nothing is sent again by itself."""
    from bot.operations.commands import restore_backup

    raise typer.Exit(restore_backup(file))


@app.command()
def verify(  # noqa: PLR0917 - one parameter for each option
    proof: Annotated[Path | None, typer.Argument(help="A giveaway's proof file.")] = None,
    ticket: Annotated[str, typer.Option(help="Find this ticket, or with --member this ticket code, in the list.")] = "",
    member: Annotated[str, typer.Option(help="Whose ticket code it is: platform:user.")] = "",
    language: Annotated[Literal["en", "zh"] | None, typer.Option(help="Otherwise that of the locale.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write the page that checks draws to this file.")] = None,
    script: Annotated[Path | None, typer.Option(help="Write the verifier as one Python file to this file.")] = None,
) -> None:
    """Check a draw offline: exit 0 VALID, 1 INVALID, 2 unreadable. Or hand out what others can check it with."""
    from bot.verifier import hand_out
    from bot.verifier.verify import run as check

    if proof is None and page is None and script is None:
        _fail("give a proof file, or --page or --script", 2)
    try:
        hand_out(page, script)
    except OSError as error:
        _fail(str(error), 2)
    raise typer.Exit(0 if proof is None else check(str(proof), language or "", ticket, member, as_json))


@app.command()
def manifest(platform: Annotated[Literal["slack", "discord", "telegram"], typer.Argument()]) -> None:
    """Print what to paste where, made from the command registry."""
    from bot.running import manifest_of

    typer.echo(manifest_of(platform))


@knowledge_app.command("search")
def knowledge_search(
    question: Annotated[str | None, typer.Argument(help="A question.")] = None,
    file: Annotated[Path | None, typer.Option(help="JSON lines with text.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    knowledge: Annotated[Path | None, typer.Option(help="Instead of the configured one.")] = None,
) -> None:
    """What the knowledge base answers."""
    from bot.running import search_knowledge

    if (question is None) == (file is None):
        _fail("give a question, or --file with questions", 2)
    try:
        for line in search_knowledge(question, file, knowledge, as_json=as_json):
            sys.stdout.write(line + "\n")
    except (OSError, ValueError) as error:
        _fail(str(error))


if __name__ == "__main__":
    main()
