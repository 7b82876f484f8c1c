//! The server side: from a request on 6443 to its answer.
//!
//! Open to everybody, by design: `/cacerts` (a joining server cannot verify anything before it
//! has it), `/ping`, which cluster this is (servers of another one ask), health (probes carry no
//! credentials). The join route asks for the token.
//! Everything else is the Kubernetes API's, which is not served yet.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use skerry_consensus::{ProposeError, Status};
use skerry_health::Health;
use skerry_pki::{AuthorityFiles, CaHash, Password, Pki, PkiError, Succession, Token};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::admit::{Admission, admit, duplicate};
use crate::authorities::Authorities;
use crate::bootstrap::{self, Bootstrap};
use crate::bucket::Bucket;
use crate::cluster::Cluster;
use crate::health;
use crate::limits::{
    JOIN_REQUEST_BYTES_MAX, JOIN_REQUEST_TIME_MAX, JOINS_IN_FLIGHT_MAX, UNREAD_BODY_BYTES_MAX,
    WRONG_PASSWORD_EVERY, WRONG_PASSWORDS_BURST,
};
use crate::meeting::{AboutCluster, CLUSTER_PATH};
use crate::message::{JOIN_PATH, JoinAnswer, JoinRequest, KnownMember};
use crate::refusal::Refusal;
use crate::reply::{self, Reply};
use crate::rotation::{Credential, Rotation, RotationError};
use crate::vacant::is_vacant;
use crate::values::CriticalValues;

/// The node-to-node services of one server. Cheap to clone: one per connection.
pub struct Supervisor<C>(Arc<Inner<C>>);

struct Inner<C> {
    cluster: Arc<C>,
    ca_bundle: Bytes,
    bootstrap: Bootstrap,
    clock: Arc<skerry_pki::Clock>,
    user: &'static str,
    ca_hash: CaHash,
    rotation: Rotation,
    authorities: Authorities,
    health: Health,
    wrong_passwords: Mutex<Bucket>,
    in_flight: Semaphore,
    request_time_max: Duration,
    /// Held while a member is added: two requests of one node must not add it twice.
    joining: tokio::sync::Mutex<()>,
    critical: std::sync::OnceLock<CriticalValues>,
    alone: std::sync::OnceLock<Alone>,
}

/// Whether this server has formed its cluster alone, and whether nobody has written since.
type Alone = Box<dyn Fn() -> (bool, bool) + Send + Sync>;

impl<C> Clone for Supervisor<C> {
    fn clone(&self) -> Self {
        Supervisor(Arc::clone(&self.0))
    }
}

impl<C: Cluster> Supervisor<C> {
    /// Serves joins to `cluster` for whoever has the password of `token`.
    ///
    /// # Errors
    /// The cluster's keys are not all there.
    pub fn new(cluster: C, pki: &Pki, token: &Token) -> Result<Supervisor<C>, PkiError> {
        Supervisor::patient(cluster, pki, token, JOIN_REQUEST_TIME_MAX)
    }

    /// As [`Supervisor::new`], with its own idea of how long a request may take to arrive.
    pub(crate) fn patient(
        cluster: C,
        pki: &Pki,
        token: &Token,
        request_time_max: Duration,
    ) -> Result<Supervisor<C>, PkiError> {
        let cluster = Arc::new(cluster);
        let wrong_passwords =
            Bucket::full(WRONG_PASSWORDS_BURST, WRONG_PASSWORD_EVERY, Instant::now());
        Ok(Supervisor(Arc::new(Inner {
            health: health::checks(&cluster),
            cluster,
            ca_bundle: Bytes::from(pki.ca_bundle().to_owned()),
            bootstrap: Bootstrap::of(pki),
            clock: Arc::clone(pki.clock()),
            user: token.user(),
            ca_hash: pki.ca_hash(),
            authorities: Authorities::new(pki.authority_files())?,
            rotation: Rotation::new(token.password().clone(), &pki.authority_files())?,
            wrong_passwords: Mutex::new(wrong_passwords),
            in_flight: Semaphore::new(JOINS_IN_FLIGHT_MAX),
            request_time_max,
            joining: tokio::sync::Mutex::default(),
            critical: std::sync::OnceLock::new(),
            alone: std::sync::OnceLock::new(),
        })))
    }

    /// Puts another token in force for the servers of the cluster: the one given, else one that is
    /// made. The other members find it in the store.
    pub async fn rotate(&self, password: Option<Password>) -> Result<Token, RotationError> {
        let password = match password {
            Some(password) => password,
            None => Password::generate()?,
        };
        let bootstrap = self.bootstrap_in_force().await?;
        let rotation = &self.0.rotation;
        rotation
            .rotate(&*self.0.cluster, &bootstrap, password)
            .await?;
        Ok(self.token())
    }

    /// Looks whether another token is in force by now: that, if so.
    pub async fn refresh(&self) -> Result<Option<Token>, RotationError> {
        let changed = self.0.rotation.refresh(&*self.0.cluster).await?;
        Ok(changed.then(|| self.token()))
    }

    /// The token in force, as far as this server knows.
    pub fn token(&self) -> Token {
        let password = self.0.rotation.current().password.clone();
        Token::new(self.0.ca_hash, password)
    }

    /// Has the store hold the bootstrap data, sealed under the token in force, where it does not.
    pub async fn store_bootstrap(&self) -> Result<(), RotationError> {
        self.refresh().await?;
        let password = self.0.rotation.current().password.clone();
        let bootstrap = self.bootstrap_in_force().await?;
        bootstrap::store_bootstrap(&*self.0.cluster, &bootstrap, &password).await?;
        Ok(())
    }

    /// Has other authorities follow those in force, for the whole cluster; members use them from
    /// their next start on. What tokens pin from then on.
    pub async fn rotate_authorities(
        &self,
        succession: &Succession,
    ) -> Result<CaHash, RotationError> {
        self.refresh().await?;
        let password = self.0.rotation.current().password.clone();
        let (cluster, own) = (&*self.0.cluster, self.bootstrap());
        let authorities = &self.0.authorities;
        let rotated = authorities.rotate(cluster, own, &password, succession, &self.0.clock);
        rotated.await
    }

    /// The authorities that the store says are in force, where they were ever rotated.
    pub async fn authorities_in_force(&self) -> Result<Option<AuthorityFiles>, RotationError> {
        self.0.authorities.stored(&*self.0.cluster).await
    }

    async fn bootstrap_in_force(&self) -> Result<Bootstrap, RotationError> {
        let own = self.bootstrap();
        self.0.authorities.in_force(&*self.0.cluster, own).await
    }

    fn bootstrap(&self) -> Bootstrap {
        let mut bootstrap = self.0.bootstrap.clone();
        bootstrap.time = self.0.clock.now();
        bootstrap
    }

    /// Whether [`Supervisor::handle`] serves this path, rather than answering "not found".
    pub fn serves(path: &str) -> bool {
        matches!(path, "/cacerts" | "/ping" | CLUSTER_PATH | JOIN_PATH) || Health::is_sum(path)
    }

    /// From now on only servers with these settings are let in. Counts once.
    pub fn expect(&self, critical: CriticalValues) {
        _ = self.0.critical.set(critical);
    }

    /// From now on others hear whether this server has formed its cluster alone, and whether nobody
    /// has written since. Counts once.
    pub fn tell_alone(&self, alone: impl Fn() -> (bool, bool) + Send + Sync + 'static) {
        _ = self.0.alone.set(Box::new(alone));
    }

    /// What this server says of its cluster.
    pub fn about_cluster(&self) -> AboutCluster {
        let (formed_alone, untouched) = self.0.alone.get().map_or((false, false), |alone| alone());
        AboutCluster {
            formed_alone,
            untouched,
            ..AboutCluster::of(&self.0.cluster.status())
        }
    }

    /// The checks of this server, for others to answer and to add to.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.health.clone()
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Reply
    where
        B: Body,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (head, body) = request.into_parts();
        let mut body = pin!(body);
        let reply = self.answer(&head, body.as_mut()).await;
        // An HTTP/2 client whose body is dropped unread sees a broken stream, not the answer.
        _ = tokio::time::timeout(self.0.request_time_max, discard(body)).await;
        reply
    }

    async fn answer<B>(&self, head: &Parts, body: Pin<&mut B>) -> Reply
    where
        B: Body,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let path = head.uri.path();
        if !Self::serves(path) {
            return reply::not_found();
        }
        if path == JOIN_PATH {
            return match head.method {
                Method::POST => self.join(&head.headers, body).await,
                _ => reply::method_not_allowed("POST"),
            };
        }
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return reply::method_not_allowed("GET, HEAD");
        }
        match path {
            "/cacerts" => reply::text(StatusCode::OK, self.0.ca_bundle.clone()),
            "/ping" => reply::text(StatusCode::OK, "pong"),
            CLUSTER_PATH => reply::json(StatusCode::OK, &self.about_cluster()),
            _ => {
                let query = head.uri.query().unwrap_or_default();
                let report = self.0.health.answer(path, query).await;
                report.map_or_else(reply::not_found, health::reply)
            }
        }
    }

    async fn join<B>(&self, headers: &HeaderMap, body: Pin<&mut B>) -> Reply
    where
        B: Body,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        match self.try_join(headers, body).await {
            Ok(answer) => reply::json(StatusCode::OK, &answer),
            Err(refusal) => {
                // Whoever floods this route must not fill the log, and with it the flash.
                if refusal == Refusal::TooMany {
                    tracing::debug!(%refusal, "refused a server that wants to join");
                } else {
                    tracing::warn!(%refusal, "refused a server that wants to join");
                }
                let mut reply = reply::json(refusal.status(), &refusal.answer());
                let headers = reply.headers_mut();
                match refusal {
                    Refusal::WrongPassword => {
                        let basic = HeaderValue::from_static("Basic realm=\"skerry\"");
                        _ = headers.insert(WWW_AUTHENTICATE, basic);
                    }
                    Refusal::TooMany | Refusal::Unavailable(_) => {
                        _ = headers.insert(RETRY_AFTER, HeaderValue::from(1));
                    }
                    _ => {}
                }
                reply
            }
        }
    }

    async fn try_join<B>(
        &self,
        headers: &HeaderMap,
        body: Pin<&mut B>,
    ) -> Result<JoinAnswer, Refusal>
    where
        B: Body,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let credential = self.authenticate(headers).await?;
        let _permit = self
            .0
            .in_flight
            .try_acquire()
            .map_err(|_| Refusal::TooMany)?;
        let body = tokio::time::timeout(self.0.request_time_max, read(body));
        let body = body.await.map_err(|_| Refusal::TooSlow)??;
        let request = JoinRequest::decode(&body)?;
        if let Some(critical) = self.0.critical.get() {
            critical.compare(&request.critical)?;
        }
        // First what may fail without a trace, then the member, which stays.
        let bootstrap = self.sealed_bootstrap(&credential).await?;
        let (member_id, status) = self.take_in(&request, &credential).await?;
        Ok(JoinAnswer {
            cluster_id: status.cluster_id,
            member_id,
            members: known_members(&status, member_id, &request),
            bootstrap: STANDARD.encode(bootstrap),
        })
    }

    /// The credential whose password the request shows.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Credential>, Refusal> {
        if !self.wrong_passwords().has_permit(Instant::now()) {
            return Err(Refusal::TooMany);
        }
        let mut credential = self.0.rotation.current();
        if !self.is_authentic(headers, &credential) {
            // Another token may be in force, and not have been heard of here.
            _ = self.0.cluster.linearize().await;
            self.know_token().await?;
            credential = self.0.rotation.current();
        }
        if self.is_authentic(headers, &credential) {
            return Ok(credential);
        }
        self.wrong_passwords().take(Instant::now());
        Err(Refusal::WrongPassword)
    }

    async fn know_token(&self) -> Result<(), Refusal> {
        let refreshed = self.0.rotation.refresh(&*self.0.cluster).await;
        refreshed
            .map(drop)
            .map_err(|error| Refusal::Failed(error.to_string()))
    }

    fn wrong_passwords(&self) -> MutexGuard<'_, Bucket> {
        let bucket = self.0.wrong_passwords.lock();
        bucket.unwrap_or_else(PoisonError::into_inner)
    }

    fn is_authentic(&self, headers: &HeaderMap, credential: &Credential) -> bool {
        let Some(value) = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
        else {
            return false;
        };
        let Some((scheme, credentials)) = value.split_once(' ') else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(credentials) = STANDARD.decode(credentials.trim()).map(Zeroizing::new) else {
            return false;
        };
        let Some(colon) = credentials.iter().position(|byte| *byte == b':') else {
            return false;
        };
        let (user, password) = (&credentials[..colon], &credentials[colon + 1..]);
        user == self.0.user.as_bytes() && credential.password.matches(password)
    }

    async fn sealed_bootstrap(&self, credential: &Credential) -> Result<Vec<u8>, Refusal> {
        let failed = |error: &dyn Display| Refusal::Failed(error.to_string());
        let make = || bootstrap::sealer(credential.password.clone());
        let sealer = credential.sealer.get_or_try_init(make).await;
        let sealer = sealer.map_err(|error| failed(&error))?;
        let sealed = self.bootstrap().seal(sealer);
        sealed.map_err(|error| failed(&error))
    }

    /// The member's id, and the cluster with it inside.
    async fn take_in(
        &self,
        request: &JoinRequest,
        credential: &Credential,
    ) -> Result<(u64, Arc<Status>), Refusal> {
        let cluster = &*self.0.cluster;
        let _one_at_a_time = self.0.joining.lock().await;
        // What this server knows may be old; after this it is not.
        cluster.linearize().await?;
        self.know_token().await?;
        let in_force = self.0.rotation.current();
        if !in_force
            .password
            .matches(credential.password.expose().as_bytes())
        {
            return Err(Refusal::WrongPassword);
        }
        let removed = match admit(&cluster.status(), request)? {
            Admission::New => Ok(()),
            Admission::Replace(before) => cluster.remove_member(before).await,
            Admission::Displace(before) => {
                self.may_displace(request, before).await?;
                cluster.displace_member(before).await
            }
        };
        match removed {
            Ok(()) | Err(ProposeError::MemberNotFound) => {}
            Err(error) => return Err(error.into()),
        }
        let (name, urls) = (request.name.clone(), request.peer_urls.clone());
        let added = cluster.add_member(name, urls).await;
        let id = added.map_err(|error| match error {
            ProposeError::MemberName(id) => self.duplicate(request, id),
            ProposeError::PeerUrlExists => Refusal::PeerUrlInUse {
                urls: request.peer_urls.join(", "),
            },
            other => other.into(),
        })?;
        tracing::info!(
            name = request.name,
            member = format!("{id:x}"),
            peer_urls = request.peer_urls.join(", "),
            "a server joins"
        );
        Ok((id, cluster.status()))
    }

    /// Somebody else has the name.
    fn duplicate(&self, request: &JoinRequest, id: u64) -> Refusal {
        let status = self.0.cluster.status();
        let member = status.members.iter().find(|(known, ..)| *known == id);
        let member = member.map_or_else(Default::default, |(_, member, _)| member.clone());
        duplicate(request, id, &member)
    }

    /// A member that runs keeps its name, whoever else has the cluster's token.
    async fn may_displace(&self, request: &JoinRequest, id: u64) -> Result<(), Refusal> {
        let told = self.0.cluster.password_hash(id).map_err(Refusal::Failed)?;
        let password = request.password.as_ref();
        if password.is_some_and(|password| password.is_another(&told)) {
            let name = request.name.clone();
            return Err(Refusal::NodePassword { name, id });
        }
        if !is_vacant(&request.peer_urls).await {
            return Err(self.duplicate(request, id));
        }
        tracing::warn!(
            name = request.name,
            member = format!("{id:x}"),
            "nobody listens where this member was: a new server takes its place, once nobody hears of it"
        );
        Ok(())
    }
}

fn known_members(status: &Status, new: u64, request: &JoinRequest) -> Vec<KnownMember> {
    let known = status
        .members
        .iter()
        .map(|(id, member, learner)| KnownMember {
            id: *id,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            learner: *learner,
        });
    let mut known: Vec<KnownMember> = known.collect();
    // On a follower the picture may lag behind the change that the leader has confirmed.
    if !known.iter().any(|member| member.id == new) {
        known.push(KnownMember {
            id: new,
            name: String::new(),
            peer_urls: request.peer_urls.clone(),
            client_urls: Vec::new(),
            learner: true,
        });
    }
    known
}

async fn read<B>(body: Pin<&mut B>) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let body = Limited::new(body, JOIN_REQUEST_BYTES_MAX).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Refusal::TooLarge(JOIN_REQUEST_BYTES_MAX)
            } else {
                Refusal::Malformed(error.to_string())
            }
        })
}

/// Reads what is left of a body and forgets it, up to a limit.
async fn discard<B: Body>(mut body: Pin<&mut B>) {
    let mut read = 0;
    while read <= UNREAD_BODY_BYTES_MAX && !body.is_end_stream() {
        let Some(Ok(frame)) = body.as_mut().frame().await else {
            return;
        };
        read += frame.data_ref().map_or(0, Buf::remaining);
    }
}

impl<C, B> hyper::service::Service<Request<B>> for Supervisor<C>
where
    C: Cluster,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let supervisor = self.clone();
        Box::pin(async move { Ok(supervisor.handle(request).await) })
    }
}
