//! Connections to webhooks that have answered and may be asked again.
//!
//! Knows nothing about TLS or what is asked. Invariant: no more than
//! [`WEBHOOK_IDLE_MAX`](crate::limits::WEBHOOK_IDLE_MAX) are kept, none longer than
//! [`WEBHOOK_IDLE_TIME_MAX`](crate::limits::WEBHOOK_IDLE_TIME_MAX).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, sleep};

use super::target::{ClientConfig, Server};
use crate::limits::{WEBHOOK_IDLE_MAX, WEBHOOK_IDLE_TIME_MAX};

pub(super) type Connection = SendRequest<Full<Bytes>>;

/// With whom, under whose authority: the path does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(Server, Arc<[u8]>);

impl Key {
    pub(super) fn of(config: &ClientConfig) -> Key {
        Key(config.server.clone(), Arc::clone(&config.authorities))
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    is_swept: AtomicBool,
}

struct Idle {
    key: Key,
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// The connection that was used last, if there is one.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| !one.connection.is_closed());
        let place = idle.iter().rposition(|one| one.key == *key)?;
        idle.remove(place).map(|one| one.connection)
    }

    /// Keeps a connection for the next one who asks.
    pub(super) fn keep(self: &Arc<Pool>, key: Key, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= WEBHOOK_IDLE_MAX {
            idle.pop_front();
        }
        let since = Instant::now();
        idle.push_back(Idle {
            key,
            connection,
            since,
        });
        drop(idle);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Lets go of what nobody uses, until nothing is left.
    async fn sweep(self: Arc<Pool>) {
        loop {
            sleep(WEBHOOK_IDLE_TIME_MAX).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|one| one.since.elapsed() < WEBHOOK_IDLE_TIME_MAX);
            if idle.is_empty() {
                idle.shrink_to_fit();
                self.is_swept.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}
