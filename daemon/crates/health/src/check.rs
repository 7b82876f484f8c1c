//! One check: its name, the probes it is part of, and how it is made.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// A check under way.
pub type Pending = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What somebody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/livez`: would a restart help?
    Live,
    /// `/readyz`: should clients come here?
    Ready,
    /// `/healthz`: upstream's older word for both.
    Healthy,
}

impl Probe {
    /// All of them.
    pub const ALL: [Probe; 3] = [Probe::Live, Probe::Ready, Probe::Healthy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Probe::Live => "livez",
            Probe::Ready => "readyz",
            Probe::Healthy => "healthz",
        }
    }

    /// The probe of a path, and the check that is named below it.
    pub(crate) fn of(path: &str) -> Option<(Probe, &str)> {
        let path = path.strip_prefix('/')?;
        let (name, single) = match path.split_once('/') {
            // A slash at the end names nothing.
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (path, ""),
        };
        let probe = Probe::ALL.into_iter().find(|probe| probe.name() == name)?;
        Some((probe, single))
    }
}

type Run = Box<dyn Fn() -> Pending + Send + Sync>;

/// See the module.
pub struct Check {
    name: &'static str,
    probes: &'static [Probe],
    run: Run,
}

impl Check {
    /// A check that takes its time. It must end by itself.
    pub fn new<F, P>(name: &'static str, probes: &'static [Probe], run: F) -> Check
    where
        F: Fn() -> P + Send + Sync + 'static,
        P: Future<Output = Result<(), String>> + Send + 'static,
    {
        let run: Run = Box::new(move || Box::pin(run()));
        Check { name, probes, run }
    }

    /// A check that knows at once.
    pub fn now<F>(name: &'static str, probes: &'static [Probe], run: F) -> Check
    where
        F: Fn() -> Result<(), String> + Send + Sync + 'static,
    {
        Check::new(name, probes, move || std::future::ready(run()))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn is_of(&self, probe: Probe) -> bool {
        self.probes.contains(&probe)
    }

    /// Upstream reports this one after all others.
    pub(crate) fn comes_last(&self) -> bool {
        self.name == "shutdown"
    }
}

/// What has come out of a check so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The check.
    pub name: &'static str,
    /// `livez`, `readyz` or `healthz`
    pub probe: &'static str,
    /// How often it has passed.
    pub passed: u64,
    /// How often it has failed.
    pub failed: u64,
    /// Whether it passed the last time; none: it was never run.
    pub last: Option<bool>,
}

/// A check with its counters, one for each probe.
pub(crate) struct Counted {
    pub(crate) check: Check,
    counters: [Counters; Probe::ALL.len()],
}

#[derive(Default)]
struct Counters {
    passed: AtomicU64,
    failed: AtomicU64,
    /// 0: never run, 1: failed, 2: passed.
    last: AtomicU8,
}

impl Counted {
    pub(crate) fn new(check: Check) -> Counted {
        Counted {
            check,
            counters: Default::default(),
        }
    }

    pub(crate) async fn run(&self, probe: Probe) -> Result<(), String> {
        let outcome = (self.check.run)().await;
        let counters = &self.counters[probe as usize];
        match &outcome {
            Ok(()) => {
                counters.passed.fetch_add(1, Ordering::Relaxed);
                counters.last.store(2, Ordering::Relaxed);
            }
            Err(reason) => {
                tracing::debug!(check = self.check.name, reason, "a health check failed");
                counters.failed.fetch_add(1, Ordering::Relaxed);
                counters.last.store(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = Count> {
        self.check.probes.iter().map(|probe| {
            let counters = &self.counters[*probe as usize];
            Count {
                name: self.check.name,
                probe: probe.name(),
                passed: counters.passed.load(Ordering::Relaxed),
                failed: counters.failed.load(Ordering::Relaxed),
                last: match counters.last.load(Ordering::Relaxed) {
                    0 => None,
                    last => Some(last == 2),
                },
            }
        })
    }
}
