//! Turns the text of a setting into its type: durations, sizes, modes, ports, switches.

use std::time::Duration;

use skerry_kube::ServiceNetwork;

use crate::memory::PLANNED_BYTES_MIN;

/// `500ms`, `5s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 = digits
        .parse()
        .map_err(|_| expected("a duration such as 500ms or 5s", text))?;
    let millis = match text.get(digits.len()..) {
        Some("ms") => Some(amount),
        Some("s") => amount.checked_mul(1_000),
        Some("m") => amount.checked_mul(60_000),
        Some("h") => amount.checked_mul(3_600_000),
        _ => None,
    };
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| expected("a duration such as 500ms or 5s", text))
}

/// `8388608`, `512K`, `64M`, `2G`, also `64Mi` and `64MiB`; powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: u64 = digits
        .parse()
        .map_err(|_| expected("a size such as 64M", text))?;
    let unit = match text.get(digits.len()..) {
        Some("" | "B") => 1,
        Some("K" | "Ki" | "KiB") => 1 << 10,
        Some("M" | "Mi" | "MiB") => 1 << 20,
        Some("G" | "Gi" | "GiB") => 1 << 30,
        _ => return Err(expected("a size such as 64M", text)),
    };
    amount
        .checked_mul(unit)
        .ok_or_else(|| expected("a size such as 64M", text))
}

/// A size that a server can live with.
pub(crate) fn memory_budget(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        budget if budget >= PLANNED_BYTES_MIN => Ok(budget),
        _ => Err(expected("at least 16M", text)),
    }
}

/// `40`, `0.5`: terabytes as makers of disks count them, in bytes.
pub(crate) fn terabytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount > 0.0 && amount <= 1e6 => Ok((amount * 1e12) as u64),
        _ => Err(expected("a number of terabytes such as 40 or 0.5", text)),
    }
}

/// `0600`, `644`.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| expected("an octal file mode such as 0600", text))
}

/// `10.43.0.0/16`
pub(crate) fn service_network(text: &str) -> Result<ServiceNetwork, String> {
    ServiceNetwork::parse(text)
        .ok_or_else(|| expected("an IPv4 network of /8 to /28 such as 10.43.0.0/16", text))
}

/// A TCP port; 0 is none.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| expected("a port, 1 to 65535", text))
}

/// A number of things, at least one.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|count| *count != 0)
        .ok_or_else(|| expected("a number from 1", text))
}

/// `true` or `false`, in every spelling that K3s takes.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
        _ => Err(expected("true or false", text)),
    }
}

/// The common form of a complaint.
pub(crate) fn expected(what: &str, text: &str) -> String {
    format!("expected {what}, not '{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(bytes("64M"), Ok(64 << 20));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(terabytes("0.5"), Ok(500_000_000_000));
        assert_eq!(mode("0644"), Ok(0o644));
        assert_eq!(port("6443"), Ok(6443));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "5", "s", "5 s", "-1s", "99999999999999999999h", "5é"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "M", "-1", "1T", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["", "0", "-1", "NaN", "inf", "1e7", "4 TB"] {
            assert!(terabytes(text).is_err(), "{text}");
        }
        assert!(memory_budget("16M").is_ok() && memory_budget("0").is_err());
        assert!(mode("8").is_err() && mode("7777").is_err());
        assert!(port("0").is_err() && port("65536").is_err());
        assert!(switch("yes").is_err());
        assert!(count("0").is_err() && count("-1").is_err());
    }
}
