"""The Lambda function that keeps a serverless endpoint warm by sending it real requests, as many at a time as
containers should be warm. It is deployed as this one file, with the request in a file beside it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SAMPLE = Path(__file__).with_name("sample_input")

CLIENT_SECONDS = 280
"""Timeout of a call: a cold one can take four minutes (SageMaker developer guide, serverless endpoints)."""


def handler(event: dict[str, Any], _context: object) -> dict[str, int]:
    """Makes `event["calls"]` calls at the same time.

    Returns:
        How many succeeded, and how many were throttled because all containers are busy, and therefore warm.

    Raises:
        RuntimeError: the endpoint failed; the event goes to the dead-letter queue.
    """
    calls = int(event["calls"])
    # A retry would be another billed call, and would warm nothing that the first one did not.
    config = Config(read_timeout=CLIENT_SECONDS, retries={"total_max_attempts": 1}, max_pool_connections=calls)
    client = boto3.client("sagemaker-runtime", config=config)
    body = SAMPLE.read_bytes()

    def ask(_: int) -> str:
        try:
            client.invoke_endpoint(
                EndpointName=os.environ["ENDPOINT_NAME"],
                ContentType="application/json",
                Body=body,
            )["Body"].read()
        except ClientError as error:
            return error.response.get("Error", {}).get("Code", "unknown")
        return "answered"

    with ThreadPoolExecutor(calls) as pool:
        outcomes = list(pool.map(ask, range(calls)))
    result = {"answered": outcomes.count("answered"), "throttled": outcomes.count("ThrottlingException")}
    print(json.dumps({"calls": calls, **result}))
    if sum(result.values()) < calls:
        raise RuntimeError(f"{os.environ['ENDPOINT_NAME']}: {sorted(set(outcomes) - {'answered'})}")
    return result
