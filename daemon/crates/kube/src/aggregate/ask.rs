//! The way to an extension server, and what this server asks there for itself.
//!
//! Invariant: of an answer no more is read than the asker has room for.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt as _;
use skerry_rbac::User;

use super::table::Link;
use crate::engine::Engine;
use crate::proxy::{self, ProxyError, Tls, Upstream};
use crate::webhooks::tls;

/// As whom this server asks for itself: upstream's name, with all rights.
pub(super) fn aggregator() -> User {
    User {
        name: "system:kube-aggregator".into(),
        groups: vec![skerry_rbac::MASTERS.into()],
        ..User::default()
    }
}

/// What was answered.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) content_type: String,
    /// Its `ETag`; empty where it has none.
    pub(super) tag: String,
    pub(super) body: Bytes,
}

/// How a document is asked for.
pub(super) struct Wanted<'w> {
    pub(super) accept: &'static str,
    /// Not if it still has this tag; empty: in any case.
    pub(super) unless: &'w str,
    pub(super) bytes_max: usize,
    pub(super) time_max: Duration,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoWay {
    /// There is no address.
    #[error("{0}")]
    Address(crate::error::ApiError),
    /// Whom to trust cannot be made out.
    #[error("{0}")]
    Trust(String),
}

impl Engine {
    /// The way to an extension server: another of its addresses each time.
    pub(super) fn way_to(&self, link: &Link) -> Result<Upstream, NoWay> {
        let config = link.config.get_or_init(|| {
            let Some(outgoing) = &self.outgoing else {
                return Err("this server calls nobody".into());
            };
            if link.insecure {
                return outgoing.to_anyone(true);
            }
            let mut config = tls::config_showing(&link.bundle, Some(outgoing.front_proxy()))?;
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        });
        let config = config.as_ref().map_err(|why| NoWay::Trust(why.clone()))?;
        let found = self.resolve_service(&link.namespace, &link.service, link.port);
        Ok(Upstream {
            destination: found.map_err(NoWay::Address)?,
            tls: Some(Tls {
                config: Arc::clone(config),
                name: format!("{}.{}.svc", link.service, link.namespace),
            }),
            pool: Some(Arc::clone(&link.pool)),
        })
    }
}

/// Asks for a document.
pub(super) async fn get(
    upstream: &Upstream,
    path: &str,
    wanted: Wanted<'_>,
) -> Result<Answered, ProxyError> {
    let Wanted {
        accept,
        unless,
        bytes_max,
        time_max,
    } = wanted;
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    if let Ok(tag) = HeaderValue::from_str(unless)
        && !unless.is_empty()
    {
        headers.insert(header::IF_NONE_MATCH, tag);
    }
    proxy::as_user(&mut headers, &aggregator());
    let asked = async {
        let response = proxy::ask(upstream, Method::GET, path, headers).await?;
        let status = response.status().as_u16();
        let said = |name: header::HeaderName| {
            let value = response.headers().get(name);
            let text = value.and_then(|value| value.to_str().ok());
            text.unwrap_or_default().to_owned()
        };
        let (content_type, tag) = (said(header::CONTENT_TYPE), said(header::ETAG));
        let mut body = response.into_body();
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ProxyError::of_http(&error))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            if read.len() + data.len() > bytes_max {
                let why = format!("the answer is longer than {bytes_max} bytes");
                return Err(ProxyError::Http(why));
            }
            read.extend_from_slice(data);
        }
        Ok(Answered {
            status,
            content_type,
            tag,
            body: read.freeze(),
        })
    };
    let asked = tokio::time::timeout(time_max, asked).await;
    asked.unwrap_or(Err(ProxyError::Timeout))
}

/// Asks whether there is an answer, whatever it is: its status.
pub(super) async fn status(
    upstream: &Upstream,
    path: &str,
    time_max: Duration,
) -> Result<u16, ProxyError> {
    let mut headers = HeaderMap::new();
    proxy::as_user(&mut headers, &aggregator());
    let asked = proxy::ask(upstream, Method::GET, path, headers);
    match tokio::time::timeout(time_max, asked).await {
        Ok(response) => Ok(response?.status().as_u16()),
        Err(_) => Err(ProxyError::Timeout),
    }
}
