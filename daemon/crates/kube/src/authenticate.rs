//! Who asks: what the client's certificate says.
//!
//! Knows nothing about what may be done. Invariant: a name comes only out of a proof that was
//! checked; whoever has shown none is anonymous.

use skerry_listen::Peer;

use crate::user::User;

/// The user of a connection.
pub(crate) fn authenticate(peer: &Peer) -> User {
    match &peer.common_name {
        Some(name) => User::authenticated(name.clone(), peer.organizations.clone()),
        None => User::anonymous(),
    }
}
