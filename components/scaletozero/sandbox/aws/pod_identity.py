"""EKS Pod Identity associations, which moto does not have: they give a role to the pods of a service account."""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import Any

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError, Call, Route

_CLUSTER = r"/clusters/(?P<clusterName>[^/]+)/pod-identity-associations"
_CHANGEABLE = ("roleArn", "targetRoleArn", "disableSessionTags")


class PodIdentity:
    """The operations. A cluster that an association names is assumed to exist: its owner creates it."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def routes(self) -> tuple[Route, ...]:
        one = {"GET": self.describe, "POST": self.update, "DELETE": self.delete}
        tags = {"GET": self.tags, "POST": self.tag, "DELETE": self.untag}
        return (
            Route("eks", re.compile(_CLUSTER), {"POST": self.create, "GET": self.list}),
            Route("eks", re.compile(_CLUSTER + "/(?P<associationId>[^/]+)"), one),
            Route("eks", re.compile(r"/tags/(?P<resourceArn>arn:[^/]+:podidentityassociation/.+)"), tags),
        )

    def create(self, call: Call) -> dict[str, Any]:
        """Creates an association; a service account of a namespace can have one."""
        given = call.parameters
        for key in ("namespace", "serviceAccount", "roleArn"):
            if not isinstance(given.get(key), str):
                raise AwsError("InvalidParameterException", f"{key} is required and must be a string", 400)
        with self._lock:
            for each in self._of(call):
                if all(each[key] == given[key] for key in ("namespace", "serviceAccount")):
                    said = f"Association already exists: {each['associationId']}"
                    raise AwsError("ResourceInUseException", said, 409)
            cluster = given["clusterName"]
            id_ = f"a-{uuid.uuid4().hex[:17]}"
            now = time.time()
            made = {
                "clusterName": cluster,
                "namespace": given["namespace"],
                "serviceAccount": given["serviceAccount"],
                "associationArn": arn(
                    "eks", call.region, ACCOUNT, f"podidentityassociation/{given['clusterName']}/{id_}"
                ),
                "associationId": id_,
                "disableSessionTags": False,
                "tags": {},
                "createdAt": now,
                "modifiedAt": now,
                **{key: given[key] for key in (*_CHANGEABLE, "tags") if key in given},
            }
            self._held[call.region, id_] = made
        return {"association": made}

    def list(self, call: Call) -> dict[str, Any]:
        wanted = {key: call.parameters.get(key, [None])[0] for key in ("namespace", "serviceAccount")}
        found = [each for each in self._of(call) if all(value in (None, each[key]) for key, value in wanted.items())]
        shown = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")
        return {"associations": [{key: each[key] for key in shown} for each in found]}

    def describe(self, call: Call) -> dict[str, Any]:
        return {"association": self._one(call)}

    def update(self, call: Call) -> dict[str, Any]:
        with self._lock:
            found = self._one(call)
            found |= {key: call.parameters[key] for key in _CHANGEABLE if key in call.parameters}
            found["modifiedAt"] = time.time()
        return {"association": found}

    def delete(self, call: Call) -> dict[str, Any]:
        with self._lock:
            found = self._one(call)
            del self._held[call.region, found["associationId"]]
        return {"association": found}

    def tags(self, call: Call) -> dict[str, Any]:
        return {"tags": self._by_arn(call)["tags"]}

    def tag(self, call: Call) -> dict[str, Any]:
        tags = call.parameters.get("tags")
        if not isinstance(tags, dict):
            raise AwsError("BadRequestException", "tags is required and must be an object", 400)
        self._by_arn(call)["tags"].update(tags)
        return {}

    def untag(self, call: Call) -> dict[str, Any]:
        for key in call.parameters.get("tagKeys", ()):
            self._by_arn(call)["tags"].pop(key, None)
        return {}

    def _of(self, call: Call) -> list[dict[str, Any]]:
        """The associations of a cluster."""
        cluster = call.parameters["clusterName"]
        return [
            each for (region, _), each in self._held.items() if (region, each["clusterName"]) == (call.region, cluster)
        ]

    def _one(self, call: Call) -> dict[str, Any]:
        id_ = call.parameters["associationId"]
        for each in self._of(call):
            if each["associationId"] == id_:
                return each
        raise AwsError("ResourceNotFoundException", f"Association not found: {id_}", 404)

    def _by_arn(self, call: Call) -> dict[str, Any]:
        arn = call.parameters["resourceArn"]
        for each in self._held.values():
            if each["associationArn"] == arn:
                return each
        raise AwsError("NotFoundException", f"Resource not found: {arn}", 404)
