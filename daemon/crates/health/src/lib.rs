//! `/livez`, `/readyz` and `/healthz` with all that stands below them, as kube-apiserver has them.
//!
//! Whoever knows whether a thing works adds a check for it; this crate runs them, writes the report
//! and counts what came out. Knows nothing about HTTP beyond a status, nor about what is checked.
//! Invariant: the report says of a check what the check said just now, and never why it failed.

mod check;
mod pulses;
mod report;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

pub use check::{Check, Count, Pending, Probe};
pub use pulses::Pulses;
pub use report::Report;

use check::Counted;
use report::Asked;

/// All checks of one server. Clones are handles to the same ones.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Vec<Arc<Counted>>>>);

impl Health {
    /// Adds a check; it is reported after those that are there.
    pub fn add(&self, check: Check) {
        let mut checks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // It belongs at the end of what is about to work, whoever adds more.
        let end = match checks.last() {
            Some(last) if last.check.comes_last() && !check.comes_last() => checks.len() - 1,
            _ => checks.len(),
        };
        checks.insert(end, Arc::new(Counted::new(check)));
    }

    /// Whether a path is one of these, or below one.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        Probe::of(path).is_some()
    }

    /// Whether a path asks for the sum of all checks, which anybody may.
    #[must_use]
    pub fn is_sum(path: &str) -> bool {
        matches!(Probe::of(path), Some((_, "")))
    }

    /// Runs what a path and its query ask for; nothing where there is no such check.
    pub async fn answer(&self, path: &str, query: &str) -> Option<Report> {
        let (probe, single) = Probe::of(path)?;
        let asked = Asked::parse(query);
        let checks: Vec<Arc<Counted>> = {
            let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let of_probe = all.iter().filter(|one| one.check.is_of(probe));
            of_probe.cloned().collect()
        };
        if !single.is_empty() {
            let found = checks.iter().find(|one| one.check.name() == single)?;
            return Some(Report::single(found.run(probe).await));
        }
        let mut outcomes = Vec::with_capacity(checks.len());
        for one in &checks {
            let name = one.check.name();
            let outcome = match asked.excludes(name) {
                true => None,
                false => Some(one.run(probe).await),
            };
            outcomes.push((name, outcome));
        }
        Some(report::sum(probe.name(), &outcomes, &asked))
    }

    /// How often each check has passed and failed, for each probe that it is part of.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().flat_map(|one| one.counts()).collect()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let names = checks.iter().map(|one| one.check.name());
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn health() -> (Health, Arc<AtomicBool>) {
        let health = Health::default();
        let broken = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&broken);
        health.add(Check::now("ping", &Probe::ALL, || Ok(())));
        health.add(Check::now("shutdown", &[Probe::Ready], || Ok(())));
        health.add(Check::now("rbac/roles", &Probe::ALL, move || {
            match seen.load(Ordering::Relaxed) {
                true => Err("the disk is full of secrets".into()),
                false => Ok(()),
            }
        }));
        (health, broken)
    }

    async fn said(health: &Health, path: &str, query: &str) -> (u16, String) {
        let report = health.answer(path, query).await.unwrap();
        (report.status, report.text)
    }

    #[tokio::test]
    async fn all_is_well_in_one_word_and_verbosely() {
        let (health, _) = health();
        assert_eq!(said(&health, "/livez", "").await, (200, "ok".into()));
        let text = "[+]ping ok\n[+]rbac/roles ok\nlivez check passed\n";
        assert_eq!(said(&health, "/livez", "verbose").await, (200, text.into()));
        let text = "[+]ping ok\n[+]rbac/roles ok\n[+]shutdown ok\nreadyz check passed\n";
        assert_eq!(
            said(&health, "/readyz", "verbose=1").await,
            (200, text.into())
        );
    }

    #[tokio::test]
    async fn a_failure_is_named_but_its_reason_is_withheld() {
        let (health, broken) = health();
        broken.store(true, Ordering::Relaxed);
        let text = "[+]ping ok\n[-]rbac/roles failed: reason withheld\nhealthz check failed\n";
        assert_eq!(said(&health, "/healthz", "").await, (500, text.into()));
        assert_eq!(
            said(&health, "/healthz/rbac/roles", "").await,
            (
                500,
                "internal server error: the disk is full of secrets\n".into()
            )
        );
        assert_eq!(said(&health, "/healthz/ping", "").await, (200, "ok".into()));
    }

    #[tokio::test]
    async fn what_is_excluded_is_not_run_and_what_is_unknown_is_said() {
        let (health, broken) = health();
        broken.store(true, Ordering::Relaxed);
        let query = "exclude=rbac%2Froles&exclude=b&exclude=a&verbose";
        let text = "[+]ping ok\n[+]rbac/roles excluded: ok\n\
                    warn: some health checks cannot be excluded: no matches for \"a\", \"b\"\n\
                    livez check passed\n";
        assert_eq!(said(&health, "/livez", query).await, (200, text.into()));
    }

    #[tokio::test]
    async fn a_check_that_is_not_of_the_probe_is_not_there() {
        let (health, _) = health();
        for path in [
            "/livez/shutdown",
            "/readyz/none",
            "/livez/",
            "/livezz",
            "/x",
        ] {
            assert_eq!(health.answer(path, "").await, None, "{path}");
        }
        assert!(health.answer("/readyz/shutdown", "").await.is_some());
    }

    #[tokio::test]
    async fn what_came_out_is_counted_by_probe() {
        let (health, broken) = health();
        said(&health, "/livez", "").await;
        broken.store(true, Ordering::Relaxed);
        said(&health, "/livez", "").await;
        let counts = health.counts();
        let roles = counts
            .iter()
            .find(|count| count.name == "rbac/roles" && count.probe == "livez")
            .unwrap();
        assert_eq!((roles.passed, roles.failed), (1, 1));
        assert_eq!(roles.last, Some(false));
    }
}
