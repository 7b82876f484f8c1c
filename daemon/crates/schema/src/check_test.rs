//! Promises of `check`.

use serde_json::{Value, json};

use crate::{Catalog, Type, built_in, check, drop_nulls, prune, strict_error};

fn with<T>(kind: &str, then: impl FnOnce(Type<'_>) -> T) -> T {
    let catalog: Catalog = built_in();
    then(catalog.types.definition(kind).unwrap())
}

const DEPLOYMENT: &str = "io.k8s.api.apps.v1.Deployment";
const POD: &str = "io.k8s.api.core.v1.Pod";

fn wrong(kind: &str, value: &Value) -> String {
    with(kind, |of| check(value, of).unwrap_err().to_string())
}

#[test]
fn unknown_fields_are_named_with_their_places() {
    let value = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "labels": {"anything": "goes"}, "nmae": "y"},
        "spec": {"template": {"spec": {"containers": [{"name": "a"}, {"imagee": "b"}]}}},
        "foo": 1,
    });
    let unknown = with(DEPLOYMENT, |of| check(&value, of).unwrap());
    assert_eq!(
        strict_error(&unknown),
        "strict decoding error: unknown field \"foo\", unknown field \"metadata.nmae\", \
         unknown field \"spec.template.spec.containers[1].imagee\""
    );
}

#[test]
fn a_wrong_type_is_said_as_the_decoder_of_upstream_says_it() {
    assert_eq!(
        wrong(DEPLOYMENT, &json!({"spec": {"replicas": "three"}})),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type \
         int32"
    );
    assert_eq!(
        wrong(POD, &json!({"spec": {"containers": {"name": "x"}}})),
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type \
         []v1.Container"
    );
    assert_eq!(
        wrong(POD, &json!({"metadata": {"labels": {"a": 1}}})),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type \
         string"
    );
    assert_eq!(
        wrong(POD, &json!({"spec": "none"})),
        "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"
    );
    assert_eq!(
        wrong(POD, &json!([])),
        "json: cannot unmarshal array into Go value of type v1.Pod"
    );
    let port =
        json!({"spec": {"containers": [{"ports": [{"containerPort": 99_999_999_999_u64}]}]}});
    assert!(wrong(POD, &port).starts_with("json: cannot unmarshal number 99999999999 into"));
    let requests = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "many"}}}]}});
    assert!(wrong(POD, &requests).starts_with("quantities must match the regular expression"));
}

#[test]
fn numbers_do_for_quantities_and_null_for_anything() {
    let value = json!({
        "metadata": {"creationTimestamp": null},
        "spec": {
            "containers": [{
                "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "web"}},
                "readinessProbe": {"httpGet": {"port": 80}},
            }],
            "nodeSelector": null,
        },
    });
    assert_eq!(with(POD, |of| check(&value, of)), Ok(Vec::new()));
}

#[test]
fn what_is_pruned_has_no_unknown_field_and_keeps_all_others() {
    let mut value = json!({
        "metadata": {"name": "x", "creationTimestamp": null, "annotations": {"any": "thing"}},
        "spec": {"containers": [{"name": "a", "foo": {"bar": 1}}], "typo": true},
        "status": null,
    });
    with(POD, |of| {
        prune(&mut value, of);
        drop_nulls(&mut value, of);
        assert_eq!(check(&value, of), Ok(Vec::new()));
    });
    let kept = json!({
        "metadata": {"name": "x", "annotations": {"any": "thing"}},
        "spec": {"containers": [{"name": "a"}]},
    });
    assert_eq!(value, kept);
}

#[test]
fn whatever_comes_is_answered_and_pruned_once_for_all() {
    let mut seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    with(POD, |of| {
        for _ in 0..2000 {
            let mut value = anything(&mut seed, 6);
            let _ = check(&value, of);
            prune(&mut value, of);
            let once = value.clone();
            prune(&mut value, of);
            assert_eq!(value, once);
            if let Ok(unknown) = check(&value, of) {
                assert_eq!(unknown, []);
            }
        }
    });
}

#[test]
fn only_so_many_unknown_fields_are_named() {
    let many = (0..500).map(|place| (format!("x{place}"), json!(1)));
    let value = Value::Object(many.collect());
    let unknown = with(POD, |of| check(&value, of).unwrap());
    assert_eq!(unknown.len(), crate::limits::UNKNOWN_FIELDS_MAX);
}

#[test]
fn a_value_that_is_too_deep_is_left_as_it_is() {
    let deep = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let mut value = json!({"odd": 1});
    for _ in 0..crate::limits::DEPTH_MAX {
        value = json!({"not": value});
    }
    with(deep, |of| {
        let before = value.clone();
        assert_eq!(check(&value, of), Ok(Vec::new()));
        prune(&mut value, of);
        assert_eq!(value, before);
    });
}

fn anything(seed: &mut u64, depth: u32) -> Value {
    let mut next = |below: u64| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed % below
    };
    const NAMES: [&str; 8] = [
        "metadata",
        "spec",
        "containers",
        "labels",
        "name",
        "ports",
        "resources",
        "odd",
    ];
    match next(if depth == 0 { 4 } else { 8 }) {
        0 => Value::Null,
        1 => json!(next(2) == 0),
        2 => json!(next(1000)),
        3 => json!(NAMES[next(8) as usize]),
        4 => (0..next(3))
            .map(|_| 0)
            .collect::<Vec<_>>()
            .iter()
            .map(|_| anything(seed, depth - 1))
            .collect(),
        _ => {
            let count = next(5);
            let names: Vec<&str> = (0..count).map(|_| NAMES[next(8) as usize]).collect();
            let fields = names
                .into_iter()
                .map(|name| (name.to_owned(), anything(seed, depth - 1)));
            Value::Object(fields.collect())
        }
    }
}
