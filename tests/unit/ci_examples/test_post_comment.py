"""`examples/ci/post_comment.py` against hosts of its own: one comment, updated in place."""

import json
import runpy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from workbench import ROOT

PROGRAM = runpy.run_path(str(ROOT / "examples" / "ci" / "post_comment.py"))
MARKER = "<!-- scaletozero preview: shop/dev -->"
TEXT = f"{MARKER}\n### Preview of `dev`\n"
BOT, PERSON = "github-actions[bot]", "mallory"


@dataclass
class Host:
    """The comments of one merge request, as GitHub or GitLab answers of them."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""

    def add(self, author: str, body: str) -> dict[str, Any]:
        name = {"login": author, "username": author}
        made = {"id": len(self.comments) + 1, "body": body, "user": name, "author": name}
        self.comments.append(made)
        return made

    def answer(self, method: str, path: str, body: Any) -> Any:
        self.calls.append((method, path))
        where = urlsplit(path)
        if where.path == "/user":
            return {"username": BOT}
        if method == "GET":
            asked = parse_qs(where.query)
            size, page = int(asked["per_page"][0]), int(asked["page"][0])
            return self.comments[size * (page - 1) : size * page]
        if method == "POST":
            return self.add(BOT, body["body"])
        (found,) = [each for each in self.comments if each["id"] == int(where.path.rpartition("/")[2])]
        return found | {"body": found.update(body=body["body"]) or body["body"]}


@pytest.fixture
def host() -> Iterator[Host]:
    there = Host()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            there.tokens.add(self.headers.get("Authorization") or self.headers["PRIVATE-TOKEN"])
            answer = json.dumps(there.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PATCH = do_PUT = do  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there.url = f"http://127.0.0.1:{server.server_port}"
    yield there
    server.shutdown()
    server.server_close()


def github(host: Host) -> dict[str, str]:
    return {
        "GITHUB_API_URL": host.url,
        "GITHUB_REPOSITORY": "acme/models",
        "GITHUB_TOKEN": "of the job",
        "PULL_REQUEST": "7",
    }


def gitlab(host: Host) -> dict[str, str]:
    return {
        "CI_API_V4_URL": host.url,
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "SCALETOZERO_COMMENT_TOKEN": "of the project",
    }


def post(tmp_path: Path, environ: dict[str, str], text: str = TEXT) -> str:
    path = tmp_path / "comment.md"
    path.write_text(text)
    return PROGRAM["main"](path, environ)


@pytest.mark.parametrize("environ", [github, gitlab])
def test_the_first_is_created_and_the_next_updates_it(host: Host, tmp_path: Path, environ: Any) -> None:
    host.add(PERSON, "looks good")
    assert post(tmp_path, environ(host)) == "created comment 2"
    assert post(tmp_path, environ(host), f"{MARKER}\nsecond\n") == "updated comment 2"
    assert [each["body"] for each in host.comments] == ["looks good", f"{MARKER}\nsecond\n"]


def test_on_github_it_is_an_issue_s_comment(host: Host, tmp_path: Path) -> None:
    post(tmp_path, github(host))
    post(tmp_path, github(host))
    assert ("POST", "/repos/acme/models/issues/7/comments") in host.calls
    assert ("PATCH", "/repos/acme/models/issues/comments/1") in host.calls
    assert host.tokens == {"Bearer of the job"}


def test_on_gitlab_it_is_a_note(host: Host, tmp_path: Path) -> None:
    post(tmp_path, gitlab(host))
    post(tmp_path, gitlab(host))
    assert ("POST", "/projects/12/merge_requests/7/notes") in host.calls
    assert ("PUT", "/projects/12/merge_requests/7/notes/1") in host.calls
    assert host.tokens == {"of the project"}


def test_it_is_found_on_a_later_page(host: Host, tmp_path: Path) -> None:
    for at in range(150):
        host.add(PERSON, f"comment {at}")
    host.add(BOT, TEXT)
    assert post(tmp_path, github(host)) == "updated comment 151"


def test_a_marker_that_somebody_else_copied_is_left_alone(host: Host, tmp_path: Path) -> None:
    host.add(PERSON, TEXT)
    assert post(tmp_path, github(host)) == "created comment 2"
    assert host.comments[0]["body"] == TEXT


def test_another_environment_has_a_comment_of_its_own(host: Host, tmp_path: Path) -> None:
    host.add(BOT, TEXT.replace("dev", "prod"))
    assert post(tmp_path, github(host)) == "created comment 2"


@pytest.mark.parametrize(
    "text", ["", "@everyone, look", f"x{TEXT}", TEXT + "x" * 65_536, "<!-- scaletozero preview: a --> @all\n"]
)
def test_what_is_no_comment_of_the_command_is_not_posted(host: Host, tmp_path: Path, text: str) -> None:
    with pytest.raises(SystemExit, match="is no comment of"):
        post(tmp_path, github(host), text)
    assert host.calls == []


def test_a_number_that_is_none_reaches_no_address(host: Host, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        post(tmp_path, {**github(host), "PULL_REQUEST": "7/../../labels"})
    assert host.calls == []


def test_its_limit_and_its_marker_are_the_command_s(tmp_path: Path) -> None:
    from scaletozero.cli.comment import LONGEST, PreviewReport, marker

    assert PROGRAM["LONGEST"] == LONGEST
    for report in (PreviewReport("dev"), PreviewReport("a b--c>", "shöp")):
        assert PROGRAM["MARKER"].fullmatch(marker(report))
