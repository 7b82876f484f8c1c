//! Field names that the language cannot write, escaped: `__dot__`, `__dash__`, `__namespace__`.
//!
//! Knows nothing about schemas. Invariant: `unescape(escape(name)) == name` for every name that
//! can be escaped.

/// Words of the language that cannot be names of fields.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Parts of names and what stands for them.
const PARTS: &[(&str, &str)] = &[
    ("__", "__underscores__"),
    (".", "__dot__"),
    ("-", "__dash__"),
    ("/", "__slash__"),
];

/// The name as expressions write it; `None` for a name that cannot be written at all (one that
/// has other characters than letters, digits, `_`, `.`, `-` and `/`, or begins with a digit).
#[must_use]
pub fn escape(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let first = name.bytes().next()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    if first.is_ascii_digit() || !name.bytes().all(allowed) {
        return None;
    }
    let mut escaped = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(next) = rest.chars().next() {
        if let Some((part, sign)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            escaped.push_str(sign);
            rest = &rest[part.len()..];
        } else {
            escaped.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Some(escaped)
}

/// The name in the JSON; `None` for one that [`escape`] does not make.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    if !name.contains("__") {
        return Some(name.to_owned());
    }
    if let Some(word) = name
        .strip_prefix("__")
        .and_then(|rest| rest.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        return Some(word.to_owned());
    }
    let mut unescaped = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(next) = rest.chars().next() {
        if let Some((part, sign)) = PARTS.iter().find(|(_, sign)| rest.starts_with(sign)) {
            unescaped.push_str(part);
            rest = &rest[sign.len()..];
        } else if rest.starts_with("__") {
            return None;
        } else {
            unescaped.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_their_escapes() {
        for (name, escaped) in [
            ("plain", "plain"),
            ("a.b", "a__dot__b"),
            ("x-kubernetes-y", "x__dash__kubernetes__dash__y"),
            ("a/b", "a__slash__b"),
            ("_a__b_", "_a__underscores__b_"),
            ("namespace", "__namespace__"),
            ("int", "int"),
        ] {
            assert_eq!(escape(name).as_deref(), Some(escaped));
            assert_eq!(unescape(escaped).as_deref(), Some(name));
        }
        for name in ["", "1a", "a b", "ä", "$ref"] {
            assert_eq!(escape(name), None, "{name}");
        }
        assert_eq!(unescape("a__b"), None);
    }
}
