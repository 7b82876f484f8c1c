"""The dynamic client: discovery, server-side apply, patches and watches without types."""

import json

import scenario
from kubernetes import client, dynamic
from kubernetes.dynamic import exceptions

NAMESPACE = "python-dynamic"


def resources_are_found_by_discovery(api):
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    assert (maps.name, maps.namespaced, maps.short_names) == ("configmaps", True, ["cm"]), maps
    assert found.resources.get(api_version="apps/v1", kind="Deployment").subresources["scale"]
    assert found.resources.get(api_version="v1", kind="Namespace").namespaced is False
    try:
        found.resources.get(api_version="v1", kind="Nonsense")
        raise AssertionError("found")
    except exceptions.ResourceNotFoundError:
        pass
    assert found.version["kubernetes"]["gitVersion"].startswith("v1.36")
    namespaces = found.resources.get(api_version="v1", kind="Namespace")
    namespaces.create(body={"metadata": {"name": NAMESPACE}})


def what_is_applied_has_owners_and_conflicts(api):
    found = dynamic.DynamicClient(api)
    deployments = found.resources.get(api_version="apps/v1", kind="Deployment")
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "example.test/web:1"}]},
            },
        },
    }
    apply = lambda manager, **named: deployments.server_side_apply(
        body=body, namespace=NAMESPACE, field_manager=manager, **named
    )
    first = apply("one")
    assert first.spec.replicas == 2, first
    again = apply("one")
    assert again.metadata.resourceVersion == first.metadata.resourceVersion, again
    body["spec"]["replicas"] = 3
    try:
        apply("two")
        raise AssertionError("no conflict")
    except exceptions.ConflictError as error:
        assert error.status == 409, error
        message = json.loads(error.body)["message"]
        assert message == 'Apply failed with 1 conflict: conflict with "one": .spec.replicas', message
    forced = apply("two", force_conflicts=True)
    assert forced.spec.replicas == 3, forced
    owners = {entry.manager: entry for entry in forced.metadata.managedFields}
    assert set(owners) == {"one", "two"}, owners
    assert "f:replicas" not in owners["one"].fieldsV1["f:spec"].to_dict(), owners["one"]


def every_type_of_patch_and_replacement_works(api):
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    maps.create(body={"metadata": {"name": "a"}, "data": {"x": "1"}}, namespace=NAMESPACE)
    patch = lambda body, kind: maps.patch(
        name="a", namespace=NAMESPACE, body=body, content_type=f"application/{kind}+json"
    )
    assert patch({"data": {"y": "2"}}, "strategic-merge-patch").data.to_dict() == {"x": "1", "y": "2"}
    assert patch({"data": {"x": None}}, "merge-patch").data.to_dict() == {"y": "2"}
    add = [{"op": "add", "path": "/data/z", "value": "3"}]
    live = patch(add, "json-patch")
    assert live.data.to_dict() == {"y": "2", "z": "3"}, live
    whole = live.to_dict()
    whole["data"] = {"only": "this"}
    assert maps.replace(body=whole, namespace=NAMESPACE).data.to_dict() == {"only": "this"}
    try:
        patch({"data": 1}, "nonsense")
        raise AssertionError("taken")
    except exceptions.DynamicApiError as error:
        assert error.status == 415, error


def a_watch_tells_what_happens_to_one_object(api):
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    since = maps.get(namespace=NAMESPACE).metadata.resourceVersion
    maps.create(body={"metadata": {"name": "other"}}, namespace=NAMESPACE)
    maps.create(body={"metadata": {"name": "seen"}}, namespace=NAMESPACE)
    maps.patch(name="seen", namespace=NAMESPACE, body={"data": {"a": "b"}})
    maps.delete(name="seen", namespace=NAMESPACE)
    kinds = []
    for event in maps.watch(
        namespace=NAMESPACE, name="seen", resource_version=since, timeout=scenario.DEADLINE
    ):
        assert event["object"].metadata.name == "seen", event
        kinds.append(event["type"])
        if event["type"] == "DELETED":
            break
    assert kinds == ["ADDED", "MODIFIED", "DELETED"], kinds


def a_kind_that_was_just_defined_is_found_and_checked(api):
    definitions = client.ApiextensionsV1Api(api)
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"length": {"type": "integer", "minimum": 1, "default": 3}},
                "x-kubernetes-validations": [
                    {"rule": "self.length < 100", "message": "no boat is that long"}
                ],
            }
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.example.test"},
        "spec": {
            "group": "example.test",
            "names": {"plural": "boats", "kind": "Boat"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    definitions.create_custom_resource_definition(body)

    def established():
        found = definitions.read_custom_resource_definition("boats.example.test")
        conditions = (found.status and found.status.conditions) or []
        return {"Established": "True"}.items() <= {c.type: c.status for c in conditions}.items()

    scenario.eventually("the definition is established", established)
    found = dynamic.DynamicClient(api)
    boats = found.resources.get(api_version="example.test/v1", kind="Boat")
    boat = {"apiVersion": "example.test/v1", "kind": "Boat", "metadata": {"name": "a"}}
    made = boats.create(body={**boat, "spec": {"color": "red"}}, namespace=NAMESPACE)
    assert made.spec.to_dict() == {"length": 3}, made
    for length, wrong in [
        (0, "spec.length in body should be greater than or equal to 1"),
        (100, "no boat is that long"),
    ]:
        try:
            boats.patch(
                name="a",
                namespace=NAMESPACE,
                body={"spec": {"length": length}},
                content_type="application/merge-patch+json",
            )
            raise AssertionError(f"{length} was not refused")
        except exceptions.UnprocessibleEntityError as error:
            assert wrong in str(error.body), error.body
    definitions.delete_custom_resource_definition("boats.example.test")


scenario.run(
    [
        resources_are_found_by_discovery,
        what_is_applied_has_owners_and_conflicts,
        every_type_of_patch_and_replacement_works,
        a_watch_tells_what_happens_to_one_object,
        a_kind_that_was_just_defined_is_found_and_checked,
    ]
)
