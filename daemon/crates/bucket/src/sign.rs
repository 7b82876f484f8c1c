//! AWS Signature Version 4, for S3.
//!
//! Pure. <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use std::fmt::Write as _;

use ring::{digest, hmac};

/// What a request is signed with.
pub(crate) struct Signer<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) secret_key: &'a str,
    pub(crate) region: &'a str,
    /// `20130524T000000Z`
    pub(crate) time: &'a str,
}

/// The parts of a request that are signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it is sent.
    pub(crate) path: &'a str,
    /// As it is sent, its names in order.
    pub(crate) query: &'a str,
    /// Small letters, in order.
    pub(crate) headers: &'a [(&'static str, String)],
    /// SHA-256 of the body, in hex.
    pub(crate) hash: &'a str,
}

impl Signer<'_> {
    /// The header `Authorization`.
    pub(crate) fn authorization(&self, signed: &Signed<'_>) -> String {
        let day = self.time.get(..8).unwrap_or(self.time);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let mut canonical = format!("{}\n{}\n{}\n", signed.method, signed.path, signed.query);
        let mut names = String::new();
        for (name, value) in signed.headers {
            let _ = writeln!(canonical, "{name}:{}", value.trim());
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        let _ = write!(canonical, "\n{names}\n{}", signed.hash);
        let canonical = digest::digest(&digest::SHA256, canonical.as_bytes());
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            self.time,
            hex(canonical.as_ref())
        );
        let mut key = hmac_of(format!("AWS4{}", self.secret_key).as_bytes(), day);
        for word in [self.region, "s3", "aws4_request", &text] {
            key = hmac_of(key.as_ref(), word);
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.access_key,
            hex(key.as_ref())
        )
    }
}

fn hmac_of(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// In small letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As S3 has it in paths (slashes stay) and in queries (they do not).
pub(crate) fn encode(text: &str, is_path: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte.into());
            }
            b'/' if is_path => encoded.push('/'),
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Amazon's documentation.
    #[test]
    fn requests_are_signed_as_amazon_documents_it() {
        let hash = hex(digest::digest(&digest::SHA256, b"").as_ref());
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("x-amz-content-sha256", hash.clone()),
            ("x-amz-date", "20130524T000000Z".to_owned()),
        ];
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            time: "20130524T000000Z",
        };
        let said = signer.authorization(&Signed {
            method: "GET",
            path: "/",
            query: "lifecycle=",
            headers: &headers,
            hash: &hash,
        });
        let signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        assert!(said.ends_with(signature), "{said}");
    }

    #[test]
    fn names_go_as_s3_wants_them() {
        assert_eq!(encode("a/b c+é", true), "a/b%20c%2B%C3%A9");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
