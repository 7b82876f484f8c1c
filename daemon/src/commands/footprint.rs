//! `skerry footprint`: where this node's server has its memory, and what it has written to the disk.
//!
//! Everything shown is what the server says of itself; the command reckons nothing but units.

use std::fmt::Write as _;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use skerry_metrics::wear::Written;

use super::print;
use crate::admin::{Client, Routes};
use crate::config::Settings;
use crate::flash::Flash;
use crate::server::cache_bytes;

const USAGE: &str = "\
usage:
  skerry footprint [flags]   where this node's server has its memory, and what it has written

The flags are those of `skerry server`; --data-dir and --node-ip say which server is asked.
";

/// Below the administrators' routes.
pub(crate) const ROUTE: &str = "footprint";

/// Lines of `/proc/self/status`, as they are called here.
const MEMORY: [(&str, &str); 4] = [
    ("VmRSS:", "resident"),
    ("VmHWM:", "resident at most"),
    ("RssAnon:", "resident, of its own"),
    ("RssFile:", "resident, of files (the binary)"),
];

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let settings = Settings::load(words, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let client = Client::of(&settings)?;
        client.get(&format!("/v1-skerry/admin/{ROUTE}")).await
    })?;
    print(&table(&answer))
}

/// The server's side. `ring` says how many bytes of events are held for watchers.
pub(crate) fn routes(
    routes: Routes,
    settings: &Settings,
    flash: &Flash,
    ring: impl Fn() -> usize + Send + Sync + 'static,
) -> Routes {
    let (budget, cache) = (settings.memory_budget, cache_bytes(settings));
    let flash = flash.clone();
    routes.at(Method::GET, ROUTE, move |_| {
        let mut memory = vec![
            json!(["budget (--memory-budget)", budget]),
            json!(["pages of the state, at most", cache]),
            json!(["events for watchers", ring()]),
            json!(["allocated", crate::memory::allocated()]),
            json!(["refusing at", skerry_listen::pressure::limit()]),
        ];
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        memory.extend(MEMORY.iter().filter_map(|(line, name)| {
            let rest = status.lines().find_map(|found| found.strip_prefix(line))?;
            let kibibytes: u64 = rest.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(json!([name, kibibytes << 10]))
        }));
        let written = Written::now();
        let mut disk: Vec<Value> = written.parts.iter().map(|part| json!(part)).collect();
        disk.push(json!(["other", written.other_bytes()]));
        let wear = flash.wear();
        let answer = json!({
            "memory": memory,
            "disk": disk,
            "process": written.bytes(),
            "life": wear.written,
            "bytesPerDay": wear.bytes_per_day,
            "daysLeft": wear.days_left,
        });
        async move { Ok(answer) }
    })
}

/// What is to be said of the flash, and whether it is well.
pub(super) fn about_flash(answer: &Value) -> Option<(bool, String)> {
    /// Who is told within a year can still order another card.
    const DAYS_MIN: f64 = 365.0;
    let days = answer["daysLeft"].as_f64()?;
    let per_day = match answer["bytesPerDay"].as_f64() {
        Some(rate) => format!("{:.1} MB", rate / 1e6),
        None => "an unknown number of MB".to_owned(),
    };
    let says = format!(
        "{days:.0} days are left of it: {:.1} GB were written, and {per_day} a day are",
        answer["life"].as_f64().unwrap_or_default() / 1e9,
    );
    Some((days >= DAYS_MIN, says))
}

fn table(answer: &Value) -> String {
    let rows = |part: &str| answer[part].as_array().cloned().unwrap_or_default();
    let bytes = |value: &Value| value.as_f64().unwrap_or_default();
    let mut out = String::from("MEMORY\n");
    for row in rows("memory") {
        let name = row[0].as_str().unwrap_or_default();
        let _ = writeln!(out, "  {name:<34}{:>9.1} MiB", bytes(&row[1]) / 1_048_576.0);
    }
    out.push_str("WRITTEN since the start\n");
    for row in rows("disk") {
        let name = row[0].as_str().unwrap_or_default();
        let _ = write!(out, "  {name:<34}{:>9.1} kB", bytes(&row[1]) / 1e3);
        match row[2].as_u64() {
            Some(syncs) => _ = writeln!(out, "  {syncs} syncs"),
            None => out.push('\n'),
        }
    }
    let all = bytes(&answer["process"]) / 1e3;
    let _ = writeln!(out, "  {:<34}{all:>9.1} kB", "all, as the kernel counts it");
    let life = bytes(&answer["life"]) / 1e6;
    let _ = writeln!(out, "  {:<34}{life:>9.1} MB", "in this server's life");
    if let Some((_, says)) = about_flash(answer) {
        let _ = writeln!(out, "FLASH\n  {says}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_unit_and_a_worn_card_is_bad() {
        let mut answer = json!({
            "memory": [["resident", 20 << 20]],
            "disk": [["log", 4096, 8], ["other", 512]],
            "process": 4608, "life": 9_000_000, "bytesPerDay": 1e6, "daysLeft": 400.0,
        });
        let told = table(&answer);
        for words in ["resident ", " 20.0 MiB", "4.1 kB  8 syncs", "400 days"] {
            assert!(told.contains(words), "{words} in {told}");
        }
        assert!(about_flash(&answer).is_some_and(|(is_well, _)| is_well));
        answer["daysLeft"] = json!(364.0);
        assert!(about_flash(&answer).is_some_and(|(is_well, _)| !is_well));
        answer["daysLeft"] = Value::Null;
        assert_eq!(about_flash(&answer), None);
    }
}
