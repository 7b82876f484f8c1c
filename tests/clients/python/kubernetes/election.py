"""Leader election with a lock in a ConfigMap: two candidates, one leader, and a successor."""

import threading

import scenario
from kubernetes import client
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock


def one_of_two_leads_and_the_other_follows_it(api):
    leads = {"one": threading.Event(), "two": threading.Event()}
    stopped = threading.Event()

    def candidate(name):
        lock = ConfigMapLock("python-election", "default", name)

        def update(*arguments):
            # The leader is cut off from the server.
            return not stopped.is_set() and ConfigMapLock.update(lock, *arguments)

        if name == "one":
            lock.update = update
        settings = electionconfig.Config(
            lock,
            lease_duration=4,
            renew_deadline=3,
            retry_period=1,
            onstarted_leading=leads[name].set,
            onstopped_leading=None,
        )
        election = leaderelection.LeaderElection(settings)
        thread = threading.Thread(target=election.run, daemon=True)
        thread.start()

    core = client.CoreV1Api()
    lock = lambda: core.read_namespaced_config_map("python-election", "default")
    key = "control-plane.alpha.kubernetes.io/leader"
    candidate("one")
    assert leads["one"].wait(scenario.DEADLINE)
    candidate("two")
    first = lock()
    assert '"holderIdentity": "one"' in first.metadata.annotations[key], first
    scenario.eventually(
        "it renews its lease",
        lambda: lock().metadata.resource_version != first.metadata.resource_version,
    )
    assert not leads["two"].is_set()
    stopped.set()
    assert leads["two"].wait(scenario.DEADLINE)
    assert '"holderIdentity": "two"' in lock().metadata.annotations[key]


scenario.run([one_of_two_leads_and_the_other_follows_it])
