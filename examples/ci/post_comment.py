"""Puts the comment of a preview on a merge request: the one that is there already is updated, never another added.

    python post_comment.py comment.md

It finds its own comment by the first line, a marker that readers do not see. It needs nothing but Python. On GitHub it
reads GITHUB_REPOSITORY, GITHUB_TOKEN and PULL_REQUEST; on GitLab CI_PROJECT_ID, CI_MERGE_REQUEST_IID and
SCALETOZERO_COMMENT_TOKEN, a project access token that may write comments, because a job's own token may not.
"""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 65_536
MARKER = re.compile(r"<!-- scaletozero preview: \S+ -->")
PAGE = 100


@dataclass(frozen=True)
class Host:
    """The comments of one merge request.

    Attributes:
        comments: the address of all of them.
        edited: the address of one, up to its number.
        update: the method that changes one.
        headers: of each request, with the token.
        author: whose comments may be updated; a marker can be copied by everybody.
    """

    comments: str
    edited: str
    update: str
    headers: Mapping[str, str]
    author: str

    def call(self, method: str, url: str, body: str | None = None) -> Any:
        """The answer of the host's interface to one request."""
        data = None if body is None else json.dumps({"body": body}).encode()
        headers = {**self.headers, "Content-Type": "application/json", "User-Agent": "scaletozero"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the host's own address
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def everything(self) -> Iterator[Mapping[str, Any]]:
        """Every comment there is, page by page."""
        for page in range(1, 1000):
            found = self.call("GET", f"{self.comments}?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return

    def put(self, text: str) -> str:
        """Updates the comment with the same marker, or creates it; what was done."""
        marker = text.partition("\n")[0].strip()
        for each in self.everything():
            author = each.get("user") or each.get("author") or {}
            if author.get("login", author.get("username")) == self.author and each["body"].startswith(marker):
                self.call(self.update, f"{self.edited}/{each['id']}", text)
                return f"updated comment {each['id']}"
        return f"created comment {self.call('POST', self.comments, text)['id']}"


def host_of(environ: Mapping[str, str]) -> Host:
    """The host whose job this is."""
    if token := environ.get("SCALETOZERO_COMMENT_TOKEN"):
        api, project = environ["CI_API_V4_URL"], environ["CI_PROJECT_ID"]
        notes = f"{api}/projects/{project}/merge_requests/{int(environ['CI_MERGE_REQUEST_IID'])}/notes"
        headers = {"PRIVATE-TOKEN": token}
        me = Host(f"{api}/user", "", "", headers, "").call("GET", f"{api}/user")["username"]
        return Host(notes, notes, "PUT", headers, me)
    api = environ.get("GITHUB_API_URL", "https://api.github.com")
    issues = f"{api}/repos/{environ['GITHUB_REPOSITORY']}/issues"
    headers = {"Authorization": f"Bearer {environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    comments = f"{issues}/{int(environ['PULL_REQUEST'])}/comments"
    return Host(comments, f"{issues}/comments", "PATCH", headers, "github-actions[bot]")


def main(path: Path, environ: Mapping[str, str]) -> str:
    """Puts the comment of a file there.

    The file may have been written by the job of a stranger: it is taken for a comment of this command, or refused.
    """
    text = path.read_text(encoding="utf-8")
    if len(text) > LONGEST or not MARKER.fullmatch(text.partition("\n")[0].strip()):
        raise SystemExit(f"{path}: is no comment of `scaletozero preview --format markdown`")
    return host_of(environ).put(text)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), os.environ))
