//! The one signal that ends everything that serves.

use std::sync::Arc;

use tokio::sync::watch;

/// Cloned into whatever has to end when the server stops.
#[derive(Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

impl Stop {
    /// A signal that was not given yet.
    #[must_use]
    pub fn new() -> Stop {
        Stop(Arc::new(watch::Sender::new(false)))
    }

    /// Ends what waits for [`Stop::requested`].
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether the server has to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the server has to stop.
    pub async fn requested(&self) {
        // An error would mean that the sender is gone, and it is held right here.
        let _ = self.0.subscribe().wait_for(|requested| *requested).await;
    }
}
