//! Many watchers of one namespace: how soon all are served, and how soon each hears of a write.
//!
//! Every write carries its number. Of one watcher in [`SAMPLED`], each event's latency is taken,
//! from when its write was begun to when the watcher has read it; the bytes of the others are only
//! counted, so that the driver leaves the server its share of the machine.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;

use super::client::{CONNECTIONS, Call, Client};
use super::objects::{self, NAMESPACE, name};
use super::report::{MIB, Report};
use super::settings::Settings;
use super::target::Target;
use crate::driver::Driver;
use crate::meter::{WARM_UP, percentile};
use crate::process::{Counters, forget_peaks, memory};

/// One watcher in so many is looked at closely.
const SAMPLED: usize = 20;

/// Objects that the writes go round.
const OBJECTS: usize = 100;

/// Writes that may be under way at once.
const WRITERS: usize = 32;

const DEADLINE: Duration = Duration::from_secs(60);

/// What writers and watchers share.
#[derive(Default)]
struct Shared {
    /// When each write was begun: nanoseconds after the start.
    begun: Vec<AtomicU64>,
    /// When each was answered.
    answered: Vec<AtomicU64>,
    counting: AtomicBool,
    over: AtomicBool,
    written: AtomicUsize,
    failed: AtomicUsize,
    /// Bytes that all watchers have read while it counted.
    read: AtomicUsize,
    /// What sampled watchers have read: the write's number, and when.
    heard: Mutex<Vec<(usize, u64)>>,
}

pub(crate) async fn run(
    settings: &Settings,
    driver: &Driver,
    target: &Target,
    report: &mut Report,
) -> Result<()> {
    let pids = target.pids()?;
    let bytes = settings.event_bytes;
    target
        .fill(driver, 0..OBJECTS, move |number| {
            objects::create(NAMESPACE, &name(number), bytes)
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = memory(&pids)?.0;
    forget_peaks(&pids)?;

    let seconds = (settings.window + WARM_UP).as_secs() as usize + 30;
    let shared = Arc::new(Shared {
        begun: (0..settings.rate * seconds)
            .map(|_| AtomicU64::default())
            .collect(),
        answered: (0..settings.rate * seconds)
            .map(|_| AtomicU64::default())
            .collect(),
        ..Shared::default()
    });
    let epoch = Instant::now();
    let connections = target.connect(driver).await?;
    let opened = Arc::new(AtomicUsize::new(0));
    let spent = Counters::read(&pids)?;
    let start = Instant::now();
    let mut watchers = Vec::new();
    for number in 0..settings.watchers {
        let at = number % CONNECTIONS;
        let (client, shared) = (connections[at].clone(), Arc::clone(&shared));
        let (opened, sampled) = (Arc::clone(&opened), number % SAMPLED == 0);
        watchers.push(driver.spawn_on(at, watch(client, shared, opened, sampled, epoch)));
    }
    while opened.load(Ordering::Relaxed) < settings.watchers {
        ensure!(start.elapsed() < DEADLINE, "not all watchers were served");
        all_open(&mut watchers).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let name = format!("watch.{}", settings.watchers);
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let spent = Counters::read(&pids)? - spent;
    report.figure(&format!("{name}.all_served_ms"), took);
    report.figure(&format!("{name}.opening_cpu_ms"), spent.cpu_s * 1000.0);
    let grown = memory(&pids)?.0.saturating_sub(before) as f64 / MIB;
    report.figure(&format!("{name}.rss_growth_mib"), grown);

    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let at = writer % CONNECTIONS;
        // Writes do not queue behind events: they have connections of their own.
        let (address, shared) = (target.address(), Arc::clone(&shared));
        let rate = settings.rate;
        writers.push(driver.spawn_on(at, async move {
            let client = Client::connect(&address).await?;
            write(client, shared, writer, rate, bytes, epoch).await
        }));
    }
    // Warm-up and window are spans of time by intent.
    tokio::time::sleep(WARM_UP).await;
    let own = [std::process::id()];
    let (spent, own_spent) = (Counters::read(&pids)?, Counters::read(&own)?);
    let window = Instant::now();
    shared.written.store(0, Ordering::Relaxed);
    shared.counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(settings.window).await;
    shared.counting.store(false, Ordering::Relaxed);
    let window = window.elapsed().as_secs_f64();
    let spent = Counters::read(&pids)? - spent;
    let own_spent = Counters::read(&own)? - own_spent;
    let written = shared.written.load(Ordering::Relaxed);
    shared.over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await??;
    }
    all_open(&mut watchers).await?;
    watchers.iter().for_each(|one| one.abort());

    let heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
    let after = |times: &[AtomicU64]| {
        let took = |(write, at): &(usize, u64)| {
            let since = at.saturating_sub(times[*write].load(Ordering::Relaxed)) / 1000;
            u32::try_from(since).unwrap_or(u32::MAX)
        };
        let mut all: Vec<u32> = heard.iter().map(took).collect();
        all.sort_unstable();
        all
    };
    let (latencies, after_answers) = (after(&shared.begun), after(&shared.answered));
    let ms = |sorted: &[u32], share| f64::from(percentile(sorted, share)) / 1000.0;
    let read = shared.read.load(Ordering::Relaxed) as f64;
    report.figure(&format!("{name}.writes_per_s"), written as f64 / window);
    let sampled = latencies.len() as f64;
    report.figure(&format!("{name}.sampled_events_per_s"), sampled / window);
    report.figure(&format!("{name}.mib_read_per_s"), read / window / MIB);
    for (share, text) in [(0.50, "p50"), (0.99, "p99"), (1.0, "max")] {
        report.figure(&format!("{name}.{text}_ms"), ms(&latencies, share));
    }
    // Without what the disk and the queue before it took.
    for (share, text) in [(0.50, "p50"), (0.99, "p99")] {
        let figure = format!("{name}.after_answer.{text}_ms");
        report.figure(&figure, ms(&after_answers, share));
    }
    report.figure(&format!("{name}.server_cpu_cores"), spent.cpu_s / window);
    report.figure(
        &format!("{name}.driver_cpu_cores"),
        own_spent.cpu_s / window,
    );
    let peak = memory(&pids)?.1.saturating_sub(before) as f64 / MIB;
    report.figure(&format!("{name}.peak_rss_growth_mib"), peak);
    let failed = shared.failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "{failed} writes failed");
    Ok(())
}

/// Says why a watch has ended, where one has.
async fn all_open(watchers: &mut [JoinHandle<Result<()>>]) -> Result<()> {
    for watcher in watchers {
        if watcher.is_finished() {
            watcher.await??;
            bail!("a watch ended");
        }
    }
    Ok(())
}

async fn watch(
    mut client: Client,
    shared: Arc<Shared>,
    opened: Arc<AtomicUsize>,
    sampled: bool,
    epoch: Instant,
) -> Result<()> {
    let path = objects::path(NAMESPACE, "") + "?watch=true&timeoutSeconds=3600";
    let mut body = client.send(Call::get(path)).await?.into_body();
    // Served: it has been told of the objects that were there.
    let mut initial = OBJECTS;
    let mut line = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if initial > 0 {
            let lines = data.iter().filter(|byte| **byte == b'\n').count();
            initial = initial.saturating_sub(lines);
            if initial == 0 {
                opened.fetch_add(1, Ordering::Relaxed);
            }
            continue;
        }
        if shared.counting.load(Ordering::Relaxed) {
            shared.read.fetch_add(data.len(), Ordering::Relaxed);
        }
        if !sampled {
            continue;
        }
        line.extend_from_slice(data);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let write = number(&line[..end]).filter(|write| *write < shared.begun.len());
            if let Some(write) = write
                && shared.counting.load(Ordering::Relaxed)
            {
                let now = epoch.elapsed().as_nanos() as u64;
                let mut heard = shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push((write, now));
            }
            line.drain(..=end);
        }
    }
    Ok(())
}

/// The number that a write has put at the start of its value.
fn number(line: &[u8]) -> Option<usize> {
    let marker = b"\"value\":\"";
    let at = line.windows(marker.len()).position(|part| part == marker)? + marker.len();
    std::str::from_utf8(line.get(at..at + 16)?)
        .ok()?
        .parse()
        .ok()
}

/// Writes each number of its own at its time; a late writer catches up.
async fn write(
    mut client: Client,
    shared: Arc<Shared>,
    writer: usize,
    rate: usize,
    bytes: usize,
    epoch: Instant,
) -> Result<()> {
    let start = epoch.elapsed();
    for number in (writer + 1..shared.begun.len()).step_by(WRITERS) {
        let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
        tokio::time::sleep_until((epoch + due).into()).await;
        if shared.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (begun, answered) = (&shared.begun[number], &shared.answered[number]);
        begun.store(epoch.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let call = objects::update(NAMESPACE, &name(number % OBJECTS), bytes, number);
        let outcome = client.exchange(call).await;
        answered.store(epoch.elapsed().as_nanos() as u64, Ordering::Relaxed);
        match outcome {
            Ok(_) => shared.written.fetch_add(1, Ordering::Relaxed),
            Err(_) => shared.failed.fetch_add(1, Ordering::Relaxed),
        };
    }
    Ok(())
}
