//! The front door: one request from its head to its answer, in a straight line.
//!
//! Invariant: whatever a request says, it is answered with an object or with a `Status`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Body as HttpBody;
use skerry_health::Health;
use skerry_listen::{Peer, pressure};
use skerry_rbac::User;

use crate::answer::{self, Answer, Body, gzip};
use crate::audit::{Audit, Trail};
use crate::authorize::authorize;
use crate::call::Call;
use crate::certificates::Signer;
use crate::custom;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::flow::Seat;
use crate::impersonate::impersonate;
use crate::inflight::Inflight;
use crate::limits::QUERY_BYTES_MAX;
use crate::metrics::{MEDIA_TYPE, Measure, Metrics, Reading, Seen, slis};
use crate::negotiate::{ACCEPTED_STREAMS, Asked, Encoding, Form, negotiate};
use crate::proxy::{Inbound, Outgoing};
use crate::query::Query;
use crate::route::{RequestInfo, route};
use crate::services::{NodePorts, ServiceNetwork};
use crate::storage::{Datastore, Storage};
use crate::tokens::{ServiceKeyError, Tokens};
use crate::verbs::connect::is_connect;
use crate::{
    aggregate, controllers, decode, encryption, flow, health, openapi, policies, registry, roles,
    user, user_tokens, webhooks,
};

/// What can be set.
#[derive(Debug, Clone)]
pub struct Options {
    /// `host:port` that discovery tells clients.
    pub server_address: String,
    /// The port of the members' addresses that the API is served on.
    pub port: u16,
    /// The addresses of Services.
    pub services: ServiceNetwork,
    /// The ports on nodes that Services may have.
    pub node_ports: NodePorts,
    /// The private key, as PEM, that signs service account tokens; none are known without it.
    pub service_key: Option<String>,
    /// What keys in the store are sealed with; none: with that.
    pub sealing_key: Option<String>,
    /// Signs what certificate requests ask for; none is signed without it.
    pub signer: Option<Arc<dyn Signer>>,
    /// Who this server is towards others; nobody is called without it.
    pub outgoing: Option<Arc<dyn Outgoing>>,
    /// Resources that a new cluster encrypts from its start: `secrets`, `widgets.example.com`.
    pub encrypted: Vec<String>,
    /// Whether the admission plugin OwnerReferencesPermissionEnforcement runs.
    pub guards_owners: bool,
    /// Certificates, as PEM, that this server's own is verified with.
    pub authority: String,
    /// Bytes that the whole server may use; how many requests may be under way follows from it.
    pub memory_budget: u64,
    /// The checks of the server that this is part of; those of the API are added.
    pub health: Health,
    /// Where requests are recorded, if they are.
    pub audit: Option<Arc<Audit>>,
    /// Writes what `/metrics` tells besides: what the server that this is part of measures.
    pub more_metrics: fn(&mut skerry_metrics::Text),
}

/// Who issues service account tokens: upstream's name for a cluster's own API server.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The Kubernetes API of one member. Clones are handles to the same one.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    options: Options,
    inflight: Inflight,
    metrics: Arc<Metrics>,
}

impl Api {
    /// Serves the state of `datastore`. Needs a runtime, on which its own tasks run.
    ///
    /// # Errors
    /// The key of service account tokens is none.
    pub fn start(datastore: Arc<dyn Datastore>, options: Options) -> Result<Api, ServiceKeyError> {
        let sealing = options
            .sealing_key
            .as_ref()
            .or(options.service_key.as_ref());
        let storage = Storage::new(datastore, sealing.map(String::as_str));
        let tokens = options
            .service_key
            .as_deref()
            .map(|pem| Tokens::new(pem, ISSUER))
            .transpose()?;
        let engine = Engine::new(storage, skerry_schema::built_in(), tokens, &options);
        health::add(&engine, &options.health);
        let metrics = Arc::clone(&engine.metrics);
        let memory_budget = options.memory_budget;
        tokio::spawn(encryption::follow(Arc::clone(&engine)));
        tokio::spawn(controllers::run(Arc::clone(&engine)));
        tokio::spawn(roles::follow(Arc::clone(&engine)));
        tokio::spawn(aggregate::run(Arc::clone(&engine)));
        tokio::spawn(custom::follow::run(Arc::clone(&engine)));
        tokio::spawn(flow::follow(Arc::clone(&engine)));
        tokio::spawn(webhooks::follow(Arc::clone(&engine)));
        tokio::spawn(policies::follow(Arc::clone(&engine)));
        Ok(Api(Arc::new(Inner {
            engine,
            options,
            inflight: Inflight::new(memory_budget),
            metrics,
        })))
    }

    /// What answers.
    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn shared_engine(&self) -> Arc<Engine> {
        Arc::clone(&self.0.engine)
    }

    /// Answers one request.
    pub async fn answer<B>(&self, peer: &Peer, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync,
    {
        let (head, body) = request.into_parts();
        // Whoever passes it on takes it.
        let mut body = Some(body);
        let mut measure = Measure::new(&self.0.metrics);
        let mut trail = Trail::begin(self.0.options.audit.as_ref(), peer, &head);
        let answered = self.answer_to(peer, &head, &mut body, &mut measure, &mut trail);
        let response = answered.await;
        let response = trail.answered(response).await;
        let response = match !measure.is_long_running() && gzip::takes_gzip(&head.headers) {
            true => gzip::offer(response).await,
            false => response,
        };
        if let Some(body) = &mut body {
            decode::drain(body).await;
        }
        measure.sending(response)
    }

    async fn answer_to<B>(
        &self,
        peer: &Peer,
        head: &Parts,
        body: &mut Option<B>,
        measure: &mut Measure,
        trail: &mut Trail<'_>,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync,
    {
        let text = head.uri.query().unwrap_or_default();
        if text.len() > QUERY_BYTES_MAX {
            let error = ApiError::new(414, "", "the query of the request is too long");
            return answer::refuse(&error, Form::PLAIN, &[]);
        }
        let query = Query::parse(text);
        let user_agent = text_of(&head.headers, header::USER_AGENT);
        let accept = text_of(&head.headers, header::ACCEPT);
        // Errors have the form that was asked for as far as it can be known.
        let info = route(&head.method, head.uri.path(), &query);
        let form = negotiate(Some(accept), &query, user_agent, Asked::of(&info.group));
        let error_form = form.as_ref().copied().unwrap_or(Form::PLAIN);

        let metrics = &self.0.metrics;
        let authenticated = self.0.engine.authenticate(peer, &head.headers).await;
        if let Err(error) = trail.received(authenticated.as_ref().ok(), &info).await {
            return answer::refuse(&error, error_form, &[]);
        }
        let user = match authenticated {
            Ok(user) => user,
            Err(error) => {
                metrics.authentication.refused.increment();
                return answer::refuse(&error, error_form, &[]);
            }
        };
        match user::is_anonymous(&user) {
            true => metrics.authentication.failed.increment(),
            false => {
                metrics.authentication.passed.increment();
                metrics.count_user(&user.name);
            }
        }
        let acts = impersonate(&self.0.engine.roles.policies(), user, &head.headers);
        let user = match acts {
            Ok(user) => user,
            Err(error) => {
                metrics.authorization.failed.increment();
                return answer::refuse(&error, error_form, &[]);
            }
        };
        trail.acts_as(&user);
        let registry = &self.0.engine.registry;
        let seen = Seen::of(registry, &info, &head.method, &head.headers, &query);
        let watch_seat = match self.seat(&info, &query, &user, &seen, measure).await {
            Ok(seat) => seat,
            Err(refusal) => return refusal,
        };
        let permitted = {
            let policies = self.0.engine.roles.policies();
            authorize(&self.0.engine, &policies, &user, &info, &query, trail)
        };
        if let Err(error) = permitted {
            metrics.authorization.failed.increment();
            return answer::refuse(&error, error_form, &[]);
        }
        metrics.authorization.passed.increment();
        measure.saw(seen);
        if let Some(report) = self.0.options.health.answer(&info.path, text).await {
            return answer::text(report.status, report.text);
        }
        if info.verb == "get"
            && let Some(response) = self.metrics(&info.path).await
        {
            return response;
        }
        // A version's OpenAPI document is for whom the version is for.
        let path = info.path.strip_prefix("/openapi/v3").unwrap_or(&info.path);
        if let Some(service) = self.0.engine.extensions.remote_of(path) {
            let asked = Inbound::new(peer, head, body.take());
            return self.0.engine.extend(&service, asked, &user, &info).await;
        }
        if info.path == user_tokens::PATH {
            let answered = self.user_token(peer, head, body, &user, &query).await;
            return answered.unwrap_or_else(|error| answer::refuse(&error, error_form, &[]));
        }
        if !info.is_resource {
            let form = Form {
                shape: crate::negotiate::Shape::Plain,
                ..error_form
            };
            return self.document(&info, &query, &head.headers, form);
        }
        let form = |query: &Query, asked| negotiate(Some(accept), query, user_agent, asked);
        let mut call = match self.call(info, query, user, form).await {
            Ok(call) => call,
            Err(error) => return answer::refuse(&error, error_form, &[]),
        };
        decode::media_type(&head.headers).clone_into(&mut call.media_type);
        user_agent.clone_into(&mut call.user_agent);
        call.seat = Mutex::new(watch_seat);
        if is_connect(&call) {
            let asked = Inbound::new(peer, head, body.take());
            let connected = self.0.engine.connect(&call, asked).await;
            trail.admitted(&call);
            return connected
                .unwrap_or_else(|error| answer::refuse(&error, error_form, &call.warnings()));
        }
        let answered = self.perform(&mut call, body, measure, trail).await;
        trail.admitted(&call);
        match answered {
            Ok(answer) => answer::respond(answer, call.form, &call.warnings()),
            Err(error) => answer::refuse(&error, error_form, &call.warnings()),
        }
    }

    /// Tokens of users: neither a resource nor a document.
    async fn user_token<B>(
        &self,
        peer: &Peer,
        head: &Parts,
        body: &mut Option<B>,
        user: &User,
        query: &Query,
    ) -> Result<Response<Body>, ApiError>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin,
        B::Error: std::error::Error,
    {
        let length = body.as_ref().and_then(|body| body.size_hint().exact());
        let _room = self.0.inflight.room(length, user).await?;
        let body = match body {
            Some(body) => decode::read(body).await?,
            None => Bytes::new(),
        };
        let engine = &self.0.engine;
        let value = engine
            .user_token(peer, user, &head.method, query, &body)
            .await?;
        let answer = Answer::Raw("application/json", answer::json(&value).into());
        let mut response = answer::respond(answer, Form::PLAIN, &[]);
        let unkept = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, unkept);
        Ok(response)
    }

    /// Finds a seat for a request, or the answer where there is none. What lasts needs none, but
    /// for watches until they know what there is: they keep it themselves.
    async fn seat(
        &self,
        info: &RequestInfo,
        query: &Query,
        user: &User,
        seen: &Seen,
        measure: &mut Measure,
    ) -> Result<Option<Seat>, Response<Body>> {
        let watches = info.is_resource && info.verb == "watch";
        if info.is_resource && pressure::is_high() {
            measure.saw(seen.clone());
            measure.dropped();
            return Err(too_many(1));
        }
        if seen.is_long_running() && !watches {
            return Ok(None);
        }
        let admission = self.0.engine.find_seat(info, query, user).await;
        measure.classified(&admission);
        match admission.seat {
            Ok(seat) if watches => Ok(Some(seat)),
            Ok(seat) => {
                measure.seated(seat);
                Ok(None)
            }
            Err(after) => {
                measure.saw(seen.clone());
                measure.dropped();
                Err(too_many(after))
            }
        }
    }

    /// `/metrics` and what is below it.
    async fn metrics(&self, path: &str) -> Option<Response<Body>> {
        let Inner {
            engine,
            metrics,
            options,
            ..
        } = &*self.0;
        match path {
            "/metrics" => {
                let reading = Reading::new(engine, metrics, options.more_metrics).await;
                let pieces = stream::unfold(reading, |mut reading| async move {
                    let piece = reading.piece()?;
                    Some((Ok(piece), reading))
                });
                let answer = Answer::Stream(MEDIA_TYPE, Box::pin(pieces));
                Some(answer::respond(answer, Form::PLAIN, &[]))
            }
            "/debug/api_priority_and_fairness/dump_priority_levels" => {
                Some(answer::text(200, engine.flow.dump()))
            }
            "/metrics/slis" => {
                let text = Bytes::from(slis(&options.health.counts()));
                let answer = Answer::Raw(MEDIA_TYPE, text);
                Some(answer::respond(answer, Form::PLAIN, &[]))
            }
            _ => None,
        }
    }

    fn document(
        &self,
        info: &RequestInfo,
        query: &Query,
        headers: &HeaderMap,
        form: Form,
    ) -> Response<Body> {
        if let Some(response) = openapi::answer(
            &self.0.engine.registry.customs,
            &self.0.engine.extensions,
            &info.path,
            query,
            headers,
        ) {
            return response;
        }
        // As upstream's paths of discovery: they take nothing but GET.
        if info.verb != "get" && !(info.verb == "head" && info.path == "/") {
            return answer::refuse(&ApiError::method_not_allowed(), form, &[]);
        }
        let address = &self.0.options.server_address;
        let accept = text_of(headers, header::ACCEPT);
        let tokens = self.0.engine.tokens.as_ref();
        if let Some(tokens) = tokens
            && let Some((content_type, document)) = tokens.document(&info.path, address)
        {
            let answer = Answer::Raw(content_type, answer::json(&document).into());
            let mut response = answer::respond(answer, form, &[]);
            let kept = HeaderValue::from_static("public, max-age=3600");
            response.headers_mut().insert(header::CACHE_CONTROL, kept);
            return response;
        }
        match self.0.engine.document(&info.path, accept, address) {
            Ok(Answer::Raw(content_type, text)) => openapi::tagged(text, content_type, headers),
            Ok(document) => answer::respond(document, form, &[]),
            Err(error) if error.code == 404 => not_found(),
            Err(error) => answer::refuse(&error, form, &[]),
        }
    }

    /// Finds the resource, and whether it takes what is asked.
    async fn call(
        &self,
        info: RequestInfo,
        query: Query,
        user: skerry_rbac::User,
        form: impl Fn(&Query, Asked) -> Result<Form, ApiError>,
    ) -> Result<Call, ApiError> {
        let registry = &self.0.engine.registry;
        let found = match registry.served(&info.group, &info.version, &info.resource) {
            None => self.0.engine.served_newly(&info).await?,
            found => found,
        };
        let resource = found.ok_or_else(ApiError::no_such_path)?;
        registry::check_segment(&info.name)?;
        registry::check_segment(&info.namespace)?;
        let takes = match info.subresource.as_str() {
            // While its definition is being deleted, discovery does not show all that it takes.
            "" => resource.takes(info.verb) || resource.custom.is_some(),
            name => {
                let sub = resource.subresource(name);
                let sub = sub.ok_or_else(ApiError::no_such_path)?;
                // OPTIONS, which is no verb, goes the way of all others of a proxy.
                sub.takes(info.verb) || (name == "proxy" && info.verb.is_empty())
            }
        };
        let in_place = match (resource.namespaced, info.verb) {
            (true, "list" | "watch") => true,
            (true, _) => !info.namespace.is_empty(),
            (false, _) => info.namespace.is_empty() || resource.kind == "Namespace",
        };
        let named = match info.verb {
            "create" => info.name.is_empty() == info.subresource.is_empty(),
            "update" | "patch" => !info.name.is_empty(),
            _ => true,
        };
        // Of all namespaces there is the list, and no single object; in none there is nothing else.
        let is_all = resource.namespaced && info.name.is_empty();
        if !in_place && !is_all {
            return Err(ApiError::no_such_path());
        }
        if !takes || !in_place || !named || info.method_unfit {
            return Err(ApiError::method_not_allowed());
        }
        let mut info = info;
        if !resource.namespaced {
            info.namespace.clear();
        }
        let asked = match resource.custom {
            Some(_) if info.subresource != "scale" => Asked::CustomObjects,
            _ => Asked::of(&info.group),
        };
        let form = form(&query, asked)?.of_kind(&resource.api_version(), &resource.kind);
        if info.verb == "watch" && form.encoding == Encoding::Yaml {
            return Err(ApiError::not_acceptable(ACCEPTED_STREAMS));
        }
        let call = Call::new(info, resource, query, user, form);
        if let Some(text) = call.deprecation() {
            call.warn(text);
        }
        Ok(call)
    }

    async fn perform<B>(
        &self,
        call: &mut Call,
        body: &mut Option<B>,
        measure: &Measure,
        trail: &mut Trail<'_>,
    ) -> Result<Answer, ApiError>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin,
        B::Error: std::error::Error,
    {
        let inflight = &self.0.inflight;
        let length = body.as_ref().and_then(|body| body.size_hint().exact());
        let _room = inflight.room(length, &call.user).await;
        let _room = _room.inspect_err(|_| measure.dropped())?;
        if let Some(body) = body {
            call.body = decode::read(body).await?;
        }
        let _weight = match call.media_type.contains("json") {
            true => {
                let weight = inflight.weight(&call.body).await;
                weight.inspect_err(|_| measure.dropped())?
            }
            false => None,
        };
        trail.sent(call);
        let engine = &self.0.engine;
        if call.resource.kind == "Binding" {
            engine.bind_by_name(call)?;
        }
        engine.perform(call).await
    }
}

/// As upstream sends those away for whom there is no room.
fn too_many(after: u32) -> Response<Body> {
    let text = "Too many requests, please try again later.\n";
    let mut response = answer::text(429, text.into());
    let after = HeaderValue::from(after);
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// As upstream answers a path that nothing serves.
fn not_found() -> Response<Body> {
    answer::text(404, "404 page not found\n".into())
}
