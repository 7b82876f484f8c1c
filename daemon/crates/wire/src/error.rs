//! Why bytes are no object, or a value cannot be written as one.

/// Why bytes are no object. Texts are upstream's where clients see them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DecodeError {
    #[error("empty data")]
    Empty,
    #[error("empty body")]
    EmptyBody,
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    Magic,
    #[error("unexpected EOF")]
    End,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: negative length found during unmarshaling")]
    NegativeLength,
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u8),
    #[error("proto: wrong wireType = {wire_type} for field {field}")]
    WrongWireType { wire_type: u8, field: String },
    #[error("proto: {message}: illegal tag {number} (wire type {tag})")]
    IllegalTag {
        message: String,
        number: i32,
        tag: u64,
    },
    #[error("proto: {0}: wiretype end group for non-group")]
    EndGroup(String),
    #[error("Object 'Kind' is missing in the protobuf envelope")]
    NoKind,
    #[error(
        "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
    )]
    UnknownKind { api_version: String, kind: String },
    #[error("{field} holds no JSON: {why}")]
    Raw { field: String, why: String },
    #[error("{field} holds a number or time that JSON cannot say")]
    Unspeakable { field: String },
    #[error("the message is longer than {0} bytes")]
    TooLong(usize),
    #[error("the message is nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("the message holds more than {0} values")]
    TooMany(usize),
}

/// Why bytes are no object, and what they said they were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// API version and kind; none where the envelope cannot be read.
    pub said: Option<(String, String)>,
    /// Why.
    pub error: DecodeError,
}

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum EncodeError {
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind { api_version: String, kind: String },
    #[error("{path}: expected {expected}")]
    WrongType {
        /// As in `spec.containers[0].name`.
        path: String,
        expected: &'static str,
    },
    #[error("the value is nested deeper than {0} levels")]
    TooDeep(usize),
}

impl EncodeError {
    pub(crate) fn wrong(expected: &'static str) -> EncodeError {
        EncodeError::WrongType {
            path: String::new(),
            expected,
        }
    }

    /// The same, seen from one level further out.
    pub(crate) fn under(self, step: &str) -> EncodeError {
        match self {
            EncodeError::WrongType { path, expected } => {
                let dot = if path.is_empty() || path.starts_with('[') {
                    ""
                } else {
                    "."
                };
                EncodeError::WrongType {
                    path: format!("{step}{dot}{path}"),
                    expected,
                }
            }
            other => other,
        }
    }
}
