//! What the engine needs of the replicated store: a proposal, a barrier, a reader, and who leads.
//!
//! Knows nothing about Kubernetes. Invariant: once a proposal is answered, the reader shows it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use skerry_consensus::{Caller, Handle, ProposeError, ReadError, Role};
use skerry_proto::command::command::Operation;
use skerry_store::{Reader, Reply};

/// A future that may be kept as a trait object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who leads, as far as this member knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Leadership {
    Here,
    Elsewhere,
    Nobody,
}

/// A member's part of the replicated store.
pub trait Datastore: Send + Sync + 'static {
    /// Has the cluster apply an operation, and waits until this member has applied it.
    fn propose(&self, operation: Operation) -> Pending<'_, Result<Reply, ProposeError>>;

    /// Returns once everything acknowledged before is applied here.
    fn linearize(&self) -> Pending<'_, Result<(), ReadError>>;

    /// Reads this member's state.
    fn reader(&self) -> Reader;

    /// Who leads.
    fn leadership(&self) -> Leadership;

    /// Whether nobody leads and nobody will, before members are back.
    fn is_cut_off(&self) -> bool {
        false
    }

    /// The addresses of all members that have started.
    fn addresses(&self) -> Vec<IpAddr>;
}

impl Datastore for Handle {
    fn propose(&self, operation: Operation) -> Pending<'_, Result<Reply, ProposeError>> {
        Box::pin(Handle::propose(self, Caller::member(), operation))
    }

    fn linearize(&self) -> Pending<'_, Result<(), ReadError>> {
        Box::pin(Handle::linearize(self))
    }

    fn reader(&self) -> Reader {
        Handle::reader(self)
    }

    fn leadership(&self) -> Leadership {
        let status = self.status();
        match (status.role, status.leader) {
            (_, None) => Leadership::Nobody,
            (Role::Leader, Some(leader)) if leader == status.member_id => Leadership::Here,
            _ => Leadership::Elsewhere,
        }
    }

    fn is_cut_off(&self) -> bool {
        self.status().out_of_reach
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let status = self.status();
        let urls = status.members.iter();
        let urls = urls.filter_map(|(_, member, _)| member.client_urls.first());
        urls.filter_map(|url| {
            let authority: http::Uri = url.parse().ok()?;
            let host = authority.host()?;
            host.trim_matches(['[', ']']).parse().ok()
        })
        .collect()
    }
}
