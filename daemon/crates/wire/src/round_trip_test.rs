//! What is written is read back as the same, and whatever is read does no harm.

use serde_json::{Value, json};

use crate::sample::{Random, full, kinds};
use crate::{DecodeError, Limits, List, decode, decode_as, encode, event};

fn bytes(value: &Value) -> Vec<u8> {
    let text = |name: &str| value[name].as_str().unwrap();
    encode(value, text("apiVersion"), text("kind")).unwrap()
}

fn there_and_back(value: &Value) -> Value {
    decode(&bytes(value), Limits::default()).unwrap().value
}

#[test]
fn every_field_of_every_kind_survives() {
    let kinds = kinds();
    assert!(kinds.len() > 130, "{}", kinds.len());
    for (api_version, kind) in kinds {
        let value = full(&api_version, &kind);
        assert_eq!(there_and_back(&value), value, "{api_version} {kind}");
    }
}

#[test]
fn rich_objects_survive_as_they_were_written() {
    let metadata = json!({
        "name": "x", "namespace": "d", "uid": "u", "resourceVersion": "7", "generation": 2,
        "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": {"a": "\u{e9}\n", "b": ""},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": false}],
        "managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}}}}}],
    });
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {
        "replaced": null,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "projected": {"sources": [
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}}]}}],
        "containers": [{"name": "c", "image": "i",
            "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": false}}}],
            "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 3},
            "ports": [{"containerPort": 80}],
            "securityContext": {"privileged": false, "runAsUser": 0}}],
        "tolerations": [{"operator": "Exists", "tolerationSeconds": -1}],
    }, "status": {"podIPs": [{"ip": "10.0.0.1"}]}});
    let mut wanted = pod.clone();
    wanted["spec"].as_object_mut().unwrap().remove("replaced");
    assert_eq!(there_and_back(&pod), wanted);

    let props = json!({"type": "object", "minimum": 1, "maximum": 2.5, "default": {"a": [null]},
        "enum": ["a", 1, true],
        "properties": {"p": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "q": {"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": false}},
        "additionalProperties": {"type": "string"},
        "dependencies": {"a": ["b"], "c": {"required": ["d"]}},
        "x-kubernetes-validations": [{"rule": "self.a > 1", "messageExpression": "m"}]});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.x.io"},
        "spec": {"group": "x.io", "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": props},
                "subresources": {"status": {}}}]}});
    let mut wanted = crd.clone();
    // Go has no pointers here.
    wanted["status"] = json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": null});
    let status = wanted["status"].as_object_mut().unwrap();
    status.retain(|_, value| !value.is_null());
    assert_eq!(there_and_back(&crd), wanted);
}

#[test]
fn a_number_or_a_text_a_secret_and_moments_survive() {
    for port in [json!(8080), json!("http"), json!(-1)] {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"port": 80, "targetPort": port}]}, "status": {"loadBalancer": {}}});
        assert_eq!(there_and_back(&service), service);
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {},
        "data": {"empty": "", "octets": "AP/+"}, "immutable": false});
    assert_eq!(there_and_back(&secret), secret);
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {},
        "spec": {"renewTime": "2026-01-02T03:04:05.678901Z", "leaseTransitions": 0}});
    assert_eq!(there_and_back(&lease), lease);
    let policy = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {},
        "spec": {"minAvailable": 0}});
    let read = there_and_back(&policy);
    assert_eq!(read["spec"], policy["spec"]);
    assert_eq!(read["status"]["currentHealthy"], 0);
}

#[test]
fn what_kubectl_sends_is_read_and_written_again_to_the_byte() {
    // kubectl 1.36 create deployment d --image=nginx --replicas=3 --port=80
    let sent =
        b"k8s\0\n\x15\n\x07apps/v1\x12\nDeployment\x12\xb0\x01\n\x1b\n\x01d\x12\0\x1a\0\"\0*\x002\
        \08\0B\0Z\x08\n\x03app\x12\x01d\x12\x82\x01\x08\x03\x12\n\n\x08\n\x03app\x12\x01d\x1a\
        j\n\x1a\n\0\x12\0\x1a\0\"\0*\x002\08\0B\0Z\x08\n\x03app\x12\x01d\x12L\x12.\n\x05nginx\
        \x12\x05nginx*\x002\n\n\0\x10\0\x18P\"\0*\0B\0j\0r\0\x80\x01\0\x88\x01\0\x90\x01\0\xa2\
        \x01\0\x1a\x002\0B\0J\0R\0X\0`\0h\0\x82\x01\0\x8a\x01\0\x9a\x01\0\xc2\x01\0\"\x02\n\0(\
        \08\0\x1a\x0c\x08\0\x10\0\x18\0 \0(\08\0\x1a\0\"\0";
    let found = decode(sent, Limits::default()).unwrap();
    assert_eq!(
        (found.api_version.as_str(), found.kind.as_str()),
        ("apps/v1", "Deployment")
    );
    assert_eq!(
        found.value,
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "labels": {"app": "d"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "d"}}, "strategy": {},
                "template": {"metadata": {"labels": {"app": "d"}},
                    "spec": {"containers": [{"name": "nginx", "image": "nginx",
                        "ports": [{"containerPort": 80}], "resources": {}}]}}},
            "status": {}})
    );
    assert_eq!(bytes(&found.value), sent);
}

#[test]
fn a_list_written_item_by_item_is_the_list_written_at_once() {
    let items = json!([{"metadata": {"name": "a"}, "data": {"x": "y"}}, {"metadata": {}}]);
    let metadata = json!({"resourceVersion": "9", "remainingItemCount": 3});
    let whole =
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items});
    let mut list = List::new("v1", "ConfigMapList").unwrap();
    let mut middle = Vec::new();
    for item in items.as_array().unwrap() {
        middle.extend(list.item(item).unwrap());
    }
    let (mut all, tail) = list.close(&metadata).unwrap();
    all.extend(middle);
    all.extend_from_slice(tail);
    assert_eq!(all, bytes(&whole));
    assert_eq!(there_and_back(&whole), whole);
    assert!(List::new("v1", "Pod").is_err());
    assert!(List::new("example.com/v1", "FooList").is_err());
}

#[test]
fn an_event_is_a_length_a_type_and_an_object_with_its_envelope() {
    let status = json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "code": 410, "reason": "Expired"});
    let frame = event("ERROR", &status, "v1", "Status").unwrap();
    let length = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
    assert_eq!(length, frame.len() - 4);
    let inner = bytes(&status);
    assert_eq!(&frame[4..11], b"\x0a\x05ERROR");
    assert!(frame.ends_with(&inner));
    assert_eq!(there_and_back(&status), status);
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_path() {
    let fails = |value: Value, kind: &str| encode(&value, "v1", kind).unwrap_err().to_string();
    assert_eq!(
        fails(
            json!({"spec": {"containers": [{"name": "a"}, {"ports": [{"containerPort": "x"}]}]}}),
            "Pod"
        ),
        "spec.containers[1].ports[0].containerPort: expected a 32-bit integer"
    );
    assert_eq!(
        fails(json!({"data": {"k": 1}}), "ConfigMap"),
        "data[\"k\"]: expected a string"
    );
    assert_eq!(
        fails(json!({"data": []}), "Secret"),
        "data: expected an object"
    );
    assert_eq!(
        fails(json!({"data": {"k": "%"}}), "Secret"),
        "data[\"k\"]: expected base64"
    );
    assert_eq!(
        fails(json!({"metadata": {"creationTimestamp": "now"}}), "Pod"),
        "metadata.creationTimestamp: expected a time"
    );
    assert_eq!(
        fails(json!({}), "Foo"),
        "no kind \"Foo\" is registered for version \"v1\""
    );
}

#[test]
fn options_are_known_in_every_group_and_kinds_that_nobody_has_are_not() {
    let options = json!({"apiVersion": "policy/v1", "kind": "DeleteOptions",
        "gracePeriodSeconds": 0, "propagationPolicy": "Foreground"});
    assert_eq!(there_and_back(&options), options);
    let mut bytes = crate::envelope::head("x.io/v1", "Foo", 0);
    bytes.extend_from_slice(crate::envelope::TAIL);
    assert_eq!(
        decode(&bytes, Limits::default()).unwrap_err().to_string(),
        "no kind \"Foo\" is registered for version \"x.io/v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
    );
    let error = |bytes: &[u8]| decode(bytes, Limits::default()).unwrap_err();
    assert_eq!(error(b""), DecodeError::Empty);
    assert_eq!(error(b"{}"), DecodeError::Magic);
    assert_eq!(error(b"k8s\0"), DecodeError::EmptyBody);
    assert_eq!(error(b"k8s\0\x0a\0"), DecodeError::NoKind);
}

#[test]
fn what_does_not_say_what_it_is_is_taken_for_what_is_expected() {
    let read = |bytes: &[u8]| decode_as(bytes, Limits::default(), "v1", "ConfigMap");
    let unsaid = read(b"k8s\0\x12\x05\x0a\x03\x0a\x01a").unwrap();
    assert_eq!(
        (unsaid.api_version, unsaid.kind),
        ("v1".into(), "ConfigMap".into())
    );
    assert_eq!(unsaid.value["metadata"], json!({"name": "a"}));
    let refused = read(b"k8s\0\x0a\x08\x12\x06Secret\x12\x02\x08\x01").unwrap_err();
    assert_eq!(refused.said, Some(("v1".into(), "Secret".into())));
    assert_eq!(
        refused.to_string(),
        "proto: wrong wireType = 0 for field Metadata"
    );
    let refused = read(b"k8s\0\x12\x01\x04").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "proto: ConfigMap: wiretype end group for non-group"
    );
    assert_eq!(read(b"k8s\0\x0c").unwrap_err().said, None);
}

#[test]
fn fields_that_nobody_knows_are_passed_over_and_doubled_ones_are_joined() {
    let raw: Vec<u8> = [
        &b"\xfa\x7f\x01x\x80\x7d\x05"[..],
        b"\x0a\x03\x0a\x01a",
        b"\x0a\x03\x1a\x01n",
        b"\x0a\x03\x0a\x01b",
    ]
    .concat();
    let mut bytes = crate::envelope::head("v1", "ConfigMap", raw.len());
    bytes.extend(raw);
    let read = decode(&bytes, Limits::default()).unwrap().value;
    assert_eq!(read["metadata"], json!({"name": "b", "namespace": "n"}));
}

#[test]
fn every_limit_is_held() {
    let mut schema = json!({"type": "string"});
    for _ in 0..60 {
        schema = json!({"not": schema});
    }
    let crd = |schema: &Value| {
        let version = json!({"name": "v1", "schema": {"openAPIV3Schema": schema}});
        bytes(&json!({"apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition", "spec": {"versions": [version]}}))
    };
    let sent = crd(&schema);
    assert!(decode(&sent, Limits::default()).is_ok());
    let limits = Limits {
        depth: 60,
        ..Limits::default()
    };
    assert_eq!(decode(&sent, limits).unwrap_err(), DecodeError::TooDeep(60));
    let limits = Limits {
        values: 100,
        ..Limits::default()
    };
    assert_eq!(
        decode(&sent, limits).unwrap_err(),
        DecodeError::TooMany(100)
    );
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    assert_eq!(decode(&sent, limits).unwrap_err(), DecodeError::TooLong(10));
    for _ in 0..60 {
        schema = json!({"not": schema});
    }
    let kind = "CustomResourceDefinition";
    let deep = json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}});
    assert!(encode(&deep, "apiextensions.k8s.io/v1", kind).is_err());

    // Raw JSON counts as deep as it stands.
    let mut data = json!(1);
    for _ in 0..100 {
        data = json!([data]);
    }
    let revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": data});
    let error = decode(&bytes(&revision), Limits::default()).unwrap_err();
    assert_eq!(error, DecodeError::TooDeep(100));

    // Two bytes a container.
    let mut pod = crate::envelope::head("v1", "Pod", 200_004);
    pod.extend_from_slice(b"\x12\xc0\x9a\x0c");
    pod.extend(b"\x12\x00".repeat(100_000));
    let error = decode(
        &pod,
        Limits {
            values: 50_000,
            ..Limits::default()
        },
    )
    .unwrap_err();
    assert_eq!(error, DecodeError::TooMany(50_000));
}

#[test]
fn every_truncation_of_every_kind_is_an_error_or_less() {
    for (api_version, kind) in kinds().iter().step_by(3) {
        let whole = bytes(&full(api_version, kind));
        let nothing = crate::envelope::head(api_version, kind, 0).len() - 2;
        let step = 1 + whole.len() / 200;
        for length in (0..whole.len()).step_by(step) {
            // An envelope may hold nothing, and its last fields can be missed without harm.
            let read = decode(&whole[..length], Limits::default());
            assert!(
                read.is_err() || length + 4 >= whole.len() || length == nothing,
                "{kind} {length}"
            );
        }
    }
}

#[test]
fn whatever_the_bytes_nothing_breaks_and_what_is_read_can_be_written() {
    let seed = 0x5eed_0001_u64;
    let mut random = Random(seed);
    let kinds = kinds();
    let mut read = 0;
    for _ in 0..4_000 {
        let (api_version, kind) = &kinds[random.next(kinds.len())];
        let mut bytes = bytes(&full(api_version, kind));
        for _ in 0..=random.next(4) {
            let place = random.next(bytes.len());
            match random.next(3) {
                0 => bytes[place] = u8::try_from(random.next(256)).unwrap(),
                1 => _ = bytes.remove(place),
                _ => bytes.insert(place, u8::try_from(random.next(256)).unwrap()),
            }
        }
        if let Ok(found) = decode(&bytes, Limits::default()) {
            read += 1;
            // Base64, numbers and times that were read can be written again.
            let again = encode(&found.value, &found.api_version, &found.kind)
                .unwrap_or_else(|error| panic!("seed {seed:#x}: {error}: {}", found.value));
            let twice = decode(&again, Limits::default()).unwrap();
            assert_eq!(twice.value, found.value, "seed {seed:#x}");
        }
    }
    assert!(read > 100, "{read}");
}
