//! The versions that clients see. They compare them to decide what a server can do, so this is
//! the version of etcd whose API is served, not Skerry's own.

/// The server's.
pub(crate) const SERVER: &str = "3.5.30";

/// The cluster's: the least of its members'.
pub(crate) const CLUSTER: &str = "3.5.0";

/// As metrics show it.
pub(crate) const CLUSTER_SHORT: &str = "3.5";
