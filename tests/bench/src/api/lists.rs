//! Lists of everything: how fast, and what they leave and need in memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use http_body_util::BodyExt;

use super::client::{Call, Client};
use super::objects::{self, NAMESPACE, VALUE_BYTES, name};
use super::report::{MIB, Report};
use super::settings::Settings;
use super::target::Target;
use crate::driver::Driver;
use crate::process::{Counters, forget_peaks, memory};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf,application/json";

/// Each list is asked for this often; the first also pays for what is read into caches.
const ROUNDS: usize = 4;

/// How long the server settles before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(6);

/// Pods that are stored.
const PODS: usize = 10_000;

pub(crate) async fn run(
    settings: &Settings,
    driver: &Driver,
    target: &Target,
    report: &mut Report,
) -> Result<()> {
    let pids = target.pids()?;
    let mut there = 0;
    for &objects in &settings.objects {
        let start = Instant::now();
        target
            .fill(driver, there..objects, |number| {
                objects::create(NAMESPACE, &name(number), VALUE_BYTES)
            })
            .await?;
        let took = start.elapsed().as_secs_f64();
        if objects > there {
            let rate = (objects - there) as f64 / took;
            report.figure(&format!("list.{objects}.filled_per_s"), rate);
        }
        there = objects;
        tokio::time::sleep(SETTLE).await;
        report.figure(
            &format!("list.{objects}.rss_before_mib"),
            memory(&pids)?.0 as f64 / MIB,
        );
        list(
            target,
            report,
            &format!("list.{objects}.json"),
            "application/json",
        )
        .await?;
        list(
            target,
            report,
            &format!("list.{objects}.protobuf"),
            PROTOBUF,
        )
        .await?;
        report.figure(
            &format!("list.{objects}.rss_after_mib"),
            memory(&pids)?.0 as f64 / MIB,
        );
    }
    Ok(())
}

async fn list(
    target: &Target,
    report: &mut Report,
    name: &str,
    accept: &'static str,
) -> Result<()> {
    let (pids, own) = (target.pids()?, [std::process::id()]);
    let mut client = Client::connect(&target.address()).await?;
    for round in 1..=ROUNDS {
        let before = memory(&pids)?.0;
        forget_peaks(&pids)?;
        let (spent, own_spent) = (Counters::read(&pids)?, Counters::read(&own)?);
        let call = Call {
            accept,
            ..Call::get(objects::path(NAMESPACE, ""))
        };
        let start = Instant::now();
        let mut body = client.send(call).await?.into_body();
        let (mut first, mut length) = (None, 0);
        while let Some(frame) = body.frame().await {
            first.get_or_insert_with(|| start.elapsed());
            length += frame?.data_ref().map_or(0, bytes::Bytes::len);
        }
        let total = start.elapsed();
        let spent = Counters::read(&pids)? - spent;
        let own_spent = Counters::read(&own)? - own_spent;
        let grown = memory(&pids)?.1.saturating_sub(before) as f64 / MIB;
        report.figure(&format!("{name}.{round}.rss_growth_mib"), grown);
        if round != 1 && round != ROUNDS {
            continue;
        }
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        report.figure(
            &format!("{name}.{round}.first_byte_ms"),
            ms(first.unwrap_or_default()),
        );
        report.figure(&format!("{name}.{round}.total_ms"), ms(total));
        report.figure(
            &format!("{name}.{round}.server_cpu_ms"),
            spent.cpu_s * 1000.0,
        );
        report.figure(
            &format!("{name}.{round}.driver_cpu_ms"),
            own_spent.cpu_s * 1000.0,
        );
        report.figure(&format!("{name}.{round}.length_mib"), length as f64 / MIB);
    }
    Ok(())
}

/// Memory with many pods stored.
pub(crate) async fn pods(driver: &Driver, target: &Target, report: &mut Report) -> Result<()> {
    let start = Instant::now();
    target
        .fill(driver, 0..PODS, |number| {
            objects::pod(&format!("web-{number}"))
        })
        .await?;
    let rate = PODS as f64 / start.elapsed().as_secs_f64();
    report.figure("pods.10000.filled_per_s", rate);
    tokio::time::sleep(SETTLE).await;
    report.figure(
        "pods.10000.rss_mib",
        memory(&target.pids()?)?.0 as f64 / MIB,
    );
    Ok(())
}
