"""The bucket: what deleting it does to what others have written into it."""

from typing import Any

import pytest

from scaletozero import ArtifactStore

CASES = [({}, None), ({"force_destroy": False}, None), ({"force_destroy": True}, True)]


@pytest.mark.parametrize(("given", "sent"), CASES)
def test_only_force_destroy_deletes_a_bucket_with_what_is_in_it(run: Any, given: dict[str, bool], sent: Any) -> None:
    args: Any = {"region": "eu-central-1", **given}
    recorded = run(lambda: ArtifactStore("artifacts", args))
    assert recorded.one("s3/bucket:Bucket").get("forceDestroy") is sent
