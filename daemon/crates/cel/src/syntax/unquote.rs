//! What a string or bytes literal stands for.
//!
//! Knows nothing about tokens but that the lexer has found them whole.

/// The bytes of a literal's text, quotes and prefix `r` included, prefix `b` left out.
///
/// # Errors
/// What is wrong with an escape sequence.
pub(super) fn unquote(text: &str, bytes: bool) -> Result<Vec<u8>, &'static str> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let raw = text.starts_with(['r', 'R']);
    let body = if raw { &text[1..] } else { &text };
    let quotes = if body.len() >= 6 && (body.starts_with("'''") || body.starts_with("\"\"\"")) {
        3
    } else {
        1
    };
    let inner = body.get(quotes..body.len() - quotes).ok_or(WRONG)?;
    if raw || !inner.contains('\\') {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..place]);
        rest = escape(&rest[place + 1..], bytes, &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

const WRONG: &str = "unable to unescape string";

/// Reads the sequence after a backslash; gives what follows it.
fn escape<'t>(rest: &'t str, bytes: bool, out: &mut Vec<u8>) -> Result<&'t str, &'static str> {
    let sign = rest
        .chars()
        .next()
        .ok_or("unable to unescape string, found '\\' as last character")?;
    let after = &rest[sign.len_utf8()..];
    let plain = match sign {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        '\\' | '\'' | '"' | '`' | '?' => sign as u8,
        'x' | 'X' => return number(after, 2, 16, bytes, out),
        'u' if !bytes => return number(after, 4, 16, false, out),
        'U' if !bytes => return number(after, 8, 16, false, out),
        '0'..='3' => return number(rest, 3, 8, bytes, out),
        _ => return Err(WRONG),
    };
    out.push(plain);
    Ok(after)
}

/// A code point, or a byte, by its number.
fn number<'t>(
    rest: &'t str,
    length: usize,
    radix: u32,
    byte: bool,
    out: &mut Vec<u8>,
) -> Result<&'t str, &'static str> {
    let (digits, after) = rest.split_at_checked(length).ok_or(WRONG)?;
    let number = u32::from_str_radix(digits, radix).map_err(|_| WRONG)?;
    if byte {
        out.push(u8::try_from(number).map_err(|_| WRONG)?);
    } else {
        let char = char::from_u32(number).ok_or("invalid unicode code point")?;
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(after)
}
