"""The typed client: making, reading, changing and deleting objects, and what is refused."""

import base64
import datetime
import tempfile
from decimal import Decimal

import scenario
from kubernetes import client, utils

NAMESPACE = "python-objects"


def a_namespace_is_made_and_lives(api):
    core = client.CoreV1Api(api)
    body = client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE))
    made = core.create_namespace(body)
    assert made.status.phase == "Active", made
    assert made.metadata.labels == {"kubernetes.io/metadata.name": NAMESPACE}, made
    assert isinstance(made.metadata.creation_timestamp, datetime.datetime)


def the_server_says_which_version_it_is(api):
    version = client.VersionApi(api).get_code()
    assert (version.major, version.minor) == ("1", "36"), version
    groups = {group.name for group in client.ApisApi(api).get_api_versions().groups}
    assert {"apps", "batch", "rbac.authorization.k8s.io"} <= groups, groups
    resources = client.CoreV1Api(api).get_api_resources().resources
    assert {"pods", "pods/status", "configmaps"} <= {one.name for one in resources}


def common_kinds_keep_their_types(api):
    core, apps, batch = client.CoreV1Api(api), client.AppsV1Api(api), client.BatchV1Api(api)
    meta = lambda name: client.V1ObjectMeta(name=name, labels={"app": name})
    container = client.V1Container(
        name="main",
        image="example.test/app:1",
        ports=[client.V1ContainerPort(container_port=80)],
        resources=client.V1ResourceRequirements(requests={"cpu": "100m", "memory": "64Mi"}),
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}),
        spec=client.V1PodSpec(containers=[container]),
    )
    selector = client.V1LabelSelector(match_labels={"app": "web"})

    pod = core.create_namespaced_pod(
        NAMESPACE, client.V1Pod(metadata=meta("pod"), spec=client.V1PodSpec(containers=[container]))
    )
    assert (pod.status.phase, pod.spec.restart_policy) == ("Pending", "Always"), pod
    assert pod.spec.containers[0].ports[0].protocol == "TCP"

    deployment = apps.create_namespaced_deployment(
        NAMESPACE,
        client.V1Deployment(
            metadata=meta("web"), spec=client.V1DeploymentSpec(selector=selector, template=template)
        ),
    )
    assert deployment.spec.replicas == 1
    assert deployment.spec.strategy.rolling_update.max_surge == "25%"
    scale = apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 3}})
    assert scale.spec.replicas == 3, scale
    assert apps.read_namespaced_deployment_scale("web", NAMESPACE).status.selector == "app=web"

    template.spec.restart_policy = "Never"
    job = batch.create_namespaced_job(
        NAMESPACE, client.V1Job(metadata=meta("job"), spec=client.V1JobSpec(template=template))
    )
    assert (job.spec.parallelism, job.spec.completions) == (1, 1), job

    service = core.create_namespaced_service(
        NAMESPACE,
        client.V1Service(
            metadata=meta("web"),
            spec=client.V1ServiceSpec(
                selector={"app": "web"}, ports=[client.V1ServicePort(port=80, target_port="http")]
            ),
        ),
    )
    assert service.spec.cluster_ip.startswith("10."), service
    assert service.spec.ports[0].target_port == "http"

    secret = core.create_namespaced_secret(
        NAMESPACE, client.V1Secret(metadata=meta("secret"), string_data={"word": "swordfish"})
    )
    assert base64.b64decode(secret.data["word"]) == b"swordfish"
    assert (secret.type, secret.string_data) == ("Opaque", None), secret


def every_type_of_patch_does_what_it_says(api):
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(
        NAMESPACE,
        client.V1ConfigMap(metadata=client.V1ObjectMeta(name="patched"), data={"a": "1", "b": "2"}),
    )
    patch = lambda body, **named: core.patch_namespaced_config_map(
        "patched", NAMESPACE, body, **named
    )
    # A list is taken for a JSON patch, a mapping for a strategic merge.
    assert patch([{"op": "replace", "path": "/data/a", "value": "3"}]).data == {"a": "3", "b": "2"}
    assert patch({"data": {"b": None}}).data == {"a": "3"}
    merge = {"_content_type": "application/merge-patch+json"}
    assert patch({"data": {"c": "4", "a": None}}, **merge).data == {"c": "4"}
    refused = scenario.refused(
        422, "Invalid", patch, [{"op": "test", "path": "/data/c", "value": "5"}]
    )
    message = "the server rejected our request due to an error in our request"
    assert (refused["message"], refused["details"]) == (message, {}), refused


def a_strategic_merge_knows_lists_by_their_keys(api):
    core = client.CoreV1Api(api)
    service = core.patch_namespaced_service(
        "web", NAMESPACE, {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "more"}]}}
    )
    assert [(port.port, port.name) for port in service.spec.ports] == [(80, "http"), (81, "more")]
    assert service.spec.ports[0].target_port == "http"
    gone = {"spec": {"ports": [{"port": 81, "$patch": "delete"}]}}
    service = core.patch_namespaced_service("web", NAMESPACE, gone)
    assert [port.port for port in service.spec.ports] == [80], service
    # As a merge patch the list is replaced.
    service = core.patch_namespaced_service(
        "web",
        NAMESPACE,
        {"spec": {"ports": [{"port": 82}]}},
        _content_type="application/merge-patch+json",
    )
    assert [(port.port, port.target_port) for port in service.spec.ports] == [(82, 82)], service


def a_stale_replacement_is_a_conflict(api):
    core = client.CoreV1Api(api)
    first = core.read_namespaced_config_map("patched", NAMESPACE)
    second = core.read_namespaced_config_map("patched", NAMESPACE)
    first.data = {"first": "1"}
    core.replace_namespaced_config_map("patched", NAMESPACE, first)
    second.data = {"second": "2"}
    body = scenario.refused(
        409, "Conflict", core.replace_namespaced_config_map, "patched", NAMESPACE, second
    )
    assert body["message"].startswith('Operation cannot be fulfilled on configmaps "patched"'), body


def what_is_refused_says_so_in_a_status(api):
    core = client.CoreV1Api(api)
    body = scenario.refused(404, "NotFound", core.read_namespaced_config_map, "none", NAMESPACE)
    assert body["details"] == {"name": "none", "kind": "configmaps"}, body
    assert body["message"] == 'configmaps "none" not found', body
    again = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="patched"))
    body = scenario.refused(
        409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE, again
    )
    assert body["message"] == 'configmaps "patched" already exists', body
    wrong = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="Not A Name"))
    body = scenario.refused(422, "Invalid", core.create_namespaced_config_map, NAMESPACE, wrong)
    assert body["details"]["causes"][0]["field"] == "metadata.name", body
    body = scenario.refused(
        400, "BadRequest", core.list_namespaced_pod, NAMESPACE, label_selector="a in ("
    )
    assert body["message"].startswith("unable to parse requirement"), body


def a_list_comes_in_chunks_of_one_revision(api):
    core = client.CoreV1Api(api)
    for number in range(25):
        name = f"chunk-{number:02}"
        core.create_namespaced_config_map(
            NAMESPACE,
            client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"chunked": "yes"})),
        )
    names, revisions, going_on, chunks = [], set(), None, 0
    while True:
        page = core.list_namespaced_config_map(
            NAMESPACE, label_selector="chunked=yes", limit=10, _continue=going_on
        )
        names += [item.metadata.name for item in page.items]
        revisions.add(page.metadata.resource_version)
        chunks += 1
        going_on = page.metadata._continue
        if chunks == 1:
            core.delete_namespaced_config_map("chunk-24", NAMESPACE)
        if not going_on:
            break
    assert names == [f"chunk-{number:02}" for number in range(25)], names
    assert (chunks, len(revisions)) == (3, 1), (chunks, revisions)
    page = core.list_namespaced_config_map(NAMESPACE, limit=1)
    assert page.metadata.remaining_item_count >= 24, page.metadata


def a_collection_is_deleted_by_its_label(api):
    core = client.CoreV1Api(api)
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="chunked=yes")
    left = [item.metadata.name for item in core.list_namespaced_config_map(NAMESPACE).items]
    assert "patched" in left and not [name for name in left if name.startswith("chunk")], left


def objects_are_made_from_yaml(api):
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: from-yaml}
data: {color: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: from-yaml}
spec:
  selector: {matchLabels: {app: y}}
  template:
    metadata: {labels: {app: y}}
    spec: {containers: [{name: main, image: example.test/y}]}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: from-yaml}, spec: {ports: [{port: 1}]}}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: from-yaml}, rules: []}
"""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        utils.create_from_yaml(api, file.name, namespace=NAMESPACE)
        try:
            utils.create_from_yaml(api, file.name, namespace=NAMESPACE)
            raise AssertionError("made twice")
        except utils.FailToCreateError as error:
            reasons = {(one.status, one.reason) for one in error.api_exceptions}
            assert reasons == {(409, "Conflict")}, reasons
            assert len(error.api_exceptions) == 4, error
    assert client.RbacAuthorizationV1Api(api).read_namespaced_role("from-yaml", NAMESPACE)
    applied = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "applied-from-yaml"},
        "data": {"color": "blue"},
    }
    for color in ("blue", "green"):
        applied["data"]["color"] = color
        utils.create_from_yaml(api, yaml_objects=[applied], namespace=NAMESPACE, apply=True)
        found = client.CoreV1Api(api).read_namespaced_config_map("applied-from-yaml", NAMESPACE)
        assert found.data == {"color": color}, found
    assert [entry.operation for entry in found.metadata.managed_fields] == ["Apply"], found


def quantities_are_what_the_client_reads(api):
    pod = client.CoreV1Api(api).read_namespaced_pod("pod", NAMESPACE)
    requests = pod.spec.containers[0].resources.requests
    assert utils.parse_quantity(requests["cpu"]) == Decimal("0.1")
    assert utils.parse_quantity(requests["memory"]) == 64 * 1024 * 1024


def a_token_of_an_account_is_its_bearer(api):
    core = client.CoreV1Api(api)
    core.create_namespaced_service_account(
        NAMESPACE, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="reader"))
    )
    request = client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600)
    )
    answer = core.create_namespaced_service_account_token("reader", NAMESPACE, request)
    own = client.Configuration()
    own.host, own.ssl_ca_cert = api.configuration.host, api.configuration.ssl_ca_cert
    own.api_key = {"authorization": f"Bearer {answer.status.token}"}
    bearer = client.ApiClient(own)
    who = client.AuthenticationV1Api(bearer).create_self_subject_review(
        client.V1SelfSubjectReview()
    )
    name = f"system:serviceaccount:{NAMESPACE}:reader"
    assert who.status.user_info.username == name, who
    assert f"system:serviceaccounts:{NAMESPACE}" in who.status.user_info.groups
    body = scenario.refused(
        403, "Forbidden", client.CoreV1Api(bearer).list_namespaced_secret, NAMESPACE
    )
    assert body["message"] == (
        f'secrets is forbidden: User "{name}" cannot list resource "secrets" '
        f'in API group "" in the namespace "{NAMESPACE}"'
    ), body
    review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=answer.status.token))
    found = client.AuthenticationV1Api(api).create_token_review(review)
    assert found.status.authenticated and found.status.user.username == name, found
    own.api_key = {"authorization": "Bearer nonsense"}
    scenario.refused(401, "Unauthorized", client.CoreV1Api(bearer).list_namespaced_secret, NAMESPACE)


def a_pod_that_runs_nowhere_has_no_log(api):
    core = client.CoreV1Api(api)
    # What runs nowhere has said nothing.
    log, status, _ = core.read_namespaced_pod_log_with_http_info("pod", NAMESPACE)
    assert (log, status) == (None, 204), (log, status)
    body = scenario.refused(
        400, "BadRequest", core.read_namespaced_pod_log, "pod", NAMESPACE, container="none"
    )
    assert body["message"] == "container none is not valid for pod pod", body


def a_deleted_namespace_takes_its_objects_along(api):
    core = client.CoreV1Api(api)
    core.delete_namespace(NAMESPACE)

    def gone():
        try:
            core.read_namespace(NAMESPACE)
            return False
        except client.ApiException as error:
            return error.status == 404

    scenario.eventually("the namespace is gone", gone)
    assert core.list_namespaced_config_map(NAMESPACE).items == []


scenario.run(
    [
        a_namespace_is_made_and_lives,
        the_server_says_which_version_it_is,
        common_kinds_keep_their_types,
        every_type_of_patch_does_what_it_says,
        a_strategic_merge_knows_lists_by_their_keys,
        a_stale_replacement_is_a_conflict,
        what_is_refused_says_so_in_a_status,
        a_list_comes_in_chunks_of_one_revision,
        a_collection_is_deleted_by_its_label,
        objects_are_made_from_yaml,
        quantities_are_what_the_client_reads,
        a_token_of_an_account_is_its_bearer,
        a_pod_that_runs_nowhere_has_no_log,
        a_deleted_namespace_takes_its_objects_along,
    ]
)
