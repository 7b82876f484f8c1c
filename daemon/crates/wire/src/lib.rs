//! Kubernetes' protobuf form of built-in objects, driven by one table.
//!
//! Objects are values of JSON everywhere else; here they become what typed clients of upstream
//! send and like to be sent (`application/vnd.kubernetes.protobuf`), and back. One table
//! (`tables/messages.tsv`) says which field of which message has which number; there is no type
//! per kind. Knows nothing about requests, storage or what fields mean.
//!
//! What upstream's decoder does with Go's types is done to values: a field that Go always has is
//! always there, a scalar that is zero is left out where Go's JSON leaves it out. What upstream
//! would print as `null` is left out.

#[cfg(test)]
mod any_test;
mod built_in;
mod decode;
mod encode;
mod envelope;
mod error;
pub mod limits;
mod list;
#[cfg(test)]
mod names_test;
mod odd;
mod read;
#[cfg(test)]
mod round_trip_test;
#[cfg(test)]
mod sample;
mod table;
#[cfg(test)]
mod table_test;
mod time;
mod watch;
mod write;

pub use decode::{Decoded, decode, decode_as};
pub use encode::encode;
pub use error::{DecodeError, EncodeError, Refused};
pub use limits::Limits;
pub use list::List;
pub use watch::event;

/// The media type of objects.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// The media type of watches.
pub const WATCH_MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// Whether objects of this kind have a protobuf form.
#[must_use]
pub fn knows(api_version: &str, kind: &str) -> bool {
    built_in::message(api_version, kind).is_some()
}
