"""The operator's commands: parse, call one function, print.

Modules are imported inside the commands, so that `goen slots` does not wait for the mail engine.
Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong settings (EX_CONFIG of sysexits.h).
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from gateway.operator.options import COUNT, DOMAIN, PORT, Day, SecretFile, not_utf8

if TYPE_CHECKING:
    from gateway.settings import Settings
    from store.database import Store

EX_CONFIG = 78


class _Goen(click.Group):
    """The group that turns this program's errors into one sentence and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        from gateway.operator.failures import explain

        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            explained = explain(error)
            if explained is None:
                raise
            code, words = explained
            click.echo(words, err=True)
            sys.exit(code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if number := not_utf8(args):
            raise click.UsageError(f"Argument {number} is not UTF-8.", ctx)
        return super().parse_args(ctx, args)


@click.group(cls=_Goen, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    "-c",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings file; by default $GOEN_SETTINGS, else ./goen.toml.",
)
@click.version_option(package_name="goen-gateway", prog_name="goen")
@click.pass_context
def main(ctx: click.Context, settings_path: Path | None) -> None:
    """Goen Gateway: turns rejection mails into consented introductions."""
    ctx.obj = settings_path


def _settings(ctx: click.Context) -> "Settings":
    from gateway.settings import find, load

    return load(find(ctx.obj, os.environ), os.environ)


def _store(ctx: click.Context) -> "Store":
    from gateway.opening import open_settled_store

    return open_settled_store(_settings(ctx))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--next-hop", prompt="Mail server that takes the mail on (host:port)", help="Host and port.")
@click.option("--public-url", prompt="Public address of the candidates' pages", help="https://…")
@click.option("--domain", prompt="Your company's mail domain", help="The domain of your From addresses.")
def init(directory: Path, next_hop: str, public_url: str, domain: str) -> None:
    """Write settings and keys; print the DNS records."""
    from gateway.operator.founding import found

    for line in found(directory, next_hop=next_hop, public_url=public_url, domain=domain):
        click.echo(line)


@main.command("check-config")
@click.pass_context
def check_config(ctx: click.Context) -> None:
    """Check the settings; report every fault at once."""
    from gateway.preparing import prepare
    from gateway.preparing_doors import certificates_ending

    settings = _settings(ctx)
    prepared = prepare(settings)
    doors = ", ".join(str(door.listen) for door in settings.relay.doors)
    servers = ", ".join(map(str, settings.relay.next_hop))
    click.echo(f"The settings are good. Mail goes from {doors} to {servers}.")
    for name, days in certificates_ending(prepared.doors, datetime.now(UTC)):
        click.echo(f"The certificate of the door {name} is good for {days} more days.", err=True)
    for name in settings.unprepared:
        click.echo(f"{name}: not given yet; until then marked mail passes as it came.", err=True)


@main.command()
@click.option("--smtp", is_flag=True, help="Only the SMTP door (with --web, --worker: those too).")
@click.option("--web", is_flag=True, help="Only the pages.")
@click.option("--worker", is_flag=True, help="Only the outbox worker.")
@click.option("--workers", type=COUNT, help="Processes that take mail (default: relay.workers).")
@click.pass_context
def serve(ctx: click.Context, *, smtp: bool, web: bool, worker: bool, workers: int | None) -> None:
    """Run the gateway.

    Several processes take mail, one has the pages and the outbox worker.
    SIGTERM finishes the mails under way; SIGHUP reads settings, templates, keys and certificates again.
    """
    from gateway.supervising.staffing import Wanted, supervise

    everything = not (smtp or web or worker)
    wanted = Wanted(
        smtp=smtp or everything, web=web or everything, worker=worker or everything, workers=workers
    )
    sys.exit(supervise(ctx.obj, wanted))


@main.command("serve-part", hidden=True)
@click.option("--smtp-fd", "smtp", multiple=True, help="Number of a door and descriptor of its socket.")
@click.option("--web-fd", "web", type=int)
@click.option("--metrics-fd", "metrics", type=int)
@click.option("--worker", is_flag=True)
@click.option("--alive-fd", "alive", type=int, required=True)
@click.option("--counts-fd", "counts", type=int)
@click.pass_context
def serve_part(
    ctx: click.Context,
    *,
    smtp: tuple[str, ...],
    web: int | None,
    metrics: int | None,
    worker: bool,
    alive: int,
    counts: int | None,
) -> None:
    """Be one of the processes of `goen serve`."""
    from gateway.serving import inherited, serve_part

    serve_part(_settings(ctx), inherited(smtp, web, metrics), worker=worker, alive=alive, counts=counts)


@main.command()
@click.argument(
    "mail", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True), required=False
)
@click.option("--once", is_flag=True, help="Run the loop on one mail and exit; 0 only if each step was seen.")
@click.option("--from", "sender", help="Envelope sender (default: the mail's From).")
@click.option("--to", "recipients", multiple=True, help="Envelope recipient; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each step.")
@click.option("--smtp-port", type=PORT, default=2525, show_default=True, help="Port of the SMTP door.")
@click.option("--web-port", type=PORT, default=8025, show_default=True, help="Port of the pages.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), default=Path("var/demo"), show_default=True
)
def demo(
    mail: Path | None,
    *,
    once: bool,
    sender: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
    smtp_port: int,
    web_port: int,
    data: Path,
) -> None:
    """Run everything on localhost, with a sample mail.

    The gateway, its pages, a mailbox as next hop and a demo partner.

    With --once and MAIL, the same loop for any raw mail, on free ports and with data of its own.
    """
    from gateway.demo.client import Given
    from gateway.demo.story import demonstrate, demonstrate_once

    if mail and not once:
        raise click.UsageError("MAIL needs --once; without it the demo sends its own sample.")
    if once:
        raw = None if mail is None else (sys.stdin.buffer.read() if str(mail) == "-" else mail.read_bytes())
        sys.exit(demonstrate_once(Given(raw, sender, recipients), as_json=as_json))
    demonstrate(data, smtp_port=smtp_port, web_port=web_port, as_json=as_json)


@main.command()
@click.argument("mail", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--from", "sender", help="Envelope sender (default: the mail's From); <> is the null sender.")
@click.option(
    "--to",
    "recipients",
    multiple=True,
    help="Envelope recipient; may be given several times (default: To, Cc, Bcc).",
)
@json_option
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write each copy into this directory."
)
@click.option("--force", is_flag=True, help="Let --out write over files that are there.")
@click.option("--check", is_flag=True, help="Exit with 1 unless a candidate would get an invitation.")
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    mail: Path,
    sender: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    force: bool,
    check: bool,
) -> None:
    """Say what the gateway would do with one mail, and why.

    MAIL is a raw mail (.eml), or - for standard input. Nothing is sent, and the database stays closed.
    """
    from gateway.operator.explain.report import Wanted, report

    if force and not out:
        raise click.UsageError("--force is of no use without --out.")
    wanted = Wanted(mail=mail, sender=sender, recipients=recipients, as_json=as_json, out=out, force=force)
    # A service manager or a shell may have closed it.
    stdin = sys.stdin.buffer if sys.stdin else None
    invited = report(wanted, settings=ctx.obj, environ=os.environ, stdin=stdin, now=datetime.now(UTC))
    sys.exit(1 if check and not invited else 0)


@main.command()
@click.argument("identifier", metavar="ID")
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    help="A journal in JSON, or - for standard input.",
)
@click.option("--show-personal", is_flag=True, help="Show addresses and the next mail server's words too.")
@json_option
@click.pass_context
def trace(
    ctx: click.Context, *, identifier: str, journal: Path | None, show_personal: bool, as_json: bool
) -> None:
    """Tell the story of one message.

    ID is the id in our reply (G-…), a Message-ID, or, with --journal, the next mail server's queue id.
    Marked mail is in the ledger; what became of other mail is in the journal alone.
    """
    from contextlib import nullcontext

    from gateway.operator import trace, trace_view
    from gateway.operator.terminal import print_lines
    from gateway.operator.trace_journal import JournalReader

    # A service manager or a shell may have closed it.
    source = (sys.stdin.buffer if sys.stdin else None) if str(journal) == "-" else journal
    with JournalReader(source) if source else nullcontext() as reader:
        found = trace.look_up(identifier, lambda: _store(ctx), reader)
    if not found.ledger_asked:
        click.echo("The ledger cannot be asked now; this is what the journal has.", err=True)
    if as_json:
        click.echo(trace_view.as_json(identifier, found, personal=show_personal))
    else:
        print_lines(trace_view.as_lines(found, personal=show_personal))
    if not found:
        raise click.ClickException(trace.hint(identifier, journal=journal is not None))


@main.command()
@click.option("--smtp", is_flag=True, help="Ask only the SMTP door.")
@click.option("--web", is_flag=True, help="Ask only the pages.")
@click.pass_context
def health(ctx: click.Context, *, smtp: bool, web: bool) -> None:
    """Ask the running gateway whether it is well."""
    from gateway.operator.health import ask

    complaints = ask(_settings(ctx), smtp=smtp or not web, web=web or not smtp)
    for complaint in complaints:
        click.echo(complaint, err=True)
    sys.exit(1 if complaints else 0)


@main.command()
@click.pass_context
def migrate(ctx: click.Context) -> None:
    """Bring the database up to date.

    `goen serve` does it by itself when it starts.
    """
    from gateway.opening import open_store_of

    with open_store_of(_settings(ctx)) as store:
        applied = store.migrate()
    click.echo("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def slots(ctx: click.Context, *, as_json: bool) -> None:
    """Free introduction slots: how many, and why."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(slots_list, as_json=as_json)


@slots.command("list")
@json_option
@click.pass_context
def slots_list(ctx: click.Context, *, as_json: bool) -> None:
    """Show each partner's slots at a glance."""
    from gateway.operator.listings import slot_listing
    from gateway.operator.terminal import show
    from store.slots import summarise

    with _store(ctx) as store:
        show(slot_listing(store.call(summarise)), as_json=as_json)


@slots.command("explain")
@click.argument("partner", required=False)
@json_option
@click.pass_context
def slots_explain(ctx: click.Context, *, partner: str | None, as_json: bool) -> None:
    """Print the ledger lines that make up the numbers."""
    from gateway.operator.listings import slot_line_listing
    from gateway.operator.terminal import show
    from store.slots import explain

    with _store(ctx) as store:
        show(slot_line_listing(store.call(explain, partner)), as_json=as_json)


@main.group()
def queue() -> None:
    """Submissions on their way to the partners."""


@queue.command("list")
@click.option("--all", "everything", is_flag=True, help="Show finished ones too.")
@click.option("--limit", type=COUNT, default=100, show_default=True)
@json_option
@click.pass_context
def queue_list(ctx: click.Context, *, everything: bool, limit: int, as_json: bool) -> None:
    """Show what waits, why, and when it is tried again."""
    from gateway.operator.listings import OPEN_STATES, queue_listing
    from gateway.operator.terminal import show
    from store.outbox import list_queue
    from store.records import QueueState

    states = tuple(QueueState) if everything else OPEN_STATES
    with _store(ctx) as store:
        show(queue_listing(store.call(list_queue, states=states, limit=limit)), as_json=as_json)


@main.group()
def consent() -> None:
    """What candidates have answered."""


@consent.command("verify")
@click.pass_context
def consent_verify(ctx: click.Context) -> None:
    """Check that no consent was changed, added or taken out afterwards."""
    from gateway.operator.evidence import check_consents

    with _store(ctx) as store:
        check = check_consents(store)
    if check.broken_at is not None:
        words = f"at event {check.broken_at}, which is missing or not as it was recorded"
        raise click.ClickException(f"The consent chain is broken {words}.")
    click.echo(f"The consent chain is whole: {check.events} events.")


@main.group()
def provisions() -> None:
    """What was given to the partners."""


@provisions.command("list")
@json_option
@click.pass_context
def provisions_list(ctx: click.Context, *, as_json: bool) -> None:
    """Show the records of provision, which the law wants kept for three years."""
    from gateway.operator.evidence import read_provisions
    from gateway.operator.listings import provision_listing
    from gateway.operator.terminal import show

    with _store(ctx) as store:
        show(provision_listing(read_provisions(store)), as_json=as_json)


@main.group()
def partner() -> None:
    """The recruitment agencies that receive candidates."""


@partner.command("add")
@click.argument("partner_id", metavar="ID")
@click.option("--name", help="Legal name.")
@click.option("--address", help="Postal address.")
@click.option("--representative", help="Who represents it, for the provision record.")
@click.option("--licence", help="Licence number of the placement business (許可番号).")
@click.option("--licence-expires", type=Day(), help="Last day of the licence.")
@click.option("--country", help="ISO 3166-1 code; JP for a new partner.")
@click.option(
    "--contract-date",
    type=Day(),
    help="Day of your contract with it on the handling of personal data; the consent text names it.",
)
@click.option("--endpoint", help="URL that takes submissions; https, or http on loopback.")
@click.option("--secret-file", type=SecretFile(), help="File with the signing secret (whsec_…).")
@click.option("--new-secret", is_flag=True, help="Make a new signing secret; a new partner gets one anyway.")
@click.option("--ratio", type=COUNT, help="Persons for one slot; 10 for a new partner.")
@click.option(
    "--basis",
    type=click.Choice(["consented", "submitted", "acknowledged"]),
    help="The step that counts; acknowledged for a new partner.",
)
@click.pass_context
def partner_add(ctx: click.Context, /, *, partner_id: str, secret_file: TextIO | None, **said: Any) -> None:
    """Add a partner, or change the one with this ID.

    What is not given stays as it is; a new partner needs name, address, representative, licence and
    endpoint.
    """
    from gateway.operator.partner_entry import Facts, FactsMissing, enter, why_not_offered
    from store.partners import add_partner, list_partners

    if secret_file and said["new_secret"]:
        raise click.UsageError("--new-secret and --secret-file exclude each other.")
    facts = Facts(secret=secret_file.read().strip() if secret_file else None, **said)
    now = datetime.now(UTC)
    with _store(ctx) as store:
        known = {known.id: known for known in store.call(list_partners)}.get(partner_id)
        try:
            record, new_secret = enter(partner_id, facts, known)
        except FactsMissing as missing:
            raise click.UsageError(f"{missing}.") from missing
        tried_again = store.call(add_partner, record, now=now)
    click.echo(f"Partner {partner_id} is ready to receive submissions at {record.endpoint}.")
    if why_not := why_not_offered(record, now):
        click.echo(f"It is not offered to candidates: {why_not}.", err=True)
    if tried_again:
        click.echo(f"Submissions that waited or were given up and are sent now: {tried_again}.")
    if new_secret:
        click.echo(f"Give the partner this signing secret; it is not shown again:\n{record.secret}")


@partner.command("list")
@json_option
@click.pass_context
def partner_list(ctx: click.Context, *, as_json: bool) -> None:
    """Show the partners."""
    from gateway.operator.listings import partner_listing
    from gateway.operator.terminal import show
    from store.partners import list_partners

    with _store(ctx) as store:
        show(partner_listing(store.call(list_partners)), as_json=as_json)


@main.group()
def user() -> None:
    """Who may log in at a door to send mail."""


@user.command("add")
@click.argument("name")
@click.option("--generate", is_flag=True, help="Make a password and print it.")
@click.option("--sender-domain", "domains", type=DOMAIN, multiple=True, help="May be given several times.")
@click.pass_context
def user_add(ctx: click.Context, *, name: str, generate: bool, domains: tuple[str, ...]) -> None:
    """Add a user, or give one a new password.

    With --sender-domain the user may send from these domains only.
    """
    from gateway.operator import users

    path = _settings(ctx).relay.users_file
    password = (
        users.new_password()
        if generate
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    users.add(path, name, password, domains)
    click.echo(f"{name} may log in. Send the gateway SIGHUP, or restart it.")
    if generate:
        click.echo(f"The password, which is not shown again:\n{password}")


@user.command("list")
@json_option
@click.pass_context
def user_list(ctx: click.Context, *, as_json: bool) -> None:
    """Show the users."""
    from gateway.operator import users
    from gateway.operator.terminal import show

    show(users.listing(_settings(ctx).relay.users_file), as_json=as_json)


@user.command("disable")
@click.argument("name")
@click.pass_context
def user_disable(ctx: click.Context, *, name: str) -> None:
    """Let a user log in no more, until enabled again."""
    from gateway.operator.users import set_disabled

    set_disabled(_settings(ctx).relay.users_file, name, disabled=True)


@user.command("enable")
@click.argument("name")
@click.pass_context
def user_enable(ctx: click.Context, *, name: str) -> None:
    """Let a disabled user log in again."""
    from gateway.operator.users import set_disabled

    set_disabled(_settings(ctx).relay.users_file, name, disabled=False)


@user.command("remove")
@click.argument("name")
@click.pass_context
def user_remove(ctx: click.Context, *, name: str) -> None:
    """Forget a user."""
    from gateway.operator.users import remove

    remove(_settings(ctx).relay.users_file, name)


if __name__ == "__main__":
    main()
