"""watch.Watch and SharedInformer: following what happens, and coming back.

The server has been compacted since its first revisions when this starts.
"""

import threading

import scenario
from kubernetes import client, informer, watch

NAMESPACE = "python-following"
# A revision of long ago.
GONE = 2


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def a_namespace_is_made(api):
    core = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    # What every namespace gets is not to come in between.
    named = lambda: [one.metadata.name for one in core.list_namespaced_config_map(NAMESPACE).items]
    scenario.eventually("the namespace has its certificate", lambda: "kube-root-ca.crt" in named())


def a_watch_goes_on_where_another_ended(api):
    core = client.CoreV1Api(api)
    since = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    for number in range(6):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"w-{number}"))
    seen = []
    while len(seen) < 6:
        follow = watch.Watch()
        for event in follow.stream(
            core.list_namespaced_config_map,
            NAMESPACE,
            resource_version=since,
            timeout_seconds=scenario.DEADLINE,
        ):
            assert event["type"] == "ADDED", event
            seen.append(event["object"].metadata.name)
            since = follow.resource_version
            if len(seen) % 2 == 0:
                break
    assert seen == [f"w-{number}" for number in range(6)], seen


def a_watch_ends_when_its_time_is_over(api):
    core = client.CoreV1Api(api)
    since = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    follow = watch.Watch()
    events = list(
        follow.stream(
            core.list_namespaced_config_map, NAMESPACE, resource_version=since, timeout_seconds=1
        )
    )
    assert events == [], events


def a_revision_that_is_gone_is_410(api):
    core = client.CoreV1Api(api)
    try:
        for event in watch.Watch().stream(
            core.list_namespaced_config_map, NAMESPACE, resource_version=str(GONE)
        ):
            raise AssertionError(event)
    except client.ApiException as error:
        assert error.status == 410, error
        assert error.reason.startswith(f"Expired: too old resource version: {GONE} ("), error


def an_informer_keeps_what_the_server_has(api):
    core = client.CoreV1Api(api)
    follows = informer.SharedInformer(core.list_namespaced_config_map, namespace=NAMESPACE)
    told, lock = [], threading.Lock()

    def tell(kind):
        def handler(about):
            with lock:
                told.append((kind, about.metadata.name))

        return handler

    for kind in (informer.ADDED, informer.MODIFIED, informer.DELETED):
        follows.add_event_handler(kind, tell(kind))
    expired = []
    follows.add_event_handler(informer.ERROR, expired.append)
    # As after a long sleep: what it knew last is gone, and it has to list again.
    follows._resource_version = str(GONE)
    follows.start()
    scenario.eventually("it has listed", lambda: ("ADDED", "w-5") in told)
    assert [error.status for error in expired] == [410], expired

    core.create_namespaced_config_map(NAMESPACE, config_map("new", a="1"))
    scenario.eventually("it was added", lambda: ("ADDED", "new") in told)
    core.patch_namespaced_config_map("new", NAMESPACE, {"data": {"a": "2"}})
    scenario.eventually("it was changed", lambda: ("MODIFIED", "new") in told)
    assert follows.cache.get_by_key(f"{NAMESPACE}/new").data == {"a": "2"}
    core.delete_namespaced_config_map("w-0", NAMESPACE)
    scenario.eventually("it was deleted", lambda: ("DELETED", "w-0") in told)

    versions = lambda objects: {
        one.metadata.uid: (one.metadata.name, one.metadata.resource_version) for one in objects
    }
    live = core.list_namespaced_config_map(NAMESPACE)
    scenario.eventually(
        "its cache is what the server has",
        lambda: versions(follows.cache.list()) == versions(live.items),
    )
    # Each thing was told once.
    assert len(told) == len(set(told)), told
    follows.stop()


scenario.run(
    [
        a_namespace_is_made,
        a_watch_goes_on_where_another_ended,
        a_watch_ends_when_its_time_is_over,
        a_revision_that_is_gone_is_410,
        an_informer_keeps_what_the_server_has,
    ]
)
