//! Bodies in protobuf, and what is wrong with them in upstream's words.
//!
//! What a kind does not have cannot be told by name, and is passed over, also where fields are
//! validated strictly: upstream has no stricter decoder of it either.

use super::{Decoded, weight};
use crate::error::ApiError;
use crate::limits::{BODY_BYTES_MAX, DEPTH_MAX};

fn limits() -> skerry_wire::Limits {
    skerry_wire::Limits {
        bytes: BODY_BYTES_MAX,
        depth: DEPTH_MAX,
        values: weight::fields_max(skerry_wire::limits::VALUES_MAX),
    }
}

/// Decodes an object that says what it is.
pub(super) fn parse(body: &[u8]) -> Result<Decoded, ApiError> {
    let decoded = skerry_wire::decode(body, limits());
    let decoded = decoded.map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(Decoded {
        value: decoded.value,
        duplicates: Vec::new(),
    })
}

/// Decodes an object that is to be of a kind.
pub(crate) fn parse_as(body: &[u8], api_version: &str, kind: &str) -> Result<Decoded, ApiError> {
    match skerry_wire::decode_as(body, limits(), api_version, kind) {
        Ok(decoded) => Ok(Decoded {
            value: decoded.value,
            duplicates: Vec::new(),
        }),
        Err(refused) => Err(match &refused.said {
            Some((said_version, said)) => super::unfit(said_version, said, kind, &refused.error),
            None => super::unrecognized(kind, &refused.error, body),
        }),
    }
}

/// A custom resource has no protobuf: upstream finds that out when it looks at Go's type of it.
pub(crate) fn refuse_custom(api_version: &str, kind: &str) -> ApiError {
    const WHY: &str = "object *unstructured.Unstructured does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message";
    super::unfit(api_version, kind, kind, &WHY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> String {
        parse_as(body, "v1", "ConfigMap").unwrap_err().message
    }

    #[test]
    fn what_is_wrong_is_told_with_what_was_said_or_with_how_it_begins() {
        let prefix = "the object provided is unrecognized (must be of type ConfigMap): ";
        assert_eq!(
            message(b"{\"a\":1}"),
            format!(
                "{prefix}provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({{\"a\":1}})"
            )
        );
        assert_eq!(message(b""), format!("{prefix}empty data (<empty>)"));
        assert_eq!(message(b"k8s\0"), format!("{prefix}empty body (6b387300)"));
        assert_eq!(
            message(&[b"k8s\0\x0c".as_slice(), &[0; 40]].concat()),
            format!(
                "{prefix}proto: Unknown: wiretype end group for non-group (6b3873000c{} ...)",
                "00".repeat(25)
            )
        );
        assert_eq!(
            message(b"k8s\0\x12\x02\x08\x01"),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: proto: wrong wireType = 0 for field Metadata"
        );
        assert_eq!(
            message(b"k8s\0\x0a\x0b\x0a\x04x/v2\x12\x03Foo"),
            "Foo in version \"v2\" cannot be handled as a ConfigMap: no kind \"Foo\" is registered for version \"x/v2\" in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        );
        assert!(refuse_custom("x.io/v1", "Foo").message.starts_with(
            "Foo in version \"v1\" cannot be handled as a Foo: object *unstructured.Unstructured does not"
        ));
    }
}
