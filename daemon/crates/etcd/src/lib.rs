//! The etcd v3 API.
