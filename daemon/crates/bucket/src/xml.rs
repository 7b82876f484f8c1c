//! As much of XML as stores answer with: elements and their texts.
//!
//! Pure. Knows nothing about attributes and name spaces, and refuses declarations of types.
//! Invariant: reads no byte twice, whatever it is given.

use crate::limits::XML_DEPTH_MAX;

/// Calls with the path of names to each element that ends, and the text right in it; says whether
/// the document is whole.
pub(crate) fn read(text: &str, mut each: impl FnMut(&[&str], &str)) -> bool {
    let mut names: Vec<&str> = Vec::new();
    let mut content = String::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut has_begun = false;
    while let Some((before, behind)) = rest.split_once('<') {
        unescape(before, &mut content);
        if let Some(behind) = behind.strip_prefix("!--") {
            let Some((_, behind)) = behind.split_once("-->") else {
                return false;
            };
            rest = behind;
            continue;
        }
        let Some((tag, behind)) = behind.split_once('>') else {
            return false;
        };
        rest = behind;
        if tag.starts_with('?') {
            continue;
        }
        if tag.starts_with('!') {
            return false;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if names.last() != Some(&name.trim_end()) {
                return false;
            }
            each(&names, content.trim());
            content.clear();
            names.pop();
            if names.is_empty() {
                return true;
            }
            continue;
        }
        let is_empty = tag.ends_with('/');
        let name = tag.trim_end_matches('/');
        let name = name.split_ascii_whitespace().next().unwrap_or_default();
        if name.is_empty() || names.len() == XML_DEPTH_MAX || has_begun && names.is_empty() {
            return false;
        }
        has_begun = true;
        content.clear();
        names.push(name);
        if is_empty {
            each(&names, "");
            names.pop();
        }
    }
    false
}

/// What is not known stays as it is.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let known = behind.split_once(';').and_then(|(name, behind)| {
            let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok();
            let letter = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let digits = name.strip_prefix('#')?;
                    let code = match digits.strip_prefix('x') {
                        Some(digits) => number(digits, 16),
                        None => number(digits, 10),
                    };
                    char::from_u32(code?)?
                }
            };
            Some((letter, behind))
        });
        match known {
            Some((letter, behind)) => {
                out.push(letter);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<String>, bool) {
        let mut found = Vec::new();
        let is_whole = read(text, |path, text| {
            found.push(format!("{}={text}", path.join("/")));
        });
        (found, is_whole)
    }

    #[test]
    fn elements_and_their_texts_are_read() {
        let (found, is_whole) = all(
            "<?xml version=\"1.0\"?>\n<L xmlns=\"x\"><!-- <a> --><C><K>a&amp;b&#x41;&#66;&c</K><S/></C>\n</L>",
        );
        assert_eq!(found, ["L/C/K=a&bAB&c", "L/C/S=", "L/C=", "L="]);
        assert!(is_whole);
    }

    #[test]
    fn what_is_broken_or_too_deep_is_said_to_be() {
        let deep = "<a>".repeat(1000);
        for bad in [
            "",
            "text",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "<!DOCTYPE a><a></a>",
            "<a><b></a></b>",
            "<!-- ",
            "<></>",
            "</a>",
            &deep,
        ] {
            assert!(!all(bad).1, "{bad:?}");
        }
    }
}
