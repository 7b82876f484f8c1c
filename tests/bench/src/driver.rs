//! The driver's threads: each runs a runtime of its own, and a client stays on one of them,
//! so that the load spends its CPU on requests and not on passing work between threads.

use std::future::Future;
use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// One thread a core of the small machines that Skerry is for; more would take turns.
const THREADS: usize = 2;

/// See the module. The threads end with the process.
pub(crate) struct Driver {
    threads: Vec<Handle>,
    // Dropped to end the threads.
    _alive: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// Starts the threads.
    pub(crate) fn start() -> Result<Self> {
        let mut threads = Vec::new();
        let mut alive = Vec::new();
        for number in 0..THREADS {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (sender, receiver) = oneshot::channel();
            threads.push(runtime.handle().clone());
            alive.push(sender);
            thread::Builder::new()
                .name(format!("driver-{number}"))
                .spawn(move || {
                    // Ends when the driver is dropped, which is no failure.
                    let _ = runtime.block_on(receiver);
                })
                .context("start a driver's thread")?;
        }
        Ok(Self {
            threads,
            _alive: alive,
        })
    }

    /// Runs this client's work on its own thread. Connections it makes stay there too.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        client: usize,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        // Neighbours go to different members; members and threads must not pair up.
        self.threads[(client / 3) % self.threads.len()].spawn(work)
    }

    /// Runs work on the thread with this number, counted around: with the connection it uses.
    pub(crate) fn spawn_on<T: Send + 'static>(
        &self,
        number: usize,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.threads[number % self.threads.len()].spawn(work)
    }
}
