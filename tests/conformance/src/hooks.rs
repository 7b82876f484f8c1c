//! Configurations of webhooks that are asked about one namespace only.
//!
//! Knows nothing about what the webhooks answer.

use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use skerry_tests_harness::eventually_async;
use skerry_tests_kube_rs::{DEADLINE, config_map};

use crate::World;

/// Those that change what is written.
pub const MUTATING: &str = "MutatingWebhookConfiguration";
/// Those that only look.
pub const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// What a webhook is asked about.
pub fn rule(operations: &[&str], group: &str, version: &str, resource: &str) -> Value {
    json!({
        "operations": operations, "apiGroups": [group], "apiVersions": [version],
        "resources": [resource],
    })
}

impl World {
    /// A webhook that is asked about this in the test's namespace; all else as upstream fills in.
    pub fn hook(&self, name: &str, client: Value, rules: Value) -> Value {
        json!({
            "name": format!("{name}.{}.test", self.namespace),
            "clientConfig": client,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": self.namespace},
            },
            "rules": rules,
        })
    }

    /// The configurations of that kind.
    pub fn configurations(&self, kind: &'static str) -> Api<DynamicObject> {
        let plural = match kind {
            MUTATING => "mutatingwebhookconfigurations",
            _ => "validatingwebhookconfigurations",
        };
        self.dynamic(("admissionregistration.k8s.io", "v1", kind, plural), false)
    }

    /// Has these webhooks asked, and waits until they are.
    pub async fn configure(&self, kind: &'static str, name: &str, hooks: Vec<Value>) {
        // One where nobody listens: that it refuses shows that the configuration counts.
        let nobody = json!({"url": "https://127.0.0.1:1/ready"});
        let maps = json!([rule(&["CREATE"], "", "v1", "configmaps")]);
        let mut ready = self.hook(&format!("ready-{name}"), nobody, maps);
        ready["objectSelector"] = json!({"matchLabels": {"ready": name}});
        let mut all = vec![ready];
        all.extend(hooks);
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {
                "name": format!("{}-{name}", self.namespace),
                "labels": {"conformance": self.namespace},
            },
            "webhooks": all,
        });
        let configuration = serde_json::from_value(configuration).unwrap();
        let api = self.configurations(kind);
        api.create(&PostParams::default(), &configuration)
            .await
            .unwrap();
        self.until_asked(name, true).await;
    }

    /// Waits until the configuration counts, or does not any more.
    pub async fn until_asked(&self, name: &str, is_asked: bool) {
        let rehearsal = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let mut probe = config_map(&format!("ready-{name}"), "a", "b");
        probe.metadata.labels = Some([("ready".to_owned(), name.to_owned())].into());
        eventually_async("the configuration counts", DEADLINE, || async {
            let answered = self.maps().create(&rehearsal, &probe).await;
            let told = format!("ready-{name}.{}.test", self.namespace);
            let refused = matches!(&answered, Err(error) if error.to_string().contains(&told));
            anyhow::ensure!(refused == is_asked, "{answered:?}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Takes all configurations of the test away.
    pub async fn unconfigure(&self, kind: &'static str, name: &str) {
        let own = ListParams::default().labels(&format!("conformance={}", self.namespace));
        let api = self.configurations(kind);
        api.delete_collection(&Default::default(), &own)
            .await
            .unwrap();
        self.until_asked(name, false).await;
    }
}
