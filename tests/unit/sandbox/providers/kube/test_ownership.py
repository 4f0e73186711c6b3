from scaletozero.sandbox.providers.kube.ownership import conflicts, is_made_by, leave_ignored, managers_of

REPLICAS = ("spec", "replicas")


def live(replicas: int, **owners: dict) -> dict:
    fields = [
        {"manager": name, "operation": "Apply" if name == "me" else "Update", "fieldsV1": f}
        for name, f in owners.items()
    ]
    return {"metadata": {"managedFields": fields}, "spec": {"replicas": replicas, "paused": False}}


OWNED = {"f:spec": {"f:replicas": {}}}
PAUSED = {"f:spec": {"f:paused": {}}}


def test_whose_a_field_is():
    found = live(3, keda=OWNED, me=PAUSED)
    assert managers_of(found, REPLICAS) == {"keda"}
    assert managers_of(found, ("spec",)) == {"keda", "me"}
    assert managers_of(found, ("spec", "template")) == set()


def test_what_only_others_own_is_not_sent():
    manifest = {"spec": {"replicas": 0, "paused": False}}
    assert leave_ignored(manifest, live(3, keda=OWNED, me=PAUSED), [REPLICAS], "me") == {"spec": {"paused": False}}
    assert manifest["spec"]["replicas"] == 0


def test_what_we_own_too_is_sent_as_it_stands():
    found = live(3, keda=OWNED, me=OWNED)
    assert leave_ignored({"spec": {"replicas": 0}}, found, [REPLICAS], "me") == {"spec": {"replicas": 3}}


def test_what_is_not_declared_is_not_added():
    assert leave_ignored({"spec": {}}, live(3, me=PAUSED), [REPLICAS], "me") == {"spec": {}}


def test_who_made_it():
    assert is_made_by(live(1, me=OWNED), "me")
    assert not is_made_by(live(1, keda=OWNED), "keda")
    assert not is_made_by({"metadata": {}}, "me")


def test_a_conflict_names_field_and_owner():
    causes = [(".spec.replicas", "FieldManagerConflict", 'conflict with "keda"'), ("spec", "Other", "no")]
    assert [*conflicts(causes)] == ['.spec.replicas (conflict with "keda")']
