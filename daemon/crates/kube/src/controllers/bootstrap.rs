//! What there is before anybody asks: namespaces, and the roles that upstream starts with.
//!
//! Invariant: what exists already is left as it is, but for roles that say otherwise.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use skerry_admission::priority;
use skerry_rbac::GROUP;
use skerry_rbac::reconcile::{Step, reconcile};

use crate::call::{self, Call};
use crate::engine::Engine;
use crate::error::ApiError;
use crate::limits::FIRST_WRITES_MAX;
use crate::negotiate::Form;
use crate::object;
use crate::options::{DeleteOptions, FieldValidation, WriteOptions};
use crate::query::Query;
use crate::route::RequestInfo;
use crate::user;

/// Namespaces that every cluster has.
pub(crate) const NAMESPACES: [&str; 4] =
    ["default", "kube-system", "kube-public", "kube-node-lease"];

impl Engine {
    /// Makes what is missing.
    pub(super) async fn make_missing(&self) -> Result<(), ApiError> {
        for name in NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            self.make_first("", "v1", "namespaces", "", namespace)
                .await?;
        }
        for class in priority::system_classes() {
            let group = "scheduling.k8s.io";
            self.make_first(group, "v1", "priorityclasses", "", class)
                .await?;
        }
        // One after the other, each would wait for the flash by itself.
        let wanted = stream::iter(skerry_rbac::bootstrap::bootstrap()).map(Ok);
        let write = |wanted| self.reconcile_role(wanted);
        wanted
            .try_for_each_concurrent(FIRST_WRITES_MAX, write)
            .await?;
        self.make_user_secret().await
    }

    async fn reconcile_role(&self, wanted: Value) -> Result<(), ApiError> {
        let kind = wanted
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let plural = format!("{}s", kind.to_lowercase());
        let namespace = object::namespace(&wanted).to_owned();
        let name = object::name(&wanted).to_owned();
        let mut call = self.own_call("update", GROUP, "v1", &plural, &namespace, &name)?;
        call.is_exempt = true;
        let live = self.read(&call.resource, &namespace, &name)?;
        match reconcile(live.as_ref().map(|live| &live.object), &wanted) {
            Step::Nothing => Ok(()),
            Step::Create(object) => {
                self.make_first(GROUP, "v1", &plural, &namespace, object)
                    .await
            }
            Step::Update(object) => {
                if let Some(live) = live {
                    self.replace(&call, &live, object, &own_options()).await?;
                }
                Ok(())
            }
            Step::Recreate(object) => {
                let options = DeleteOptions::default();
                self.delete_object(&call, &namespace, &name, &options)
                    .await?;
                self.make_first(GROUP, "v1", &plural, &namespace, object)
                    .await
            }
        }
    }

    /// Makes an object on the server's own behalf, unless it is there.
    pub(crate) async fn make(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        object: Value,
    ) -> Result<(), ApiError> {
        let call = self.own_call("create", group, version, plural, namespace, "")?;
        self.make_by(call, object).await
    }

    /// As [`Engine::make`], for what the server cannot start without: nobody else has a say in it.
    pub(super) async fn make_first(
        &self,
        group: &str,
        version: &str,
        plural: &str,
        namespace: &str,
        object: Value,
    ) -> Result<(), ApiError> {
        let mut call = self.own_call("create", group, version, plural, namespace, "")?;
        call.is_exempt = true;
        self.make_by(call, object).await
    }

    async fn make_by(&self, call: Call, mut object: Value) -> Result<(), ApiError> {
        let info = &call.info;
        let (group, version, namespace) = (&info.group, &info.version, &info.namespace);
        let name = object::name(&object).to_owned();
        if self.read(&call.resource, namespace, &name)?.is_some() {
            return Ok(());
        }
        call::conform(&mut object, group, version, &call.resource.kind)?;
        if call.resource.namespaced {
            let metadata = object::metadata_mut(&mut object);
            metadata.insert("namespace".into(), namespace.as_str().into());
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
        let resource = self.registry.known(group, version, plural);
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
        let mut call = Call::new(info, resource, query, user::server(), Form::PLAIN);
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
        unchecked: false,
        applied: false,
    }
}
