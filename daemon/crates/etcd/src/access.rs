//! Whether a caller may do what it asks for; the questions that are answered by the member that
//! is asked, not by the replicated state when it applies.
//!
//! With authentication off none of them costs more than a look at the switch.

use std::sync::Arc;

use skerry_store::ApplyError;
use skerry_store::auth::{AuthState, Identity};
use tonic::Status;

use crate::api::{Api, Caller};
use crate::errors;
use crate::who::Who;

/// The caller as the rules know it.
pub(crate) fn identity(caller: &Caller) -> Identity<'_> {
    Identity {
        user: &caller.user,
        revision: caller.auth_revision,
    }
}

impl Api {
    /// The rules as they are now.
    pub(crate) fn rules(&self) -> Arc<AuthState> {
        self.reader.auth().state()
    }

    /// Whether the rules have changed since the caller's token was checked; asked after a read,
    /// so that no answer is given under rules that no longer stand.
    pub(crate) fn still_good(&self, caller: &Caller) -> Result<(), Status> {
        if caller.auth_revision != 0 && caller.auth_revision != self.rules().revision() {
            return Err(errors::AUTH_OLD_REVISION.into());
        }
        Ok(())
    }

    /// Asks the rules.
    pub(crate) fn permit(
        &self,
        question: impl FnOnce(&AuthState) -> Result<(), ApplyError>,
    ) -> Result<(), Status> {
        let rules = self.rules();
        if !rules.enabled() {
            return Ok(());
        }
        question(&rules).map_err(|refused| errors::apply(&refused))
    }

    /// Only administrators may.
    pub(crate) async fn permit_admin(&self, who: &Who) -> Result<(), Status> {
        let caller = self.caller(who).await?;
        self.permit(|rules| rules.permit_admin(identity(&caller)))
    }

    /// As [`Api::permit_admin`], for the methods of Maintenance whose refusals etcd does not
    /// translate: code `Unknown`, and the text of its inner error.
    pub(crate) async fn permit_admin_untranslated(&self, who: &Who) -> Result<(), Status> {
        self.permit_admin(who).await.map_err(|status| {
            let text = match status.message() {
                "etcdserver: user name not found" => "auth: user not found".to_owned(),
                "etcdserver: revision of auth store is old" => {
                    "auth: revision in header is old".to_owned()
                }
                message => message.replacen("etcdserver: ", "auth: ", 1),
            };
            Status::unknown(text)
        })
    }

    /// Anybody may who has said who it is.
    pub(crate) async fn require_user(&self, who: &Who) -> Result<(), Status> {
        if !self.rules().enabled() {
            return Ok(());
        }
        let caller = self.caller(who).await?;
        if caller.auth_revision == 0 {
            return Err(errors::USER_EMPTY.into());
        }
        Ok(())
    }

    /// Whoever may read the range may watch it.
    pub(crate) async fn permit_watch(
        &self,
        who: &Who,
        key: &[u8],
        range_end: &[u8],
    ) -> Result<(), Status> {
        let caller = self.caller(who).await?;
        self.permit(|rules| rules.permit_range(identity(&caller), key, range_end))
    }

    /// Renewing a lease needs the right to write its keys.
    pub(crate) async fn permit_lease_write(&self, who: &Who, id: i64) -> Result<(), Status> {
        let rules = self.rules();
        if !rules.enabled() {
            return Ok(());
        }
        self.require_user(who).await?;
        let caller = self.caller(who).await?;
        let keys = self
            .view()?
            .lease_keys(id)
            .map_err(|error| errors::store(&error))?;
        self.permit(|rules| rules.permit_lease_write(identity(&caller), &keys))?;
        self.unchanged(&rules)
    }

    /// Listing the keys of leases needs the right to read them.
    pub(crate) async fn permit_lease_read(&self, who: &Who, ids: &[i64]) -> Result<(), Status> {
        let rules = self.rules();
        if !rules.enabled() {
            return Ok(());
        }
        self.require_user(who).await?;
        let caller = self.caller(who).await?;
        let view = self.view()?;
        for id in ids {
            let keys = view
                .lease_keys(*id)
                .map_err(|error| errors::store(&error))?;
            self.permit(|rules| rules.permit_lease_read(identity(&caller), &keys))?;
        }
        self.unchanged(&rules)
    }

    fn unchanged(&self, rules: &AuthState) -> Result<(), Status> {
        if rules.revision() != self.rules().revision() {
            return Err(errors::AUTH_OLD_REVISION.into());
        }
        Ok(())
    }
}
