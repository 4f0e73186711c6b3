"""Where moto answers what the service would not, and cannot be told otherwise from outside."""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket


def correct_moto() -> None:
    """Apply the corrections of this file, once per process.

    Bucket policies: moto denies what a statement denies without regard to its Condition, so a policy that demands TLS
    would close the bucket. Who may do what is not simulated at all here (every caller is the account's owner), so
    policies are stored and never evaluated.
    """

    def permit(self: FakeBucket, *_: Any, **__: Any) -> PermissionResult:
        return PermissionResult.PERMITTED

    FakeBucket.get_permission = permit  # type: ignore[method-assign]
