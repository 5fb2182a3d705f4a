"""``make demo``: a file of contacts goes through both generated clients to the mock, then the contract suite looks at it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

import pristo_client.api.contacts.upsert_contact as pristo_upsert
import pristo_client.models as pristo
import retainful_client.api.contacts.upsert_contact as retainful_upsert
import retainful_client.models as retainful
from contact_apis.mock import MockServer
from pristo_client import Client as PristoClient
from retainful_client import Client as RetainfulClient

SAMPLE = Path(__file__).parent / "data" / "contacts.csv"
Row = dict[str, str]


def upsert_to_pristo(client: PristoClient, population: str, row: Row) -> str:
    """Sends one row to Pristo; the result is what its answer tells."""
    contact = pristo.Contact(
        id=UUID(row["id"]),
        email=row["email"],
        phone=row["phone"],
        language=row["language"],
        name=row["name"],
        last_name=row["lastName"],
    )
    response = pristo_upsert.sync_detailed(
        UUID(population),
        client=client,
        body=pristo.ContactUpsertRequest(contact=contact),
        x_request_id=uuid4(),
    )
    return {201: "created", 200: "updated"}.get(
        response.status_code, f"refused ({response.status_code})"
    )


def upsert_to_retainful(client: RetainfulClient, list_id: str, row: Row) -> str:
    """Sends one row to Retainful, which does not tell a new contact from an old one."""
    consent = retainful.Consent(
        created_at=datetime.fromisoformat(row["consentAt"]),
        ip=row["consentIp"],
        source=row["consentSource"],
    )
    subscribed = retainful.Channel(status="subscribed")
    contact = retainful.Contact(
        first_name=row["name"],
        last_name=row["lastName"],
        country_code=row["countryCode"],
        city=row["city"],
        list_ids=[list_id],
        identifiers=[
            retainful.Identifier(
                type_="email",
                id=row["email"],
                channels=retainful.Channels(email=subscribed),
                consent=consent,
            ),
            retainful.Identifier(
                type_="phone",
                id=row["phone"],
                channels=retainful.Channels(phone=subscribed),
                consent=consent,
            ),
        ],
    )
    response = retainful_upsert.sync_detailed(client=client, body=contact)
    return "accepted" if response.status_code == 200 else f"refused ({response.status_code})"


def main() -> int:
    """Runs the demo; the result is the exit code."""
    console = Console(highlight=False)
    rows = list(csv.DictReader(SAMPLE.open(encoding="utf-8", newline="")))
    with MockServer() as server:
        env = server.env
        console.print(
            f"\n[bold]1. Upserting {len(rows)} contacts through both generated clients[/]"
        )
        pristo_api = PristoClient(
            base_url=env["PRISTO_BASE_URL"], headers={"X-API-Key": env["PRISTO_API_KEY"]}
        )
        headers = {
            "Retainful-Api-Key": env["RETAINFUL_API_KEY"],
            "Retainful-App-Id": env["RETAINFUL_APP_ID"],
        }
        retainful_api = RetainfulClient(base_url=env["RETAINFUL_BASE_URL"], headers=headers)
        table = Table("Row", "Contact", "Pristo", "again", "Retainful")
        bar = Progress(
            TextColumn("   upserting"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        answers: list[str] = []
        with bar, pristo_api, retainful_api:
            for number, row in enumerate(bar.track(rows), 1):
                first, again = (
                    upsert_to_pristo(pristo_api, env["PRISTO_POPULATION_ID"], row) for _ in range(2)
                )
                accepted = upsert_to_retainful(retainful_api, env["RETAINFUL_LIST_ID"], row)
                table.add_row(
                    str(number), f"{row['name']} {row['lastName']}", first, again, accepted
                )
                answers += [first, again, accepted]
        console.print(table)
        expected = ["created", "updated", "accepted"] * len(rows)
        failed = sum(seen != wanted for seen, wanted in zip(answers, expected, strict=True))
        console.print(
            f"   {len(answers)} requests, {failed} not answered as expected. Retainful tells only that it accepted."
        )
    console.print("\n[bold]2. The contract suite, quick profile, against the mock[/]")
    sys.stdout.flush()
    folder = os.environ.get("REPORTS") or "reports/contract"
    suite = subprocess.run(
        [sys.executable, "-m", "tests.contract"],
        env={**os.environ, "TARGET": "mock", "PROFILE": "quick", "REPORTS": folder},
        check=False,
    )
    console.print("\n[bold]What you saw[/]")
    console.print(
        "   Two typed clients that are generated from specs/ sent a real file,", soft_wrap=True
    )
    console.print("   and a service was held to its contract, clause by clause.", soft_wrap=True)
    console.print(f"   The report, for any browser: {folder}/index.html", soft_wrap=True)
    return int(bool(failed or suite.returncode))


if __name__ == "__main__":
    sys.exit(main())
