//! Every bound on what comes from outside, with its unit.

/// What a message may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes, with the envelope.
    pub bytes: usize,
    /// Levels of objects and lists in the value that is made of it.
    pub depth: usize,
    /// Values that are made of it: an empty message of two bytes is a whole object.
    pub values: usize,
}

/// Bytes of a message where nobody says otherwise.
pub const BYTES_MAX: usize = 3 << 20;

/// Levels where nobody says otherwise, and of every value that is encoded.
pub const DEPTH_MAX: usize = 100;

/// Values where nobody says otherwise.
pub const VALUES_MAX: usize = 400_000;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: BYTES_MAX,
            depth: DEPTH_MAX,
            values: VALUES_MAX,
        }
    }
}
