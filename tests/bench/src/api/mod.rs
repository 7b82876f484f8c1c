//! Measures the Kubernetes API of the real server: over TLS, HTTP/2 and few connections.
//!
//! Nothing runs beside it that it is compared with. A benchmark, not a test: nothing here passes
//! or fails.

mod client;
mod lists;
mod objects;
mod report;
mod rest;
mod settings;
mod target;
mod watchers;
mod writes;

use anyhow::{Context, Result};

use crate::driver::Driver;
use report::Report;
use settings::{Part, Settings};
use target::Target;

/// Measures what these words ask for.
pub(crate) async fn run(words: impl Iterator<Item = std::ffi::OsString>) -> Result<()> {
    let settings = Settings::parse(words)?;
    let about = format!(
        "One member, mutual TLS, HTTP/2, {} connections for all clients; objects of 1 KB; window \
         {:?} after a warm-up. drv: the driver's own CPU, on the same cores. load: {}",
        client::CONNECTIONS,
        settings.window,
        load()
    );
    println!("{about}\n");
    let driver = Driver::start()?;
    let mut report = Report {
        about,
        ..Report::default()
    };
    if settings.wants(Part::Start) {
        report.figure("start.to_readyz_ms", rest::time_start(&settings).await?);
    }
    // Each part starts from a fresh server: what one leaves in memory does not count for another.
    for part in Part::ALL {
        if part == Part::Start || !settings.wants(part) {
            continue;
        }
        let target = Target::start(&settings).await?;
        match part {
            Part::Start => {}
            Part::Idle => rest::idle(&target, &mut report).await?,
            Part::Writes => writes::run(&settings, &driver, &target, &mut report).await?,
            Part::Lists => lists::run(&settings, &driver, &target, &mut report).await?,
            Part::Pods => lists::pods(&driver, &target, &mut report).await?,
            Part::Watch => watchers::run(&settings, &driver, &target, &mut report).await?,
        }
    }
    report.about += &format!("; at the end {}", load());
    if let Some(path) = &settings.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The machine's load averages, for whoever reads the figures.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
