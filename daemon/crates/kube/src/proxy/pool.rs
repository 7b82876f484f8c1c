//! Connections to another server that stay open for the next request.
//!
//! Only HTTP/2's: one serves many requests at once. Knows nothing about how connections are made.
//! Invariants: at most [`POOLED_CONNECTIONS_MAX`] are kept, none that nobody has used for long; what
//! is asked without an end (watches, tunnels) has a connection of its own, so that requests never
//! wait for those.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use super::pass::RequestBody;
use super::resolve::Destination;
use crate::limits::{POOLED_CONNECTIONS_MAX, POOLED_IDLE_TIME_MAX, POOLED_REQUESTS_MAX};

/// One end of a connection; it is open while there is one.
pub(super) type Sender = SendRequest<RequestBody>;

/// One of the requests on a connection, until it is dropped: an answer that is read slowly keeps
/// its place.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "it counts by being there")]
pub struct Place(Arc<()>);

#[derive(Debug)]
struct Kept {
    destination: Destination,
    sender: Sender,
    used: Instant,
    /// As often as there are requests, and once more.
    places: Arc<()>,
}

/// See the module. Whoever drops it ends what is idle; requests under way go on.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Kept>>);

impl Pool {
    /// A place in a connection there that is open, as far as is known.
    pub(super) fn take(&self, destination: &Destination) -> Option<(Sender, Place)> {
        let mut kept = self.kept();
        let mut found = kept.iter_mut();
        let one = found.find(|one| one.destination == *destination)?;
        if Arc::strong_count(&one.places) > POOLED_REQUESTS_MAX {
            return None;
        }
        one.used = Instant::now();
        Some((one.sender.clone(), Place(Arc::clone(&one.places))))
    }

    /// Keeps one, unless there is another one there already; the first place in it.
    pub(super) fn keep(&self, destination: &Destination, sender: Sender) -> Option<Place> {
        let mut kept = self.kept();
        if kept.iter().any(|one| one.destination == *destination) {
            return None;
        }
        if kept.len() == POOLED_CONNECTIONS_MAX {
            kept.remove(0);
        }
        let places = Arc::new(());
        let place = Place(Arc::clone(&places));
        kept.push(Kept {
            destination: destination.clone(),
            sender,
            used: Instant::now(),
            places,
        });
        Some(place)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|one| {
            !one.sender.is_closed() && now.duration_since(one.used) < POOLED_IDLE_TIME_MAX
        });
        kept
    }
}
