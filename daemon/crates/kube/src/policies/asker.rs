//! Who may do what, for expressions that ask.
//!
//! Invariant: what is answered is what the front door would decide now.

use std::sync::{Arc, Weak};

use skerry_cel::{Authorizer, Check, Decision, Object, Resource};
use skerry_rbac::{Attributes, Target, User};

use crate::admission::Asked;
use crate::engine::Engine;
use crate::registry;
use crate::user;

/// Answers for the user of one request.
pub(crate) struct Asker {
    decides: Arc<Decides>,
    /// What the request is about.
    pub(crate) resource: Resource,
}

struct Decides {
    engine: Weak<Engine>,
    user: User,
}

impl Asker {
    pub(crate) fn new(engine: &Engine, asked: &Asked<'_>, of: &registry::Resource) -> Asker {
        Asker {
            decides: Arc::new(Decides {
                engine: Weak::clone(&engine.myself),
                user: asked.call.user.clone(),
            }),
            resource: Resource {
                group: of.group.clone(),
                resource: of.plural.clone(),
                subresource: asked.subresource().to_owned(),
                namespace: asked.namespace.to_owned(),
                name: asked.name.to_owned(),
                ..Resource::default()
            },
        }
    }

    pub(crate) fn authorizer(&self) -> Arc<dyn Authorizer> {
        Arc::clone(&self.decides) as _
    }
}

impl Authorizer for Decides {
    fn authorize(&self, check: &Check) -> Decision {
        let Some(engine) = self.engine.upgrade() else {
            return Decision::default();
        };
        let account;
        let user = match &check.service_account {
            None => &self.user,
            Some((namespace, name)) => {
                let groups = vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                ];
                let name = format!("system:serviceaccount:{namespace}:{name}");
                account = user::authenticated(name, groups);
                &account
            }
        };
        let target = match &check.object {
            Object::Path(path) => Target::Path(path),
            Object::Resource(of) => Target::Resource {
                group: &of.group,
                resource: &of.resource,
                subresource: &of.subresource,
                name: &of.name,
                namespace: &of.namespace,
            },
        };
        let wanted = Attributes::new(user, &check.verb, target);
        let policies = engine.roles.policies();
        let decision = engine.decide(&policies, &wanted, "");
        Decision {
            allowed: decision.allowed,
            reason: decision.reason,
            error: None,
        }
    }
}
