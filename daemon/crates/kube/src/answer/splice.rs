//! A stored object as clients see it, from its text and without a value in between.
//!
//! Knows only how the engine writes what it stores: compact JSON. Invariant: where it writes
//! anything, that is what the value's way would have written; where the text is not as expected,
//! it writes nothing.

use memchr::memchr2;

/// Appends the text of a stored object of this version with its revision, as it is in a list
/// (which says itself what its items are) or elsewhere. False where that takes a value.
pub(crate) fn splice(
    stored: &[u8],
    api_version: &str,
    revision: i64,
    in_list: bool,
    out: &mut Vec<u8>,
) -> bool {
    let before = out.len();
    let done = try_splice(stored, api_version, revision, in_list, out).is_some();
    if !done {
        out.truncate(before);
    }
    done
}

fn try_splice(
    stored: &[u8],
    api_version: &str,
    revision: i64,
    in_list: bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    out.reserve(stored.len() + 48);
    out.push(b'{');
    let mut is_first = true;
    let (mut has_version, mut has_metadata) = (false, false);
    let mut members = Members::of(stored)?;
    while let Some(member) = members.next()? {
        match member.key {
            b"apiVersion" => {
                let text = member.value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
                // Another version is shown through the value.
                (text == api_version.as_bytes()).then_some(())?;
                has_version = true;
            }
            b"metadata" => has_metadata = true,
            _ => {}
        }
        if in_list && matches!(member.key, b"apiVersion" | b"kind") {
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        if member.key == b"metadata" {
            out.extend_from_slice(b"\"metadata\":");
            with_revision(member.value, revision, out)?;
        } else {
            out.extend_from_slice(member.whole);
        }
    }
    out.push(b'}');
    (members.rest.is_empty() && has_version && has_metadata).then_some(())
}

/// Metadata with the revision in its place: the names of fields are in order.
fn with_revision(metadata: &[u8], revision: i64, out: &mut Vec<u8>) -> Option<()> {
    let mut members = Members::of(metadata)?;
    let mut place = None;
    let mut is_empty = true;
    while let Some(member) = members.next()? {
        is_empty = false;
        match member.key.cmp(b"resourceVersion") {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => {
                place = place.or(Some(member.start));
            }
        }
    }
    members.rest.is_empty().then_some(())?;
    let field = format!("\"resourceVersion\":\"{revision}\"");
    match place {
        Some(place) => {
            out.extend_from_slice(&metadata[..place]);
            out.extend_from_slice(field.as_bytes());
            out.push(b',');
            out.extend_from_slice(&metadata[place..]);
        }
        None => {
            out.extend_from_slice(&metadata[..metadata.len() - 1]);
            if !is_empty {
                out.push(b',');
            }
            out.extend_from_slice(field.as_bytes());
            out.push(b'}');
        }
    }
    Some(())
}

/// The members of an object, one after the other.
struct Members<'t> {
    text: &'t [u8],
    rest: &'t [u8],
    is_first: bool,
}

struct Member<'t> {
    key: &'t [u8],
    value: &'t [u8],
    /// Key and value.
    whole: &'t [u8],
    /// Where it begins in the object's text.
    start: usize,
}

impl<'t> Members<'t> {
    fn of(text: &'t [u8]) -> Option<Members<'t>> {
        let rest = text.strip_prefix(b"{")?;
        Some(Members {
            text,
            rest,
            is_first: true,
        })
    }

    /// Nothing: the text is not as expected. Nothing in it: it was the last.
    #[allow(clippy::option_option)]
    fn next(&mut self) -> Option<Option<Member<'t>>> {
        if let Some(rest) = self.rest.strip_prefix(b"}") {
            self.rest = rest;
            return Some(None);
        }
        if !std::mem::take(&mut self.is_first) {
            self.rest = self.rest.strip_prefix(b",")?;
        }
        let member = self.rest;
        let key_end = text_end(member)?;
        let key = &member[1..key_end - 1];
        // Escaped names sort in another way than their texts.
        if key.contains(&b'\\') {
            return None;
        }
        let value = member[key_end..].strip_prefix(b":")?;
        let value_end = value_end(value)?;
        let whole = &member[..key_end + 1 + value_end];
        self.rest = &member[whole.len()..];
        Some(Some(Member {
            key,
            value: &value[..value_end],
            whole,
            start: self.text.len() - member.len(),
        }))
    }
}

/// Where the text in quotes ends that this begins with.
fn text_end(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Where the value ends that this begins with.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match *text.get(at)? {
            b'"' => at += text_end(&text[at..])?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' if depth > 0 => {
                at += 1;
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'+' | b'.' => {
                at += 1;
                if matches!(text.get(at)?, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'+' | b'.')
                {
                    continue;
                }
            }
            // What the engine writes has no white space.
            _ => return None,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spliced(stored: &str, in_list: bool) -> Option<String> {
        let mut out = b"x".to_vec();
        let done = splice(stored.as_bytes(), "v1", 7, in_list, &mut out);
        assert!(done || out == b"x");
        done.then(|| String::from_utf8(out[1..].to_vec()).unwrap())
    }

    /// What the value's way writes.
    fn written(stored: &Value, in_list: bool) -> String {
        let mut object = stored.clone();
        object["metadata"]["resourceVersion"] = "7".into();
        if in_list {
            object.as_object_mut().unwrap().remove("apiVersion");
            object.as_object_mut().unwrap().remove("kind");
        }
        object.to_string()
    }

    #[test]
    fn what_is_spliced_is_what_a_value_would_have_been_written_as() {
        let metadata = [
            json!({}),
            json!({"name": "a"}),
            json!({"uid": "u"}),
            json!({"name": "a\"\\", "uid": "u", "labels": {"resourceVersion": "}"}}),
            json!({"annotations": {"k\n": "{\"a\":[1,\"\\\\\"]}"}, "ownerReferences": [{"a": []}], "z": null}),
        ];
        let others = [
            json!({}),
            json!({"data": {"a": "]}\\", "b": ""}}),
            json!({"a": true, "spec": {"n": -1.5e-7, "list": [1, [], {}, "x", null, false]}, "z": 0}),
            json!({"metadat": 1, "metadatb": {"name": "ä\u{1}"}}),
        ];
        for metadata in &metadata {
            for other in &others {
                let mut stored = json!({"apiVersion": "v1", "kind": "X", "metadata": metadata});
                let fields = stored.as_object_mut().unwrap();
                fields.extend(other.as_object().unwrap().clone());
                for in_list in [false, true] {
                    assert_eq!(
                        spliced(&stored.to_string(), in_list),
                        Some(written(&stored, in_list))
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_as_it_is_stored_is_left_to_the_value() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"apiVersion":"v2","metadata":{}}"#,
            r#"{"apiVersion":"v1"}"#,
            r#"{"metadata":{}}"#,
            r#"{"apiVersion":"v1","metadata":{"resourceVersion":"1"}}"#,
            r#"{"apiVersion":"v1","metadata":[]}"#,
            r#"{"apiVersion":"v1", "metadata":{}}"#,
            r#"{"apiVersion":"v1","metadata":{}} "#,
            r#"{"apiVersion":"v1","metadata":{}"#,
            r#"{"apiVersion":"v1","metadata":{"a":"\"}}"#,
            r#"{"apiVersion":"v1","metadata":{"\u0061":1}}"#,
            r#"{"apiVersion":"v1","metadata":{},"#,
            r#"{"apiVersion":"v1","metadata":{},"a":}"#,
        ] {
            assert_eq!(spliced(text, false), None, "{text}");
        }
    }

    #[test]
    fn no_text_cut_anywhere_makes_it_write_or_panic() {
        let whole =
            r#"{"apiVersion":"v1","kind":"X","metadata":{"a":"\\\"","uid":[1,{"b":null}]}}"#;
        assert!(spliced(whole, true).is_some());
        for end in 0..whole.len() {
            assert_eq!(spliced(&whole[..end], true), None);
        }
    }
}
