"""The transactions of DynamoDB by a short way: every request of a caller makes two.

Most of the time of a call of botocore goes into checking, converting and taking apart what the ledger writes in the
protocol's own form already, and into hooks. Here a transaction is signed and sent by the client's own signer and
connections, and whatever comes of it but a success or a transaction that was cancelled is left to the client: it is
sent again, with its token or its conditions, and so is never made twice.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

OPERATION = "TransactWriteItems"
CANCELLED = "TransactionCanceledException"

_HEADERS = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{OPERATION}"}
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Transactions:
    """A boto3 client of DynamoDB, whose transactions take the short way.

    Args:
        client: the client; used from several threads at once.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        # They are not public. The contract of the ledger with the library is held by tests, at its oldest release too.
        self._signer, self._connections = client._request_signer, client._endpoint.http_session
        self._url = f"{client.meta.endpoint_url.rstrip('/')}/"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **parameters: Any) -> dict[str, Any]:
        """Makes a transaction.

        Args:
            parameters: as the client takes them, in the protocol's form.

        Raises:
            ClientError: as the client raises it; nothing was changed if the transaction was cancelled.
        """
        body = _ENCODER.encode(parameters).encode()
        request = AWSRequest("POST", self._url, {**_HEADERS}, data=body)
        try:
            self._signer.sign(OPERATION, request)
            sent: Any = request.prepare()
            hooked = self._client.meta.events.emit(f"before-send.dynamodb.{OPERATION}", request=sent)
            answers = [answer for _, answer in hooked if answer is not None]
            answer = answers[0] if answers else self._connections.send(sent)
            content = json.loads(answer.content or b"{}")
            if not isinstance(content, dict):
                raise ValueError("no object")
        except (BotoCoreError, ValueError):
            return self._client.transact_write_items(**parameters)
        told = {"headers": answer.headers, "status_code": answer.status_code}
        self._client.meta.events.emit(f"response-received.dynamodb.{OPERATION}", response_dict=told)
        if answer.status_code == 200:
            return content
        name = str(content.get("__type", "")).rpartition("#")[2]
        if name != CANCELLED:
            return self._client.transact_write_items(**parameters)
        about = {"Code": name, "Message": content.get("message") or content.get("Message") or ""}
        reasons = content.get("CancellationReasons") or []
        cancelled = {"Error": about, "CancellationReasons": reasons, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(cancelled, OPERATION)  # pyright: ignore[reportArgumentType]
