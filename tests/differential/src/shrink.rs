//! Makes a failing script shorter: steps are left out as long as the servers still differ.

use crate::compare::{Coverage, Difference, Pair, run};
use crate::script::Step;
use anyhow::Result;
use std::time::{Duration, Instant};

/// The steps of the script that are kept, by index, and the difference they show.
#[derive(Debug)]
pub struct Shrunk {
    /// Indices into the script.
    pub kept: Vec<usize>,
    /// What differs when only those are sent.
    pub difference: Difference,
}

/// Looks for a short part of `script` that fails as `difference` did; stops after `budget`.
pub async fn shrink(
    pair: &Pair,
    script: &[Step],
    difference: Difference,
    budget: Duration,
) -> Result<Shrunk> {
    let until = Instant::now() + budget;
    let failing = kind(script, difference.index);
    let mut kept = (0..=difference.index).collect::<Vec<_>>();
    let mut found = difference;
    let mut chunk = kept.len() / 2;
    while chunk > 0 {
        // From the end: what stands right before the failing step matters most, and stays last.
        let mut end = kept.len() - 1;
        while end > 0 && Instant::now() < until {
            let start = end.saturating_sub(chunk);
            let mut fewer = kept.clone();
            fewer.drain(start..end);
            let part = fewer
                .iter()
                .map(|index| script[*index].clone())
                .collect::<Vec<_>>();
            if let Some(difference) = run(pair, &part, &mut Coverage::new()).await?
                && kind(&part, difference.index) == failing
            {
                fewer.truncate(difference.index + 1);
                kept = fewer;
                found = difference;
            }
            end = start.min(kept.len() - 1);
        }
        chunk /= 2;
    }
    Ok(Shrunk {
        kept,
        difference: found,
    })
}

/// Another kind of step that differs is another failure.
fn kind(script: &[Step], index: usize) -> std::mem::Discriminant<crate::script::Request> {
    std::mem::discriminant(&script[index].request)
}

impl Shrunk {
    /// The script, the difference, and how to see it again.
    pub fn report(&self, script: &[Step], replay: &str) -> String {
        let mut text = String::new();
        for index in &self.kept {
            let Step { user, request } = &script[*index];
            let line = crate::compare::shortened(&format!("{request:?}"));
            text += &format!("[{index}] as {user:?}: {line}\n");
        }
        let kept = self
            .kept
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        format!(
            "{text}\n{}\nreplay with: {replay} --keep {kept}\n",
            self.difference
        )
    }
}
