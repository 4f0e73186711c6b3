"""EKS Pod Identity. Clusters and node groups are not in the table: the owner of the cluster creates them."""

from __future__ import annotations

from typing import Any

from scaletozero.sandbox.providers.table import Read, ResourceType, State, Step, Tagging

_ONE = {"clusterName": "clusterName", "associationId": "@id"}
_CHANGES = {
    "roleArn": "roleArn",
    "targetRoleArn": "targetRoleArn",
    "disableSessionTags": "disableSessionTags",
}
_NAMES = {"clusterName": "clusterName", "namespace": "namespace", "serviceAccount": "serviceAccount"}


def _matching(client: Any, state: State) -> list[str]:
    """Finds the association of a service account, which can have only one."""
    found = client.list_pod_identity_associations(**{key: state[key] for key in _NAMES})
    return [each["associationId"] for each in found["associations"]]


ROWS = (
    ResourceType(
        kind="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        service="eks",
        id_path="association.associationId",
        find=_matching,
        found_by=tuple(_NAMES),
        gone=("ResourceNotFoundException",),
        create=(Step("create_pod_identity_association", {**_NAMES, **_CHANGES}),),
        update=(Step("update_pod_identity_association", {**_ONE, **_CHANGES}, on=tuple(_CHANGES)),),
        reads=(
            Read(
                "describe_pod_identity_association",
                _ONE,
                {prop: f"association.{prop}" for prop in (*_NAMES, *_CHANGES, "associationArn", "associationId")},
            ),
        ),
        delete=(Step("delete_pod_identity_association", _ONE),),
        replaces=frozenset(_NAMES),
        defaults={"disableSessionTags": False},
        refused={"policy": "not in the sandbox's table yet; restrict the role itself"},
        tagging=Tagging(
            "tag_resource",
            "untag_resource",
            "list_tags_for_resource",
            "tags",
            {"resourceArn": "associationArn"},
            at_create="tags",
            keys="tagKeys",
            param="tags",
            style="map",
        ),
    ),
)
