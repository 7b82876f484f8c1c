//! Requests of one object: what each client does in a loop, one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use skerry_tests_harness::Random;

use super::client::{CONNECTIONS, Call};
use super::objects::{self, NAMESPACE, VALUE_BYTES, name};
use super::report::{self, Report, Row};
use super::settings::Settings;
use super::target::Target;
use crate::driver::Driver;
use crate::meter::{Phase, Tally, measure};

/// Objects that exist before anything is measured.
const OBJECTS: usize = 10_000;

/// Fixes which objects are asked for.
const SEED: u64 = 1;

const VERBS: [&str; 7] = [
    "create",
    "get",
    "update",
    "json",
    "merge",
    "strategic",
    "apply",
];

pub(crate) async fn run(
    settings: &Settings,
    driver: &Driver,
    target: &Target,
    report: &mut Report,
) -> Result<()> {
    target
        .fill(driver, 0..OBJECTS, |number| {
            objects::create(NAMESPACE, &name(number), VALUE_BYTES)
        })
        .await?;
    println!("\n{}", report::head());
    // No two requests of a run write the same bytes or make the same object.
    let turns = Arc::new(AtomicUsize::new(1));
    for verb in VERBS {
        if settings
            .verbs
            .as_ref()
            .is_some_and(|verbs| !verbs.iter().any(|one| one == verb))
        {
            continue;
        }
        for &clients in &settings.clients {
            let phase = Phase::default();
            let connections = target.connect(driver).await?;
            let mut tasks = Vec::with_capacity(clients);
            for number in 0..clients {
                let at = number % CONNECTIONS;
                let mut client = connections[at].clone();
                let (phase, turns) = (phase.clone(), Arc::clone(&turns));
                let mut random = Random::new(SEED ^ ((number as u64) << 32));
                tasks.push(driver.spawn_on(at, async move {
                    let mut tally = Tally::default();
                    while !phase.over() {
                        let turn = turns.fetch_add(1, Ordering::Relaxed);
                        // Clients keep to objects of their own: conflicts are not measured.
                        let own = random.below(OBJECTS / clients) * clients + number;
                        let call = call(verb, &name(own), turn);
                        let start = Instant::now();
                        match client.exchange(call).await {
                            Ok(_) => tally.done(&phase, start, 1),
                            Err(error) => tally.failed(&format!("{error:#}")),
                        }
                    }
                    tally
                }));
            }
            let syncs = target.syncs()?;
            let measured = measure(phase, tasks, settings.window, &target.pids()?).await?;
            let syncs = target.syncs()? - syncs;
            // Counted over the warm-up too, in which as much is done in a second.
            let share = settings.window.as_secs_f64()
                / (settings.window + crate::meter::WARM_UP).as_secs_f64();
            report.row(Row {
                verb,
                clients,
                syncs_per_operation: syncs * share / (measured.operations.max(1) as f64),
                measured,
            });
        }
    }
    Ok(())
}

fn call(verb: &str, name: &str, turn: usize) -> Call {
    match verb {
        "create" => objects::create("default", &format!("n-{turn:08}"), VALUE_BYTES),
        "get" => Call::get(objects::path(NAMESPACE, name)),
        "update" => objects::update(NAMESPACE, name, VALUE_BYTES, turn),
        "json" => objects::json_patch(name, turn),
        "merge" => objects::merge_patch(name, turn),
        "strategic" => objects::strategic_patch(name, turn),
        _ => objects::apply(name, turn),
    }
}
