//! Prometheus's text format, version 0.0.4.

use std::fmt::Write;

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// It only grows.
    Counter,
    /// It grows and shrinks.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// The text so far.
#[derive(Default)]
pub struct Text(String);

/// Where the values of one metric go.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Text {
    /// All of it.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Adds a metric that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.labelled(name, Type::Counter, help).value(&[], value);
    }

    /// Adds a metric that grows and shrinks.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.labelled(name, Type::Gauge, help).value(&[], value);
    }

    /// Adds a metric that is not a whole number.
    pub fn seconds(&mut self, name: &str, kind: Type, help: &str, value: f64) {
        self.labelled(name, kind, help)
            .line(&[], format_args!("{value}"));
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on with a metric that was started in a text before this one.
    pub fn more<'a>(&'a mut self, name: &'a str) -> Family<'a> {
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// Starts a metric whose values carry labels.
    pub fn labelled<'a>(&'a mut self, name: &'a str, kind: Type, help: &str) -> Family<'a> {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family {
            text: &mut self.0,
            name,
        }
    }
}

impl Family<'_> {
    /// Adds one value.
    pub fn value(&mut self, labels: &[(&str, &str)], value: u64) {
        self.line(labels, format_args!("{value}"));
    }

    /// Adds one value that is not a whole number.
    pub fn number(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line(labels, format_args!("{value}"));
    }

    /// Adds one value that may be less than nothing.
    pub fn signed(&mut self, labels: &[(&str, &str)], value: i64) {
        self.line(labels, format_args!("{value}"));
    }

    /// Adds a histogram: how many values were at most as large as each bound, then how many there
    /// were, and their sum.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        up_to: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        let name = self.name;
        let mut bucket = |bound: &str, reached: u64| {
            let mut all = labels.to_vec();
            all.push(("le", bound));
            self.named(name, "_bucket", &all, format_args!("{reached}"));
        };
        for (bound, reached) in up_to {
            bucket(&bound.to_string(), reached);
        }
        bucket("+Inf", count);
        self.named(name, "_sum", labels, format_args!("{sum}"));
        self.named(name, "_count", labels, format_args!("{count}"));
    }

    fn line(&mut self, labels: &[(&str, &str)], value: std::fmt::Arguments<'_>) {
        self.named(self.name, "", labels, value);
    }

    fn named(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[(&str, &str)],
        value: std::fmt::Arguments<'_>,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        for (position, (label, value)) in labels.iter().enumerate() {
            self.text.push(if position == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_labels_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.counter("a_total", "Counts a.", 3);
        text.labelled("b", Type::Gauge, "Is b.")
            .value(&[("one", "x"), ("two", "quote \" backslash \\ line \n")], 7);
        text.seconds("c_seconds", Type::Gauge, "Seconds of c.", 1.5);
        let up_to = [(0.5, 1), (1.0, 2)].into_iter();
        text.labelled("d", Type::Histogram, "Sizes of d.")
            .histogram(&[("one", "x")], up_to, 3, 7.25);
        assert_eq!(
            text.into_string(),
            "# HELP a_total Counts a.\n# TYPE a_total counter\na_total 3\n\
             # HELP b Is b.\n# TYPE b gauge\n\
             b{one=\"x\",two=\"quote \\\" backslash \\\\ line \\n\"} 7\n\
             # HELP c_seconds Seconds of c.\n# TYPE c_seconds gauge\nc_seconds 1.5\n\
             # HELP d Sizes of d.\n# TYPE d histogram\n\
             d_bucket{one=\"x\",le=\"0.5\"} 1\nd_bucket{one=\"x\",le=\"1\"} 2\n\
             d_bucket{one=\"x\",le=\"+Inf\"} 3\nd_sum{one=\"x\"} 7.25\nd_count{one=\"x\"} 3\n"
        );
    }
}
