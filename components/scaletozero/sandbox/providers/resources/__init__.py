"""The resource table: every type that the sandbox's AWS knows, one row each."""

from scaletozero.sandbox.providers.resources import iam, logs, s3, sagemaker
from scaletozero.sandbox.providers.table import ResourceType

TABLE: dict[str, ResourceType] = {row.kind: row for rows in (s3, iam, sagemaker, logs) for row in rows.ROWS}
