//! Admission policies: what they refuse, tell, record and change, as kubectl sees it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use skerry_tests_kubectl::Servers;

/// A policy of either kind about ConfigMaps.
fn policy(kind: &str, name: &str, spec: &Value) -> Value {
    let mut whole = json!({
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"],
        }]},
    });
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {"name": name}, "spec": whole,
    })
}

/// A binding of a policy of the same name, in namespaces with a label.
fn binding(kind: &str, name: &str, spec: &Value) -> Value {
    let mut whole = json!({
        "policyName": name,
        "matchResources": {"namespaceSelector": {"matchLabels": {"judged": "yes"}}},
    });
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": {"name": format!("{name}-binding")}, "spec": whole,
    })
}

const VALIDATING: &str = "ValidatingAdmissionPolicy";
const MUTATING: &str = "MutatingAdmissionPolicy";

struct Judged(Servers);

impl Judged {
    async fn start() -> Judged {
        Judged::start_with(&[]).await
    }

    async fn start_with(settings: &[&str]) -> Judged {
        let servers = Servers::start_with(1, settings).await;
        servers.ok(&["create", "namespace", "judged"]);
        servers.ok(&["label", "namespace", "judged", "judged=yes"]);
        Judged(servers)
    }

    fn make(&self, object: &Value) {
        self.0.ok_with(&["create", "-f", "-"], &object.to_string());
    }

    fn create(&self, name: &str, data: &[&str]) -> Vec<String> {
        let mut words = vec!["create", "configmap", name, "-n", "judged"];
        words.extend(data);
        words.into_iter().map(str::to_owned).collect()
    }

    /// Waits until a ConfigMap is refused, and says how.
    fn refused(&self, name: &str, data: &[&str]) -> String {
        let mut words = self.create(name, data);
        words.push("--dry-run=server".into());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.0.until(0, &words, |ended| !ended.ok).err
    }

    /// Waits until a ConfigMap is let in and its answer fits.
    fn passes(&self, name: &str, data: &[&str], fits: impl Fn(&str, &Value) -> bool) -> Value {
        let mut words = self.create(name, data);
        words.extend(["--dry-run=server".into(), "-o".into(), "json".into()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = self.0.until(0, &words, |ended| {
            let object = serde_json::from_str(&ended.out).unwrap_or_default();
            ended.ok && fits(&ended.err, &object)
        });
        serde_json::from_str(&ended.out).unwrap()
    }
}

#[tokio::test]
async fn a_policy_refuses_by_variables_the_namespace_and_who_asks() {
    let judged = Judged::start().await;
    judged.make(&policy(
        VALIDATING,
        "small",
        &json!({
            "matchConditions": [{"name": "not-exempt", "expression": "object.metadata.name != 'exempt'"}],
            "variables": [
                {"name": "data", "expression": "has(object.data) ? object.data : {}"},
                {"name": "keys", "expression": "size(variables.data)"},
            ],
            "validations": [
                {"expression": "variables.keys <= 2", "messageExpression": "'too many: ' + string(variables.keys)"},
                {"expression": "namespaceObject.metadata.labels['judged'] == 'yes' && request.namespace == 'judged' && request.operation == 'CREATE'"},
                {"expression": "!('secret' in variables.data)", "message": "no secrets", "reason": "Forbidden"},
            ],
        }),
    ));
    judged.make(&binding(
        VALIDATING,
        "small",
        &json!({"validationActions": ["Deny"]}),
    ));
    let many = [
        "--from-literal=a=1",
        "--from-literal=b=2",
        "--from-literal=c=3",
    ];
    let refused = judged.refused("m", &many);
    assert_eq!(
        refused.trim(),
        "error: failed to create configmap: configmaps \"m\" is forbidden: \
         ValidatingAdmissionPolicy 'small' with binding 'small-binding' denied request: too many: 3"
    );
    let refused = judged.refused("m", &["--from-literal=secret=x"]);
    assert!(refused.contains("denied request: no secrets"), "{refused}");
    let servers = &judged.0;
    servers.ok(&[
        "create",
        "configmap",
        "m",
        "-n",
        "judged",
        "--from-literal=a=1",
    ]);
    let exempt = [
        &["create", "configmap", "exempt", "-n", "judged"][..],
        &many,
    ]
    .concat();
    servers.ok(&exempt);
    let elsewhere = [&["create", "configmap", "m"][..], &many].concat();
    servers.ok(&elsewhere);
    let update = ["annotate", "configmap", "m", "-n", "judged", "a=b"];
    let refused = servers.fails(&update);
    let text = "denied request: failed expression: namespaceObject.metadata.labels['judged']";
    assert!(refused.contains(text), "{refused}");

    servers.ok(&[
        "delete",
        "validatingadmissionpolicybinding",
        "small-binding",
    ]);
    servers.until(0, &update, |ended| ended.ok);
}

#[tokio::test]
async fn a_policy_reads_its_parameters_from_objects() {
    let judged = Judged::start().await;
    judged.make(&policy(
        VALIDATING,
        "limits",
        &json!({
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [{
                "expression": "size(object.data) <= int(params.data.max)",
                "messageExpression": "'at most ' + params.data.max + ' by ' + params.metadata.name",
            }],
        }),
    ));
    let named = json!({
        "validationActions": ["Deny"],
        "paramRef": {"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"},
    });
    judged.make(&binding(VALIDATING, "limits", &named));
    let two = ["--from-literal=a=1", "--from-literal=b=2"];
    let refused = judged.refused("m", &two);
    assert!(
        refused.contains(
            "'limits' with binding 'limits-binding' denied request: failed to configure binding: \
             no params found for policy binding with `Deny` parameterNotFoundAction"
        ),
        "{refused}"
    );
    let servers = &judged.0;
    servers.ok(&["create", "configmap", "limit", "--from-literal=max=1"]);
    let refused = judged.refused("m", &two);
    assert!(
        refused.contains("denied request: at most 1 by limit"),
        "{refused}"
    );
    judged.passes("m", &["--from-literal=a=1"], |_, _| true);

    // By labels, in the namespace of the object.
    let selected = json!({
        "validationActions": ["Deny"],
        "paramRef": {"selector": {"matchLabels": {"limits": "all"}}, "parameterNotFoundAction": "Allow"},
    });
    servers.ok(&[
        "delete",
        "validatingadmissionpolicybinding",
        "limits-binding",
    ]);
    judged.make(&binding(VALIDATING, "limits", &selected));
    judged.passes("m", &two, |_, _| true);
    servers.ok(&[
        "create",
        "configmap",
        "limit",
        "-n",
        "judged",
        "--from-literal=max=1",
    ]);
    servers.ok(&["label", "configmap", "limit", "-n", "judged", "limits=all"]);
    let refused = judged.refused("m", &two);
    assert!(
        refused.contains("denied request: at most 1 by limit"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_policy_may_warn_instead_and_what_it_cannot_evaluate_refuses_unless_it_fails_open() {
    let judged = Judged::start().await;
    let wrong = |name: &str, failure: &str| {
        policy(
            VALIDATING,
            name,
            &json!({
                "failurePolicy": failure,
                "validations": [{"expression": "object.spec.none == 1"}],
            }),
        )
    };
    judged.make(&wrong("open", "Ignore"));
    judged.make(&binding(
        VALIDATING,
        "open",
        &json!({"validationActions": ["Deny"]}),
    ));
    judged.make(&wrong("loud", "Fail"));
    judged.make(&binding(
        VALIDATING,
        "loud",
        &json!({"validationActions": ["Warn", "Audit"]}),
    ));
    let text = "Warning: Validation failed for ValidatingAdmissionPolicy 'loud' with binding \
                'loud-binding': expression 'object.spec.none == 1' resulted in error: no such key: spec";
    judged.passes("m", &[], |warnings, _| warnings.contains(text));
    judged.make(&wrong("closed", "Fail"));
    judged.make(&binding(
        VALIDATING,
        "closed",
        &json!({"validationActions": ["Deny"]}),
    ));
    let refused = judged.refused("m", &[]);
    assert!(refused.contains("'closed' with binding 'closed-binding' denied request: expression"));
}

#[tokio::test]
async fn what_means_nothing_is_refused_when_it_is_written() {
    let judged = Judged::start().await;
    let broken = policy(
        VALIDATING,
        "broken",
        &json!({
            "variables": [{"name": "a", "expression": "1 +"}],
            "validations": [{"expression": "1"}, {"expression": "none.x"}],
        }),
    );
    let refused = judged
        .0
        .fails_with(&["create", "-f", "-"], &broken.to_string());
    for text in [
        "spec.variables[0].expression: Invalid value: \"1 +\": compilation failed: ERROR: <input>:1:4: Syntax error",
        "spec.validations[0].expression: Invalid value: \"1\": must evaluate to bool but got int",
        "spec.validations[1].expression: Invalid value: \"none.x\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'none'",
    ] {
        assert!(refused.contains(text), "{text}\n{refused}");
    }
    let warns = binding(
        VALIDATING,
        "p",
        &json!({"validationActions": ["Deny", "Warn"]}),
    );
    let refused = judged
        .0
        .fails_with(&["create", "-f", "-"], &warns.to_string());
    assert!(
        refused.contains("must not contain both Deny and Warn"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_does_not_fit_custom_kinds_and_parameters_is_told_in_the_status() {
    let judged = Judged::start().await;
    let crd = |plural: &str, kind: &str, field: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {field: {"type": "integer"}}}},
                }}}],
            },
        })
    };
    for made in [
        crd("widgets", "Widget", "size"),
        crd("bounds", "Bound", "max"),
    ] {
        judged.make(&made);
        let name = format!("crd/{}", made["metadata"]["name"].as_str().unwrap());
        let waits = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            &name,
        ];
        judged.0.ok(&waits);
    }
    judged.make(&policy(
        VALIDATING,
        "typed",
        &json!({
            "paramKind": {"apiVersion": "example.com/v1", "kind": "Bound"},
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["widgets"],
            }]},
            "validations": [
                {"expression": "object.spec.size <= params.spec.max && object.metadata.name != ''"},
                {"expression": "object.spec.sise <= params.spec.max"},
                {"expression": "object.spec.size <= params.spec.most"},
            ],
        }),
    ));
    let told = ["get", "validatingadmissionpolicy", "typed", "-o", "json"];
    let told = judged.0.until(0, &told, |ended| {
        let policy: Value = serde_json::from_str(&ended.out).unwrap_or_default();
        policy["status"]["observedGeneration"] == 1
    });
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let warning = |place: usize, column: usize, field: &str, expression: &str| {
        json!({
            "fieldRef": format!("spec.validations[{place}].expression"),
            "warning": format!(
                "example.com/v1, Kind=Widget: ERROR: <input>:1:{column}: undefined field '{field}'\n | {expression}\n | {}^\n",
                ".".repeat(column - 1),
            ),
        })
    };
    assert_eq!(
        told["status"]["typeChecking"]["expressionWarnings"],
        json!([
            warning(1, 12, "sise", "object.spec.sise <= params.spec.max"),
            warning(2, 32, "most", "object.spec.size <= params.spec.most"),
        ])
    );
}

#[tokio::test]
async fn what_policies_and_conditions_come_to_is_counted_under_upstreams_names() {
    let judged = Judged::start().await;
    judged.make(&policy(
        VALIDATING,
        "counted",
        &json!({
            "matchConditions": [{"name": "c", "expression": "object.metadata.name != 'exempt'"}],
            "validations": [{"expression": "object.metadata.name != 'no'"}],
        }),
    ));
    let actions = json!({"validationActions": ["Deny"]});
    judged.make(&binding(VALIDATING, "counted", &actions));
    judged.refused("no", &[]);
    judged.make(&policy(
        MUTATING,
        "changes",
        &json!({
            "reinvocationPolicy": "Never", "failurePolicy": "Fail",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {
                "expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}",
            }}],
        }),
    ));
    judged.make(&binding(MUTATING, "changes", &json!({})));
    judged.passes("yes", &[], |_, object| {
        object["metadata"]["labels"]["a"] == "b"
    });
    let metrics = judged.0.ok(&["get", "--raw", "/metrics"]);
    for row in [
        r#"apiserver_validating_admission_policy_check_total{enforcement_action="deny",error_type="invalid_error",policy="counted",policy_binding="counted-binding"} "#,
        r#"apiserver_validating_admission_policy_check_duration_seconds_count{enforcement_action="deny",error_type="invalid_error",policy="counted",policy_binding="counted-binding"} "#,
        r#"apiserver_mutating_admission_policy_check_total{error_type="no_error",policy="changes",policy_binding="changes-binding"} "#,
        r#"apiserver_admission_match_condition_evaluation_seconds_count{kind="policy",name="counted",operation="CREATE",type="validate"} "#,
        r#"apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="true",type="validate"} "#,
        r#"apiserver_admission_controller_admission_duration_seconds_count{name="MutatingAdmissionPolicy",operation="CREATE",rejected="false",type="admit"} "#,
    ] {
        let mut rows = metrics.lines().filter_map(|line| line.strip_prefix(row));
        let count: u64 = rows.next().unwrap_or_default().parse().unwrap_or_default();
        assert!(count > 0, "{row}\n{metrics}");
    }
}

#[tokio::test]
async fn mutating_policies_apply_configurations_and_patches() {
    let judged = Judged::start().await;
    judged.make(&policy(
        MUTATING,
        "labels",
        &json!({
            "reinvocationPolicy": "IfNeeded",
            "matchConditions": [{"name": "unlabelled", "expression": "!has(object.metadata.labels)"}],
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression":
                    "Object{metadata: Object.metadata{labels: {'by': request.operation, 'of': string(object.metadata.name)}}}"},
            }],
        }),
    ));
    judged.make(&binding(MUTATING, "labels", &json!({})));
    let user = |object: &Value| object["metadata"]["labels"]["of"] == "m";
    judged.passes("m", &["--from-literal=a=1"], |_, object| user(object));

    judged.make(&policy(
        MUTATING,
        "patches",
        &json!({
            "reinvocationPolicy": "Never",
            "variables": [{"name": "key", "expression": "'b'"}],
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": {"expression":
                    "[JSONPatch{op: 'test', path: '/data/a', value: '1'}, JSONPatch{op: 'add', path: '/data/' + variables.key, value: object.metadata.labels['of']}]"},
            }],
        }),
    ));
    judged.make(&binding(MUTATING, "patches", &json!({})));
    let made = judged.passes("m", &["--from-literal=a=1"], |_, object| {
        object["data"]["b"] == "m"
    });
    assert!(user(&made), "{made}");
    let made = judged.passes("m", &["--from-literal=a=2"], |_, object| user(object));
    assert_eq!(
        made["data"],
        json!({"a": "2"}),
        "the test fails, and nothing is patched"
    );

    // It is what was made that is judged.
    judged.make(&policy(
        VALIDATING,
        "made",
        &json!({"validations": [{"expression": "!('b' in object.data)"}]}),
    ));
    judged.make(&binding(
        VALIDATING,
        "made",
        &json!({"validationActions": ["Deny"]}),
    ));
    let refused = judged.refused("m", &["--from-literal=a=1"]);
    assert!(
        refused.contains("failed expression: !('b' in object.data)"),
        "{refused}"
    );

    judged.make(&policy(
        MUTATING,
        "wrong",
        &json!({
            "reinvocationPolicy": "Never",
            "mutations": [{
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": "Object{spec: Object.spec{none: 1}}"},
            }],
        }),
    ));
    judged.make(&binding(MUTATING, "wrong", &json!({})));
    let refused = judged.refused("m", &["--from-literal=a=2"]);
    assert!(
        refused.contains(
            "policy 'wrong' with binding 'wrong-binding' denied request: error applying patch"
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_policy_asks_who_may_do_what_and_has_the_audit_log_say_more() {
    let log = std::env::temp_dir().join(format!("skerry-policies-{}.log", std::process::id()));
    let rules = log.with_extension("yaml");
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n";
    std::fs::write(&rules, text).unwrap();
    let settings = [
        format!("--audit-policy-file={}", rules.display()),
        format!("--audit-log-path={}", log.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let judged = Judged::start_with(&settings).await;
    judged.make(&policy(
        VALIDATING,
        "asks",
        &json!({
            "validations": [{
                "expression": "authorizer.group('').resource('secrets').namespace(request.namespace).check('create').allowed() && authorizer.requestResource.check('create').allowed()",
                "message": "you may not",
            }],
            "auditAnnotations": [{"key": "made-by", "valueExpression": "'by ' + request.userInfo.username"}],
        }),
    ));
    let audits = json!({"validationActions": ["Deny", "Audit"]});
    judged.make(&binding(VALIDATING, "asks", &audits));
    let servers = &judged.0;
    let role = ["create", "role", "maps", "-n", "judged", "--verb=create"];
    servers.ok(&[&role[..], &["--resource=configmaps"]].concat());
    let role = [
        "create",
        "rolebinding",
        "maps",
        "-n",
        "judged",
        "--role=maps",
    ];
    servers.ok(&[&role[..], &["--user=jane"]].concat());
    let jane = ["create", "configmap", "m", "-n", "judged", "--as=jane"];
    servers.until(0, &jane, |ended| {
        ended.err.contains("denied request: you may not")
    });
    servers.ok(&["create", "configmap", "m", "-n", "judged"]);
    let wanted = [
        "\"asks/made-by\":\"by jane\"",
        "\"asks/made-by\":\"by system:admin\"",
        "validation.policy.admission.k8s.io/validation_failure",
    ];
    let ends = std::time::Instant::now() + skerry_tests_kubectl::DEADLINE;
    loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if wanted.iter().all(|wanted| text.contains(wanted)) {
            break;
        }
        assert!(std::time::Instant::now() < ends, "{text}");
        tokio::task::yield_now().await;
    }
    for file in [&log, &rules] {
        std::fs::remove_file(file).unwrap();
    }
}
