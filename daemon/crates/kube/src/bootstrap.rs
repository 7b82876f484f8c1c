//! What there is before anybody asks: made by the leader, once there is one.
//!
//! Invariant: what exists already is left as it is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::call::Call;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::negotiate::Form;
use crate::options::{FieldValidation, WriteOptions};
use crate::query::Query;
use crate::route::RequestInfo;
use crate::storage::Leadership;
use crate::user::User;

/// Namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Between two looks at whether this member leads.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// After something could not be made.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Makes what is missing; returns once all is there.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        match engine.storage.leadership() {
            Leadership::Here => match engine.make_missing().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot make the first objects");
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            },
            // The leader makes them.
            Leadership::Elsewhere if engine.has_all() => return,
            _ => tokio::time::sleep(LOOK_INTERVAL).await,
        }
    }
}

impl Engine {
    fn has_all(&self) -> bool {
        let Some(resource) = self.registry.find("", "v1", "namespaces") else {
            return false;
        };
        NAMESPACES
            .iter()
            .all(|name| matches!(self.read(resource, "", name), Ok(Some(_))))
    }

    async fn make_missing(&self) -> Result<(), ApiError> {
        for name in NAMESPACES {
            self.make(
                "",
                "v1",
                "namespaces",
                "",
                json!({"metadata": {"name": name}}),
            )
            .await?;
        }
        Ok(())
    }

    /// Makes an object on the server's own behalf, unless it is there.
    pub(crate) async fn make(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        mut object: Value,
    ) -> Result<(), ApiError> {
        let call = self.own_call("create", group, version, plural, namespace, "")?;
        let name = crate::object::name(&object).to_owned();
        if self.read(&call.resource, namespace, &name)?.is_some() {
            return Ok(());
        }
        crate::call::conform(&mut object, group, version, &call.resource.kind)?;
        if call.resource.namespaced {
            let metadata = crate::object::metadata_mut(&mut object);
            metadata.insert("namespace".into(), namespace.into());
        }
        match self.create_object(&call, object, &own_options()).await {
            Ok(_) => Ok(()),
            Err(error) if error.reason == "AlreadyExists" => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A call of the server to itself.
    pub(crate) fn own_call(
        &self,
        verb: &'static str,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Call, ApiError> {
        let resource = self.registry.find(group, version, plural);
        let resource = resource.ok_or_else(ApiError::no_such_path)?;
        let info = RequestInfo {
            is_resource: true,
            verb,
            group: group.into(),
            version: version.into(),
            resource: plural.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..RequestInfo::default()
        };
        let query = Query::default();
        let mut call = Call::new(
            info,
            Arc::clone(resource),
            query,
            User::server(),
            Form::PLAIN,
        );
        call.user_agent = "kube-apiserver".into();
        Ok(call)
    }
}

/// As the server writes.
pub(crate) fn own_options() -> WriteOptions {
    WriteOptions {
        dry_run: false,
        field_manager: String::new(),
        field_validation: FieldValidation::Ignore,
        force: false,
        applied: false,
    }
}
