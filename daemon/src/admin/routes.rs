//! Paths below `/v1-skerry/admin/` on 6443, for holders of a certificate of `system:masters`.
//!
//! Knows nothing about what the routes do. Invariant: nobody else gets further than a refusal,
//! whatever the path; the body of a request is read only after that.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;
use serde_json::{Value, json};
use skerry_listen::Peer;

use super::limits::{REQUEST_BYTES_MAX, REQUEST_TIME_MAX};

const PREFIX: &str = "/v1-skerry/admin/";
/// The group that may do everything, as for the Kubernetes API.
const MASTERS: &str = "system:masters";

/// What was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    #[allow(dead_code, reason = "most routes take what they need from the body")]
    /// The query of the URL, as it stands there.
    pub(crate) query: String,
    /// Null where nothing was sent.
    pub(crate) body: Value,
}

/// Why a route did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) code: StatusCode,
    pub(crate) message: String,
}

impl Refused {
    /// The request makes no sense, or what it names is not there.
    pub(crate) fn bad_request(message: impl Into<String>) -> Refused {
        Refused {
            code: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Refused {
        Refused {
            code: StatusCode::INTERNAL_SERVER_ERROR,
            message: format!("{error:#}"),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Value, Refused>> + Send>>;
type Route = Box<dyn Fn(Ask) -> Answer + Send + Sync>;

/// The routes of one server. Cheap to clone: one per connection.
#[derive(Clone)]
pub(crate) struct Routes {
    routes: Arc<Vec<(Method, &'static str, Route)>>,
    /// Said of a path that is none.
    otherwise: &'static str,
}

impl Default for Routes {
    fn default() -> Routes {
        Routes::or_say("is the command newer than it?")
    }
}

impl Routes {
    /// None yet; this is said of a path that is none.
    pub(crate) fn or_say(otherwise: &'static str) -> Routes {
        Routes {
            routes: Arc::default(),
            otherwise,
        }
    }

    /// Whether the path is one of an administrator's.
    pub(crate) fn serves(path: &str) -> bool {
        path.starts_with(PREFIX)
    }

    /// These routes and one more: `path` is what stands behind `/v1-skerry/admin/`.
    pub(crate) fn at<F, A>(mut self, method: Method, path: &'static str, route: F) -> Routes
    where
        F: Fn(Ask) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Value, Refused>> + Send + 'static,
    {
        let routes = Arc::get_mut(&mut self.routes).expect("routes are shared once all are named");
        routes.push((method, path, Box::new(move |ask| Box::pin(route(ask)))));
        self
    }

    /// Answers one request to a path that is served.
    pub(crate) async fn answer<B>(&self, peer: &Peer, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.outcome(peer, request).await {
            Ok(value) => reply(StatusCode::OK, &value),
            Err(refused) => {
                let status = json!({
                    "kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "status": "Failure",
                    "message": refused.message,
                    "code": refused.code.as_u16(),
                });
                reply(refused.code, &status)
            }
        }
    }

    async fn outcome<B>(&self, peer: &Peer, request: Request<B>) -> Result<Value, Refused>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !peer.organizations.iter().any(|group| group == MASTERS) {
            return Err(Refused {
                code: StatusCode::FORBIDDEN,
                message: format!("this takes a client certificate of the group {MASTERS}"),
            });
        }
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let of_path = || self.routes.iter().filter(|(_, at, _)| *at == path);
        let Some((_, _, route)) = of_path().find(|(method, _, _)| *method == head.method) else {
            return Err(match of_path().next() {
                Some(_) => Refused {
                    code: StatusCode::METHOD_NOT_ALLOWED,
                    message: format!("{path} does not take {}", head.method),
                },
                None => Refused {
                    code: StatusCode::NOT_FOUND,
                    message: format!("this server has no {path}; {}", self.otherwise),
                },
            });
        };
        let reading = Limited::new(body, REQUEST_BYTES_MAX).collect();
        let body = tokio::time::timeout(REQUEST_TIME_MAX, reading)
            .await
            .map_err(|_| Refused::bad_request("the body did not arrive in time"))?
            .map_err(|error| Refused::bad_request(format!("body: {error}")))?
            .to_bytes();
        let body = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&body)
                .map_err(|error| Refused::bad_request(format!("body: {error}")))?,
        };
        let query = head.uri.query().unwrap_or_default().to_owned();
        route(Ask { query, body }).await
    }
}

fn reply(code: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = code;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    fn peer(group: &str) -> Peer {
        let mut peer = Peer::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), None);
        peer.organizations = vec![group.to_owned()];
        peer
    }

    async fn ask(group: &str, method: Method, path: &str, body: &str) -> (u16, Value) {
        let routes = Routes::default().at(Method::POST, "echo", |ask| async move {
            match ask.body {
                Value::Null => Err(Refused::bad_request("nothing to say")),
                body => Ok(json!({ "body": body, "query": ask.query })),
            }
        });
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1-skerry/admin/{path}"))
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let response = routes.answer(&peer(group), request).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn administrators_are_answered_and_others_are_not_even_told_what_there_is() {
        let (code, said) = ask(MASTERS, Method::POST, "echo?a=b", "[1]").await;
        assert_eq!((code, said), (200, json!({ "body": [1], "query": "a=b" })));
        for path in ["echo", "nothing"] {
            let (code, _) = ask("system:nodes", Method::POST, path, "[1]").await;
            assert_eq!(code, 403);
        }
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_with_a_status_that_says_why() {
        let long = format!("\"{}\"", "x".repeat(REQUEST_BYTES_MAX));
        for (method, path, body, code, why) in [
            (Method::GET, "echo", "", 405, "does not take GET"),
            (Method::POST, "nothing", "", 404, "has no nothing"),
            (Method::POST, "echo", "", 400, "nothing to say"),
            (Method::POST, "echo", "{", 400, "body: "),
            (Method::POST, "echo", &long, 400, "length limit exceeded"),
        ] {
            let (said, status) = ask(MASTERS, method, path, body).await;
            assert_eq!((said, &status["code"]), (code, &json!(code)), "{status}");
            assert!(
                status["message"].as_str().unwrap().contains(why),
                "{status}"
            );
        }
    }
}
