//! Two connections that speak something else than HTTP now: bytes pass until one of them ends.
//!
//! Knows nothing about what they say. Invariant: there are never more than [`TUNNELS_MAX`].

use std::sync::{Arc, LazyLock};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ProxyError;
use crate::limits::{TUNNEL_BUFFER_BYTES, TUNNELS_MAX};

static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(TUNNELS_MAX)));

/// A place for one, until it is dropped.
pub(crate) fn place() -> Result<OwnedSemaphorePermit, ProxyError> {
    let place = Arc::clone(&PLACES).try_acquire_owned();
    place.map_err(|_| ProxyError::TooMany)
}

/// Joins both once they have been upgraded.
pub(crate) fn join(client: OnUpgrade, server: OnUpgrade, place: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        let _place = place;
        let (client, server) = match tokio::try_join!(client, server) {
            Ok(both) => both,
            Err(error) => return tracing::debug!(%error, "an upgrade did not come about"),
        };
        let halves = |stream: Upgraded| tokio::io::split(TokioIo::new(stream));
        let (from_client, mut to_client) = halves(client);
        let (from_server, mut to_server) = halves(server);
        // As upstream: the end of either is the end of both.
        let ended = tokio::select! {
            ended = carry(from_client, &mut to_server) => ended,
            ended = carry(from_server, &mut to_client) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel broke");
        }
        let _ = tokio::join!(to_client.shutdown(), to_server.shutdown());
    });
}

/// All that comes, as it comes.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    // What was written before may still lie somewhere on the way.
    to.flush().await?;
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count]).await?,
        }
        to.flush().await?;
    }
}
