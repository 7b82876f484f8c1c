//! The one signal that ends everything that serves.

use std::sync::Arc;

use tokio::sync::watch;

/// Cloned into whatever has to end when the server stops.
#[derive(Clone)]
pub(crate) struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    pub(crate) fn new() -> Stop {
        Stop(Arc::new(watch::Sender::new(false)))
    }

    /// Ends what waits for [`Stop::requested`].
    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the server has to stop.
    pub(crate) async fn requested(&self) {
        // An error would mean that the sender is gone, and it is held right here.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }
}
