//! Peer URLs as etcd accepts them: a scheme, a host, a port and nothing else.

use http::Uri;

use crate::limits::MEMBER_URL_BYTES_MAX;

/// The URL without surrounding space; `None` where a member could not be reached at it.
pub(crate) fn peer_url(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > MEMBER_URL_BYTES_MAX {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let authority = uri.authority()?;
    authority.port_u16()?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return None;
    }
    // A URI that http parsed has the path "/" where the text has none.
    let bare = format!("{}://{authority}", uri.scheme_str()?);
    (bare == text).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_a_host_and_a_port_make_a_peer_url() {
        for good in [
            "https://10.0.0.1:2380",
            "http://name:1",
            "https://[::1]:2380",
        ] {
            assert_eq!(peer_url(good).as_deref(), Some(good));
        }
        assert_eq!(
            peer_url(" https://a:2380 ").as_deref(),
            Some("https://a:2380")
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("https://{}:2380", "a".repeat(MEMBER_URL_BYTES_MAX));
        for bad in [
            "",
            "a:2380",
            "https://a",
            "https://a:2380/",
            "https://a:2380/x",
            "ftp://a:2380",
            "https://a:port",
            "https://a:99999",
            "https://u@a:2380",
            "https://:2380",
            &long,
        ] {
            assert_eq!(peer_url(bad), None, "{bad}");
        }
    }
}
