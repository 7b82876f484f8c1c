//! Runs a script on two fresh servers and finds the first step they answer differently.

use crate::script::{Request, Step};
use crate::side::{Outcome, Side};
use anyhow::{Context, Result, bail};
use skerry_tests_harness::{Cluster, Kind, Options};
use std::fmt;

/// Which two servers are compared, and how they are started.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The one that is right.
    pub reference: (Kind, usize),
    /// The one under test.
    pub tested: (Kind, usize),
    /// Added to the command line of the one under test.
    pub tested_flags: Vec<String>,
    /// The one under test gets no put of this key: to see that the comparison can fail.
    pub lost_key: Option<&'static str>,
}

impl Pair {
    /// One member of etcd, and `members` of Skerry.
    pub fn skerry(members: usize) -> Self {
        Self::of(Kind::Skerry, members)
    }

    /// One member of etcd, and `members` of another etcd: they must be equal.
    pub fn etcd(members: usize) -> Self {
        Self::of(Kind::Etcd, members)
    }

    fn of(kind: Kind, members: usize) -> Self {
        Self {
            reference: (Kind::Etcd, 1),
            tested: (kind, members),
            tested_flags: Vec::new(),
            lost_key: None,
        }
    }
}

/// The shortest lease follows from these, so both sides have the same.
const HEARTBEAT_MS: u32 = 100;
const ELECTION_MS: u32 = 1_000;

/// The first step that was answered differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Its index in the script that ran.
    pub index: usize,
    /// As it was sent, placeholders resolved.
    pub step: Step,
    /// What the reference answered.
    pub reference: Outcome,
    /// What the server under test answered.
    pub tested: Outcome,
}

/// How often each kind of answer came, by "variant: code": what a run has covered.
pub type Coverage = std::collections::BTreeMap<String, usize>;

/// Runs `script` on fresh servers until they differ.
///
/// # Errors
/// Also when the reference does not survive a step: such a step belongs in no script.
pub async fn run(
    pair: &Pair,
    script: &[Step],
    coverage: &mut Coverage,
) -> Result<Option<Difference>> {
    let mut reference = start(pair.reference, &[])
        .await
        .context("start the reference")?;
    let mut tested = start(pair.tested, &pair.tested_flags)
        .await
        .context("start the tested")?;
    let (mut left, mut right) = (Side::new(&reference)?, Side::new(&tested)?);
    let mut may_restart = true;
    for (index, step) in script.iter().enumerate() {
        if matches!(step.request, Request::MoveLeader(_)) && pair.tested.1 > 1 {
            // Answered by whoever leads, and it need not be the one that is asked.
            continue;
        }
        if matches!(step.request, Request::Restart) {
            if !may_restart {
                continue;
            }
            *coverage.entry("Restart".into()).or_default() += 1;
            tokio::try_join!(restart(&mut reference, 0), restart(&mut tested, index))?;
            continue;
        }
        let lost = matches!((&step.request, pair.lost_key),
            (Request::Put(put), Some(key)) if put.key == key);
        let (one, two) = tokio::join!(left.run(step, 0), async {
            if lost {
                Outcome(String::from("lost"))
            } else {
                right.run(step, index).await
            }
        });
        if one.is_broken_connection() {
            bail!(
                "the reference did not survive step {index}, {:#?}: {}\n{}",
                step.request,
                one.0,
                reference.members[0].log_tail()
            );
        }
        *coverage.entry(kind_of(step, &one)).or_default() += 1;
        may_restart &= !comes_to_life_in_etcd(step, &one);
        if one != two && !lost {
            let request = left.known.resolve(step.request.clone());
            return Ok(Some(Difference {
                index,
                step: Step {
                    request,
                    ..step.clone()
                },
                reference: one,
                tested: two,
            }));
        }
    }
    Ok(None)
}

/// A transaction that etcd refuses because it reads a revision below the first (-2, say) is applied
/// after all when etcd 3.5 replays its log after a kill, where the first revision is not yet known:
/// the reference then holds a key that it has refused.
fn comes_to_life_in_etcd(step: &Step, answer: &Outcome) -> bool {
    matches!(step.request, Request::Txn(_) | Request::Watch(_))
        && answer.0.contains("required revision has been compacted")
}

async fn restart(cluster: &mut Cluster, turn: usize) -> Result<()> {
    let member = turn % cluster.members.len();
    cluster.members[member].kill()?;
    cluster
        .restart(member)
        .await
        .with_context(|| format!("restart at step {turn}"))?;
    // Whoever was killed may have led.
    cluster.wait_all_ready().await
}

async fn start(which: (Kind, usize), flags: &[String]) -> Result<Cluster> {
    let (unit, more) = match which.0 {
        // What is compared needs no durability.
        Kind::Etcd => ("", Some("--unsafe-no-fsync")),
        Kind::Skerry => ("ms", None),
    };
    let timing = [
        format!("--heartbeat-interval={HEARTBEAT_MS}{unit}"),
        format!("--election-timeout={ELECTION_MS}{unit}"),
    ];
    let more = more.map(String::from);
    let options = Options {
        flags: timing
            .into_iter()
            .chain(more)
            .chain(flags.iter().cloned())
            .collect(),
        ..Options::default()
    };
    Cluster::start(which.0, which.1, &options).await
}

fn kind_of(step: &Step, outcome: &Outcome) -> String {
    let text = format!("{:?}", step.request);
    let name = text.split(['(', ' ']).next().unwrap_or_default();
    // A status is one line that begins with its code; a response begins with its type.
    let first = outcome.0.lines().next().unwrap_or_default();
    let answer = if first.ends_with('{') || first.is_empty() {
        "answered"
    } else {
        first
    };
    let answer = answer.chars().take(90).collect::<String>();
    format!("{name}: {answer}")
}

/// How much of what is equal is shown around what differs.
const LINES_AROUND: usize = 12;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { user, request } = &self.step;
        writeln!(
            f,
            "step {} as {user:?}: {}",
            self.index,
            shortened(&format!("{request:?}"))
        )?;
        let (left, right) = (lines(&self.reference), lines(&self.tested));
        writeln!(f, "--- etcd\n+++ skerry")?;
        let told = diff(&left, &right);
        let differs = |line: &String| !line.starts_with(' ');
        for (at, line) in told.iter().enumerate() {
            let around = at.saturating_sub(LINES_AROUND)..told.len().min(at + LINES_AROUND + 1);
            if told[around].iter().any(differs) {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.0.lines().map(shortened).collect()
}

/// Values of megabytes say nothing more than their beginning.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN_CHARS: usize = 2_000;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{} ... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// The lines of both with what differs marked, by their longest common subsequence.
fn diff(left: &[String], right: &[String]) -> Vec<String> {
    const LINES_MAX: usize = 3_000;
    let (left, right) = (
        &left[..left.len().min(LINES_MAX)],
        &right[..right.len().min(LINES_MAX)],
    );
    let width = right.len() + 1;
    let mut common = vec![0u32; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i * width + j] = if left[i] == right[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut told) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            told.push(format!(" {}", left[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len()
            || (i < left.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            told.push(format!("-{}", left[i]));
            i += 1;
        } else {
            told.push(format!("+{}", right[j]));
            j += 1;
        }
    }
    told
}
