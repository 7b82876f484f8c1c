//! Upstream's protobuf form of built-in objects into a value: what typed clients send.
//!
//! Guided by `tables/protobuf.txt`, which is searched where it lies in the binary: nothing is kept
//! in memory. Fields that the table does not have are passed over, as protobuf wants it. Invariant:
//! whatever the bytes, the answer is a value no deeper than the limit, or an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::Decoded;
use crate::limits::DEPTH_MAX;
use crate::time;

static TABLE: &str = include_str!("../../tables/protobuf.txt");

/// What every body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body is not what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtobufError {
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Magic,
    #[error("unexpected EOF")]
    End,
    #[error("proto: illegal wireType {0}")]
    WireType(u64),
    #[error("proto: a text is not UTF-8")]
    Text,
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    Unknown { api_version: String, kind: String },
    #[error("exceeded max depth")]
    Depth,
    #[error("raw JSON: {0}")]
    Raw(String),
}

/// Decodes a body.
pub(super) fn parse(body: &[u8]) -> Result<Decoded, ProtobufError> {
    let body = body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in fields(body) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in fields(meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = text_of(text)?,
                        (2, Wire::Bytes(text)) => kind = text_of(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let unknown = || ProtobufError::Unknown {
        api_version: api_version.clone(),
        kind: kind.clone(),
    };
    let message = message_of(&api_version, &kind).ok_or_else(unknown)?;
    let mut object = message_value(message, raw, 0)?;
    object.insert("apiVersion".into(), api_version.clone().into());
    object.insert("kind".into(), kind.clone().into());
    Ok(Decoded {
        value: Value::Object(object),
        duplicates: Vec::new(),
    })
}

/// The line of the table for a kind.
fn message_of(api_version: &str, kind: &str) -> Option<&'static str> {
    if kind == "DeleteOptions" {
        return line("meta.v1.DeleteOptions");
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    // `rbac.authorization.k8s.io` lies in `rbac`.
    let package = group.split('.').next()?;
    line(&format!("api.{package}.{version}.{kind}"))
}

/// The fields of a message, as the table writes them.
fn line(name: &str) -> Option<&'static str> {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    // A message without fields has a line of its name alone.
    lines.find_map(|line| match line.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix(' '),
    })
}

enum Wire<'b> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'b [u8]),
}

/// The fields of an encoded message, in their order.
fn fields(
    mut bytes: &[u8],
) -> impl Iterator<Item = Result<(u64, Wire<'_>), ProtobufError>> + use<'_> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = next_field(&mut bytes);
        if field.is_err() {
            bytes = &[];
        }
        Some(field)
    })
}

fn next_field<'b>(bytes: &mut &'b [u8]) -> Result<(u64, Wire<'b>), ProtobufError> {
    let tag = varint(bytes)?;
    let wire = match tag & 7 {
        0 => Wire::Varint(varint(bytes)?),
        1 => {
            let fixed = take(bytes, 8)?;
            Wire::Fixed(
                fixed
                    .iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u64::from(*byte)),
            )
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| ProtobufError::End)?;
            Wire::Bytes(take(bytes, length)?)
        }
        5 => {
            let fixed = take(bytes, 4)?;
            Wire::Fixed(
                fixed
                    .iter()
                    .rev()
                    .fold(0, |all, byte| all << 8 | u64::from(*byte)),
            )
        }
        other => return Err(ProtobufError::WireType(other)),
    };
    Ok((tag >> 3, wire))
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], ProtobufError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(ProtobufError::End)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(ProtobufError::End)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ProtobufError::End)
}

fn text_of(bytes: &[u8]) -> Result<String, ProtobufError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ProtobufError::Text)
}

/// One field of the table.
struct Column {
    name: &'static str,
    of: &'static str,
    omit_empty: bool,
    inline: bool,
}

fn column(message: &'static str, number: u64) -> Option<Column> {
    message.split(' ').find_map(|entry| {
        let mut parts = entry.splitn(3, ':');
        if parts.next()?.parse::<u64>().ok()? != number {
            return None;
        }
        let (name, of) = (parts.next()?, parts.next()?);
        let bare = of.trim_end_matches(['?', '^']);
        Some(Column {
            name,
            of: bare,
            omit_empty: of.ends_with('?'),
            inline: of.ends_with('^'),
        })
    })
}

fn message_value(
    message: &'static str,
    bytes: &[u8],
    depth: usize,
) -> Result<Map<String, Value>, ProtobufError> {
    if depth >= DEPTH_MAX {
        return Err(ProtobufError::Depth);
    }
    let mut object = Map::new();
    for field in fields(bytes) {
        let (number, wire) = field?;
        let Some(column) = column(message, number) else {
            continue;
        };
        if let Some(element) = column.of.strip_prefix('[') {
            let list = object
                .entry(column.name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                repeated(element, wire, depth, list)?;
            }
        } else if let Some(element) = column.of.strip_prefix('{') {
            let Wire::Bytes(entry) = wire else { continue };
            let (key, value) = map_entry(element, entry, depth)?;
            let map = object
                .entry(column.name)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(key, value);
            }
        } else {
            let value = single(column.of, wire, depth)?;
            match value {
                Value::Object(inner) if column.inline => object.extend(inner),
                value if column.omit_empty && is_empty(&value) => {}
                value => _ = object.insert(column.name.into(), value),
            }
        }
    }
    Ok(object)
}

/// Numbers may stand in one packed field, or each in its own.
fn repeated(
    element: &'static str,
    wire: Wire<'_>,
    depth: usize,
    list: &mut Vec<Value>,
) -> Result<(), ProtobufError> {
    match (element, wire) {
        ("i" | "t", Wire::Bytes(mut packed)) => {
            while !packed.is_empty() {
                let number = Wire::Varint(varint(&mut packed)?);
                list.push(single(element, number, depth)?);
            }
        }
        (_, wire) => list.push(single(element, wire, depth)?),
    }
    Ok(())
}

fn map_entry(
    element: &'static str,
    entry: &[u8],
    depth: usize,
) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut value) = (String::new(), None);
    for field in fields(entry) {
        match field? {
            (1, Wire::Bytes(text)) => key = text_of(text)?,
            (2, wire) => value = Some(single(element, wire, depth + 1)?),
            _ => {}
        }
    }
    let value = match value {
        Some(value) => value,
        None => single(element, Wire::Bytes(&[]), depth + 1)?,
    };
    Ok((key, value))
}

fn single(of: &'static str, wire: Wire<'_>, depth: usize) -> Result<Value, ProtobufError> {
    let bytes = match &wire {
        Wire::Bytes(bytes) => bytes,
        _ => &[][..],
    };
    let number = match &wire {
        Wire::Varint(number) | Wire::Fixed(number) => *number,
        Wire::Bytes(_) => 0,
    };
    Ok(match of.split_at(1) {
        ("s", _) => text_of(bytes)?.into(),
        ("b", _) => STANDARD.encode(bytes).into(),
        ("t", _) => (number != 0).into(),
        // Negative numbers are their two's complement.
        ("i", _) => (number as i64).into(),
        ("d", _) => Number::from_f64(f64::from_bits(number)).map_or(Value::Null, Value::Number),
        ("f", _) => Number::from_f64(f64::from(f32::from_bits(number as u32)))
            .map_or(Value::Null, Value::Number),
        ("T", _) => instant(bytes, false)?,
        ("U", _) => instant(bytes, true)?,
        ("D", _) => duration(bytes)?,
        ("Q", _) => first_text(bytes)?,
        ("O", _) => int_or_text(bytes)?,
        ("R", _) => raw(bytes, depth)?,
        ("W", element) => {
            // The elements are the first field of a message of their own.
            let element = of.get(of.len() - element.len()..).unwrap_or_default();
            let mut list = Vec::new();
            for field in fields(bytes) {
                if let (1, wire) = field? {
                    list.push(single(element, wire, depth + 1)?);
                }
            }
            Value::Array(list)
        }
        ("M", name) => {
            let message = line(name).unwrap_or_default();
            Value::Object(message_value(message, bytes, depth + 1)?)
        }
        _ => Value::Null,
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Seconds and nanoseconds; nothing at all is no time.
fn instant(bytes: &[u8], with_micros: bool) -> Result<Value, ProtobufError> {
    let (mut seconds, mut nanos) = (None, 0);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Varint(number)) => seconds = Some(number as i64),
            (2, Wire::Varint(number)) => nanos = number as i32,
            _ => {}
        }
    }
    // The zero time of Go lies before 1970, and stands for none.
    let Some(seconds) = seconds.and_then(|seconds| u64::try_from(seconds).ok()) else {
        return Ok(Value::Null);
    };
    let nanos = u32::try_from(nanos).unwrap_or(0).min(999_999_999);
    let since = std::time::Duration::new(seconds.min(time::SECONDS_MAX), nanos);
    Ok(match with_micros {
        true => time::rfc3339_micro(since).into(),
        false => time::rfc3339(since).into(),
    })
}

/// As Go prints a duration of whole seconds.
fn duration(bytes: &[u8]) -> Result<Value, ProtobufError> {
    for field in fields(bytes) {
        if let (1, Wire::Varint(nanos)) = field? {
            let seconds = nanos as i64 / 1_000_000_000;
            return Ok(format!("{seconds}s").into());
        }
    }
    Ok("0s".into())
}

fn first_text(bytes: &[u8]) -> Result<Value, ProtobufError> {
    for field in fields(bytes) {
        if let (1, Wire::Bytes(text)) = field? {
            return Ok(text_of(text)?.into());
        }
    }
    Ok("0".into())
}

fn int_or_text(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    for field in fields(bytes) {
        match field? {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value as i64,
            (3, Wire::Bytes(value)) => text = text_of(value)?,
            _ => {}
        }
    }
    Ok(match is_text {
        true => text.into(),
        false => number.into(),
    })
}

fn raw(bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    for field in fields(bytes) {
        if let (1, Wire::Bytes(json)) = field? {
            if depth + 50 > DEPTH_MAX {
                return Err(ProtobufError::Depth);
            }
            let parsed = super::json::parse(json);
            let parsed = parsed.map_err(|error| ProtobufError::Raw(error.to_string()))?;
            return Ok(parsed.value);
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, content.len() as u8];
        bytes.extend_from_slice(content);
        bytes
    }

    fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    #[test]
    fn a_config_map_is_read_and_what_is_empty_is_left_out() {
        let metadata = [field(1, b"a"), field(2, b""), field(8, b"")].concat();
        let data = [field(1, b"x"), field(2, b"y")].concat();
        let raw = [field(1, &metadata), field(2, &data)].concat();
        let found = parse(&body("v1", "ConfigMap", &raw)).unwrap().value;
        let wanted =
            r#"{"apiVersion":"v1","data":{"x":"y"},"kind":"ConfigMap","metadata":{"name":"a"}}"#;
        assert_eq!(found.to_string(), wanted);
    }

    #[test]
    fn fields_of_embedded_types_stand_in_the_object_and_zero_counts_where_it_was_said() {
        let get = field(2, &[field(1, b"/ok")].concat());
        let probe = [field(1, &get), vec![2 << 3, 5]].concat();
        let container = [field(1, b"c"), field(10, &probe)].concat();
        let spec = field(2, &container);
        let template = field(2, &spec);
        let deployment = [vec![1 << 3, 0], field(3, &template)].concat();
        let raw = field(2, &deployment);
        let found = parse(&body("apps/v1", "Deployment", &raw)).unwrap().value;
        assert_eq!(found["spec"]["replicas"], 0);
        let probe = &found["spec"]["template"]["spec"]["containers"][0]["livenessProbe"];
        assert_eq!(
            probe.to_string(),
            r#"{"httpGet":{"path":"/ok"},"initialDelaySeconds":5}"#
        );
    }

    #[test]
    fn every_message_that_is_named_has_a_line() {
        for line_text in TABLE.lines().filter(|line| !line.starts_with('#')) {
            for entry in line_text.split(' ').skip(1) {
                let of = entry.rsplit(':').next().unwrap();
                let of = of
                    .trim_end_matches(['?', '^'])
                    .trim_start_matches(['[', '{', 'W']);
                if let Some(name) = of.strip_prefix('M') {
                    assert!(line(name).is_some(), "{name} in {line_text}");
                }
            }
        }
    }

    #[test]
    fn whatever_the_bytes_there_is_an_answer() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        println!("seed {state:x}");
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2_000 {
            let length = random() % 60;
            let raw: Vec<u8> = (0..length).map(|_| (random() % 40) as u8).collect();
            let _ = parse(&body("v1", "Pod", &raw));
            let _ = parse(&raw);
        }
        assert_eq!(parse(b"nope").unwrap_err(), ProtobufError::Magic);
    }
}
