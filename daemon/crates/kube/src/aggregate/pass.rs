//! A client's request for what an extension server answers.
//!
//! Who asks is known, and may. Texts are upstream's.

use http::Response;
use skerry_rbac::User;

use super::ask::NoWay;
use super::table::Service;
use crate::answer::{self, Body};
use crate::engine::Engine;
use crate::limits::{DISCOVERY_TIME_MAX, PROXIED_TIME_MAX};
use crate::proxy::{self, Inbound};
use crate::route::RequestInfo;

impl Engine {
    /// Passes it on to whom the version belongs.
    pub(crate) async fn extend(
        &self,
        service: &Service,
        mut asked: Inbound,
        user: &User,
        info: &RequestInfo,
    ) -> Response<Body> {
        let Some(remote) = service.remote.as_ref().filter(|remote| remote.available) else {
            return said(503, "service unavailable");
        };
        let mut upstream = match self.way_to(&remote.link) {
            Ok(upstream) => upstream,
            Err(NoWay::Trust(why)) => return said(500, &why),
            Err(NoWay::Address(error)) => {
                tracing::debug!(name = service.name, %error, "nobody answers for an APIService");
                return said(503, "service unavailable");
            }
        };
        proxy::as_user(&mut asked.headers, user);
        let upgrades = asked.is_upgrade();
        let parts = info.path.split('/').filter(|part| !part.is_empty()).count();
        let time = match upgrades || info.verb == "watch" {
            true => None,
            // Documents that clients need before anything else.
            false if !info.is_resource && parts == 3 => Some(DISCOVERY_TIME_MAX),
            false => Some(PROXIED_TIME_MAX),
        };
        if time.is_none() {
            // It would keep its place in a connection for as long as it lasts.
            upstream.pool = None;
        }
        let target = match asked.query.as_str() {
            "" => asked.path.clone(),
            query => format!("{}?{query}", asked.path),
        };
        let mut passing = asked.to(upstream, target, "");
        passing.time = time;
        match passing.run().await {
            Ok(response) => response,
            Err(error) if upgrades => said(503, &format!("error dialing backend: {error}")),
            Err(error) => said(503, &format!("error trying to reach service: {error}")),
        }
    }
}

fn said(code: u16, text: &str) -> Response<Body> {
    answer::text(code, format!("{text}\n"))
}
