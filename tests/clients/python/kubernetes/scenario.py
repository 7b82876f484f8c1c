"""What the scripts beside this share: a client of one server, promises, conditions with deadlines.

Usage of each: SCRIPT KUBECONFIG
"""

import os
import sys
import time

from kubernetes import client, config

DEADLINE = 30


def connect():
    """The administrator's client of the server that the command line names."""
    config.load_kube_config(config_file=sys.argv[1])
    return client.ApiClient()


def eventually(what, condition):
    """Waits until a condition holds; its last value."""
    until = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)


def refused(status, reason, call, *arguments, **named):
    """The body of the answer to a call that must fail so."""
    import json

    try:
        call(*arguments, **named)
    except client.ApiException as error:
        body = json.loads(error.body)
        assert error.status == status, (error.status, body)
        assert (body["kind"], body["status"]) == ("Status", "Failure"), body
        assert (body["code"], body["reason"]) == (status, reason), body
        return body
    raise AssertionError(f"{call} was not refused with {status} {reason}")


def run(promises):
    """Keeps one promise after the other, and says which."""
    api = connect()
    for promise in promises:
        promise(api)
        print(promise.__name__, flush=True)
    # Threads of watches that wait for their server do not keep the script.
    sys.stdout.flush()
    os._exit(0)
