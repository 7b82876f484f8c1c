//! Prometheus's text format, version 0.0.4.

use std::fmt::Write;

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Counter,
    Gauge,
}

/// The text so far.
#[derive(Default)]
pub(super) struct Text(String);

/// Where the values of one metric go.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Text {
    pub(super) fn into_string(self) -> String {
        self.0
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.labelled(name, Type::Counter, help).value(&[], value);
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.labelled(name, Type::Gauge, help).value(&[], value);
    }

    pub(super) fn seconds(&mut self, name: &str, kind: Type, help: &str, value: f64) {
        self.labelled(name, kind, help)
            .line(&[], format_args!("{value}"));
    }

    /// Starts a metric whose values carry labels.
    pub(super) fn labelled<'a>(&'a mut self, name: &'a str, kind: Type, help: &str) -> Family<'a> {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
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
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: u64) {
        self.line(labels, format_args!("{value}"));
    }

    fn line(&mut self, labels: &[(&str, &str)], value: std::fmt::Arguments<'_>) {
        self.text.push_str(self.name);
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
        assert_eq!(
            text.into_string(),
            "# HELP a_total Counts a.\n# TYPE a_total counter\na_total 3\n\
             # HELP b Is b.\n# TYPE b gauge\n\
             b{one=\"x\",two=\"quote \\\" backslash \\\\ line \\n\"} 7\n\
             # HELP c_seconds Seconds of c.\n# TYPE c_seconds gauge\nc_seconds 1.5\n"
        );
    }
}
