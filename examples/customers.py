"""Two customers ask the gateway of the local environment that `make up` deployed, with OpenAI's ordinary client.

Each asks until it has what it wants, or its cap refuses it: a request holds the most that it could cost before it is
sent, so that a cap is never exceeded. What each has spent is shown by `scaletozero costs`.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openai import APIStatusError, OpenAI
from rich.console import Console
from rich.table import Table

MODEL = "sentences"
WANTED = 40
"""Requests that each customer wants to make."""

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


@contextmanager
def gateway() -> Iterator[dict]:
    """The gateway of the environment `local`, with a key for each customer that is accepted until it ends."""
    command = [str(Path(sys.executable).with_name("scaletozero")), "gateway", "--temporary-keys", "--json"]
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        assert running.stdout
        try:
            line = running.stdout.readline()
            if not line:
                running.wait()
                said.seek(0)
                sys.exit(said.read())
            yield json.loads(line)
        finally:
            running.terminate()
            running.wait()


def ask(url: str, key: str) -> tuple[int, str]:
    """Asks for embeddings. Returns how many requests were answered, and why the next one was not."""
    client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    for answered in range(WANTED):
        try:
            client.embeddings.create(model=MODEL, input=f"Where is parcel {answered}?")
        except APIStatusError as error:
            return answered, f"{error.status_code} {error.code}: {error.response.json()['error']['message']}"
    return WANTED, ""


def main() -> None:
    """Runs the demonstration; exits with 1 if no customer is answered, or no cap refuses a request."""
    with gateway() as found:
        outcome = {name: ask(found["url"], key) for name, key in found["keys"].items()}
    table = Table(title="\ntwo customers of the gateway", title_justify="left", box=None, show_header=False)
    for name, (answered, refusal) in outcome.items():
        table.add_row(f" {name}", f"{answered} answered", f"then {refusal}" if refusal else "")
    console.print(table)
    if not any(answered for answered, _ in outcome.values()):
        sys.exit("no customer was answered")
    if not any(refusal.startswith("402") for _, refusal in outcome.values()):
        sys.exit("no cap refused a request")


if __name__ == "__main__":
    main()
