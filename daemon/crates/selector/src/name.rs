//! What a label key, a label value and a DNS subdomain may look like, and
//! what is said of one that does not. Each function returns the complaints,
//! none when the text is good.

/// Bytes in the name part of a label key, and in a label value.
pub const LABEL_BYTES_MAX: usize = 63;
/// Bytes in a DNS subdomain.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;

const EMPTY: &str = "must be non-empty";
const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and \
                   end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
                   '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?\
                   [A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
                     characters, '-', '_' or '.', and must start and end with an alphanumeric \
                     character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
                     validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                         characters, '-' or '.', and must start and end with an alphanumeric \
                         character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

/// Complaints about a label key: `[DNS subdomain "/"] name`.
#[must_use]
pub fn label_key(key: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut parts = key.split('/');
    let first = parts.next().unwrap_or_default();
    let name = match (parts.next(), parts.next()) {
        (None, _) => first,
        (Some(name), None) => {
            if first.is_empty() {
                complaints.push(format!("prefix part {EMPTY}"));
            } else {
                complaints.extend(
                    dns_subdomain(first)
                        .iter()
                        .map(|text| format!("prefix part {text}")),
                );
            }
            name
        }
        (Some(_), Some(_)) => {
            return vec![format!(
                "a valid label key {KEY} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        complaints.push(format!("name part {EMPTY}"));
    } else if name.len() > LABEL_BYTES_MAX {
        complaints.push(format!("name part {}", too_long(LABEL_BYTES_MAX)));
    }
    if !is_label(name) {
        complaints.push(format!("name part {KEY}"));
    }
    complaints
}

/// Complaints about a label value; the empty one is good.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        complaints.push(too_long(LABEL_BYTES_MAX));
    }
    if !value.is_empty() && !is_label(value) {
        complaints.push(VALUE.to_owned());
    }
    complaints
}

/// Complaints about a lowercase RFC 1123 subdomain.
#[must_use]
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        complaints.push(too_long(SUBDOMAIN_BYTES_MAX));
    }
    let lower = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = text.split('.').all(|part| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(lower)
            && bytes.last().is_some_and(lower)
            && bytes.iter().all(|b| lower(b) || *b == b'-')
    });
    if !good {
        complaints.push(SUBDOMAIN.to_owned());
    }
    complaints
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_have_no_complaints() {
        for key in ["a", "A-b_c.9", "example.com/MyName", &"x".repeat(63)] {
            assert_eq!(label_key(key), Vec::<String>::new(), "{key}");
        }
        for value in ["", "a", "12345", "my_value"] {
            assert_eq!(label_value(value), Vec::<String>::new(), "{value}");
        }
    }

    #[test]
    fn bad_names_are_refused_in_upstreams_words() {
        assert_eq!(
            label_key("a%"),
            [
                "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
              and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
              '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            ]
        );
        assert_eq!(label_key("/a"), ["prefix part must be non-empty"]);
        assert_eq!(label_key("").len(), 2);
        assert_eq!(label_key("a/b/c").len(), 1);
        assert!(label_key("Ex.com/a")[0].starts_with("prefix part a lowercase RFC 1123"));
        assert_eq!(
            label_key(&"x".repeat(64)),
            ["name part must be no more than 63 bytes"]
        );
        assert_eq!(
            label_value(&"x".repeat(64)),
            ["must be no more than 63 bytes"]
        );
        assert!(label_value("-a")[0].starts_with("a valid label must be an empty string"));
        assert_eq!(
            dns_subdomain(&"x".repeat(254)),
            ["must be no more than 253 bytes"]
        );
    }
}
