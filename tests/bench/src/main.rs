//! Measures Skerry and etcd in turn, under one driver, over mutual TLS, on one disk.
//!
//! Both clusters of a size run side by side, and each workload runs first on one, then on
//! the other, while that one's peer is idle: so both meet the same machine. A benchmark, not
//! a test: nothing here passes or fails.

// The table goes to standard output.
#![allow(clippy::print_stdout)]

mod api;
mod driver;
mod lease;
mod meter;
mod peer;
mod process;
mod report;
mod settings;
mod watch;
mod workload;

use anyhow::{Context, Result};

use driver::Driver;
use peer::Peer;
use report::{Report, Rest, Row, name};
use settings::Settings;

fn main() -> Result<()> {
    // Only conducts; the load runs on the driver's threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the conductor's runtime")?;
    let mut words = std::env::args_os().skip(1);
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "--api")
    {
        words.next();
        return runtime.block_on(api::run(words));
    }
    let settings = Settings::from_command_line()?;
    runtime.block_on(run(&settings))
}

async fn run(settings: &Settings) -> Result<()> {
    let about = format!(
        "Mutual TLS for clients and peers{}; values of 1 KB; 10,000 keys; window {:?} after a \
         warm-up. CPU and bytes written: sum over the members; RSS: the largest member's peak \
         in this workload. One connection a client, clients spread over the members. drv: the driver's \
         own CPU, on the same cores.",
        if settings.tls { "" } else { " (etcd: none)" },
        settings.window
    );
    println!("{about}\n");
    let driver = Driver::start()?;
    let mut report = Report {
        about,
        ..Report::default()
    };
    for (at, &members) in settings.members.iter().enumerate() {
        let mut peers = Vec::new();
        for &kind in &settings.peers {
            let start_ms = if settings.start && at == 0 {
                Some(Peer::time_start(kind, settings).await?.as_secs_f64() * 1000.0)
            } else {
                None
            };
            let peer = Peer::start(kind, members, settings).await?;
            let idle = if settings.idle {
                Some(peer.idle().await?)
            } else {
                None
            };
            let rest = Rest {
                members,
                peer: name(kind),
                start_ms,
                idle,
                rss_after_all: None,
            };
            println!("{}", report::rest(&rest));
            peers.push((peer, rest));
        }
        if !settings.workloads.is_empty() {
            measure_all(settings, &driver, members, &peers, &mut report).await?;
        }
        for (peer, mut rest) in peers {
            rest.rss_after_all = Some(process::memory(&peer.pids()?)?.0);
            println!("{}", report::rest(&rest));
            report.rest.push(rest);
        }
        println!();
    }
    if let Some(path) = &settings.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

async fn measure_all(
    settings: &Settings,
    driver: &Driver,
    members: usize,
    peers: &[(Peer, Rest)],
    report: &mut Report,
) -> Result<()> {
    for (peer, _) in peers {
        workload::preload(peer).await?;
    }
    println!("\n{}", report::head());
    for &workload in &settings.workloads {
        // Fan-out has a fixed number of watchers and one writer.
        let fixed = [1];
        let fan_out = workload == workload::Workload::Watch;
        let clients = if fan_out {
            &fixed
        } else {
            settings.clients.as_slice()
        };
        for &clients in clients {
            let mut rows = Vec::new();
            for (peer, _) in peers {
                let measured = workload.run(driver, peer, clients, settings.window).await;
                let measured = measured
                    .with_context(|| format!("{} on {}", workload.name(), name(peer.kind)))?;
                let row = Row {
                    workload: workload.name(),
                    members,
                    clients,
                    peer: name(peer.kind),
                    measured,
                };
                println!("{}", report::line(&row));
                rows.push(row);
            }
            let of = |peer| rows.iter().find(|row| row.peer == peer);
            if let (Some(etcd), Some(skerry)) = (of("etcd"), of("skerry")) {
                println!("{}", report::ratio(etcd, skerry));
            }
            report.rows.extend(rows);
        }
    }
    Ok(())
}
