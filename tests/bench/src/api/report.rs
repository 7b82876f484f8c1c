//! What comes out of the API's part: rows and single figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::meter::Measured;

/// One verb at one number of clients.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) verb: &'static str,
    pub(crate) clients: usize,
    /// Durable writes of the log for one operation.
    pub(crate) syncs_per_operation: f64,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) about: String,
    pub(crate) rows: Vec<Row>,
    /// By name, which ends with the unit.
    pub(crate) figures: BTreeMap<String, f64>,
}

impl Report {
    pub(crate) fn row(&mut self, row: Row) {
        println!("{}", line(&row));
        self.rows.push(row);
    }

    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        println!("{name:<44} {value:>12.2}");
        self.figures.insert(name.to_owned(), value);
    }
}

pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// The head of the table.
pub(crate) fn head() -> String {
    format!(
        "{:<10} {:>4} {:>9} {:>9} {:>9} {:>9} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "verb",
        "cli",
        "ops/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU ms/op",
        "drv ms/op",
        "sync/op",
        "B wr/op",
        "RSS MiB"
    )
}

fn line(row: &Row) -> String {
    let m = &row.measured;
    let ms = |us: u32| f64::from(us) / 1000.0;
    let mut text = format!(
        "{:<10} {:>4} {:>9.0} {:>9.2} {:>9.2} {:>9.2} {:>10.3} {:>10.3} {:>8.3} {:>8.0} {:>8.1}",
        row.verb,
        row.clients,
        m.operations_per_s,
        ms(m.p50_us),
        ms(m.p99_us),
        ms(m.max_us),
        m.cpu_s_per_1000,
        m.driver_cpu_s_per_1000,
        row.syncs_per_operation,
        m.written_per_operation,
        m.peak_rss as f64 / MIB,
    );
    if let Some(failure) = &m.first_failure {
        text += &format!("  {} FAILED: {failure}", m.failures);
    }
    text
}
