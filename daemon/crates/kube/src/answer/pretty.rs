//! Indents JSON that passes by, as Go's `json.Indent` with two spaces does.
//!
//! Knows nothing about where the JSON comes from. Invariant: bytes may be cut anywhere; what comes
//! out is the same.

/// The state between two pieces.
#[derive(Debug, Default)]
pub(crate) struct Indenter {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// An object or list was opened and nothing was in it yet.
    fresh: bool,
}

impl Indenter {
    pub(crate) fn indent(&mut self, compact: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(compact.len() * 3 / 2);
        for byte in compact {
            self.take(*byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.in_text {
            out.push(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        if matches!(byte, b'}' | b']') {
            self.depth = self.depth.saturating_sub(1);
            if !self.fresh {
                self.line(out);
            }
            self.fresh = false;
            out.push(byte);
            return;
        }
        if self.fresh {
            self.fresh = false;
            self.line(out);
        }
        out.push(byte);
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.fresh = true;
            }
            b',' => self.line(out),
            b':' => out.push(b' '),
            _ => {}
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_is_cut_the_result_is_that_of_the_whole() {
        let value = serde_json::json!({"a": {}, "b": [], "c": [1, {"d": "x\"{,\\"}], "e": null});
        let compact = value.to_string();
        let wanted = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x\\\"{,\\\\\"\n    }\n  ],\n  \"e\": null\n}";
        for cut in 0..compact.len() {
            let mut indenter = Indenter::default();
            let (one, other) = compact.as_bytes().split_at(cut);
            let mut out = indenter.indent(one);
            out.extend(indenter.indent(other));
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
