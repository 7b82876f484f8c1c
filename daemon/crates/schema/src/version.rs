//! Which Kubernetes this is.

/// The version whose API is served, as `/version` and the documents of OpenAPI say it.
pub const KUBERNETES_VERSION: &str = "v1.36.0";
