//! Every bound on what comes from outside, with its unit.

use std::time::Duration;

/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 3 << 20;

/// Bytes of a user token: it travels in a header of each request.
pub const USER_TOKEN_BYTES_MAX: usize = 6 << 10;

/// Groups of the bearer of a user token.
pub const USER_TOKEN_GROUPS_MAX: usize = 64;

/// Bytes of each name in one.
pub const USER_TOKEN_NAME_BYTES_MAX: usize = 256;

/// From the head of a request to the end of its body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of a body that are taken in though the answer does not need them.
pub const DRAIN_BYTES_MAX: usize = 256 << 10;

/// For how long they are.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// Letters of the warnings of one answer, as upstream has it.
pub const WARNINGS_RUNES_MAX: usize = 4096;

/// Letters of one of them, where all are more than that: upstream's number.
pub const WARNING_RUNES_MAX: usize = 256;

/// Warnings of one answer that are held.
pub const WARNINGS_MAX: usize = 64;

/// Bytes of what a request's audit event says that others have had noted.
pub const CALL_ANNOTATIONS_BYTES_MAX: usize = 64 << 10;

/// Webhooks that metrics tell apart, each with what it was asked about and what came of it.
pub const WEBHOOK_METRIC_ROWS_MAX: usize = 512;

/// Rows of each metric of admission: policies, webhooks and conditions that it tells apart, with
/// what they were asked about and what came of it.
pub const ADMISSION_METRIC_ROWS_MAX: usize = 512;

/// Roles that a first start writes at once: one durable write of the log holds many.
pub const FIRST_WRITES_MAX: usize = 64;

/// Bytes of all admission policies and their bindings together: each member holds them, parsed.
pub const POLICIES_BYTES_MAX: usize = 1 << 20;

/// Objects that one binding of a policy may have for parameters: each is one evaluation.
pub const POLICY_PARAMS_MAX: usize = 256;

/// Bytes of what a policy has an audit event say under one key: upstream's.
pub const POLICY_ANNOTATION_BYTES_MAX: usize = 10 << 10;

/// Failures of policies that an audit event tells: upstream's.
pub const POLICY_FAILURES_MAX: usize = 50;

/// Bytes of an answer that the server gives itself.
pub const LOCAL_ANSWER_BYTES_MAX: usize = 4 << 20;

/// Keys of secrets encryption: those that seal, that may still be needed to open, and one to spare.
pub const KEYRING_KEYS_MAX: usize = 8;

/// From the last object that was encrypted anew until it is believed that none is left: what other
/// servers were writing meanwhile has arrived by then.
pub const REENCRYPTION_QUIET_TIME: Duration = Duration::from_secs(5);

/// Resources that are encrypted.
pub const ENCRYPTED_RESOURCES_MAX: usize = 64;

/// Objects of one file that the server applies by itself.
pub const MANIFEST_OBJECTS_MAX: usize = 5000;

/// Objects, and reasons of each, of which a part of the server remembers what it told.
pub const NOTES_MAX: usize = 256;

/// Bytes of what an event says, without what upstream sets before it; upstream takes 1024.
pub const NOTE_BYTES_MAX: usize = 960;

/// Levels of objects and lists in a body.
pub const DEPTH_MAX: usize = 100;

/// Values that a YAML body may hold once its aliases are followed.
pub const YAML_NODES_MAX: usize = 200_000;

/// Bytes that a YAML body may hold once its aliases are followed.
pub const YAML_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;

/// Bytes of a query string.
pub const QUERY_BYTES_MAX: usize = 16 << 10;

/// Bytes of objects that a list reads at once.
pub const LIST_CHUNK_BYTES: usize = 64 << 10;

/// Bytes of objects that a watch reads at once before the changes: many watches begin together when
/// a server has come back.
pub const WATCH_INITIAL_BYTES: usize = 16 << 10;

/// Bytes of a list as protobuf that are held until its length is known, which comes first: a longer
/// one is made twice.
pub const LIST_PROTOBUF_BYTES_MAX: usize = 1 << 20;

/// How long a list holds one view of the store, and with it the space of what changes meanwhile.
pub const LIST_VIEW_TIME_MAX: Duration = Duration::from_secs(2);

/// Watches at once, of all clients.
pub const WATCHES_MAX: usize = 16_384;

/// Requests under way at once that read, where they have seats: upstream's default. All requests
/// share the seats of those that read and those that write.
pub const REQUESTS_MAX: usize = 400;

/// As [`REQUESTS_MAX`], of requests that write.
pub const MUTATING_REQUESTS_MAX: usize = 200;

/// Of each of both, however little memory there is.
pub const REQUESTS_MIN: usize = 32;

/// Bytes of the memory budget that one request under way counts as.
pub const REQUEST_BYTES: u64 = (64 << 20) / 400;

/// How long a request waits for a seat: upstream's quarter of the time that a request may take.
pub const FLOW_WAIT_TIME_MAX: Duration = Duration::from_secs(15);

/// Bytes that a request counts as which waits for a seat.
pub const WAITING_REQUEST_BYTES: u64 = 16 << 10;

/// The share of the memory budget that they may take: one of so many. There may always be as many
/// as there are seats.
pub const WAITING_SHARE: u64 = 8;

/// The share of the memory budget that bodies may take which are arriving or looked at: one of so
/// many.
pub const BODY_SHARE: u64 = 4;

/// A body is taken only where so many times its bytes may still be allocated.
pub const BODY_ROOM_SHARE: usize = 2;

/// Bytes of memory that a body may become without anybody being asked.
pub const BODY_WEIGHT_LIGHT: usize = 4 << 20;

/// Bodies at once that become more than that.
pub const HEAVY_BODIES_MAX: usize = 4;

/// How long an answer that is sent in pieces counts as a request under way: upstream's limit of a
/// whole request.
pub const REQUEST_PLACE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a connection to a node or a pod may take to be made.
pub const DIAL_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a TLS handshake with another server may take: Go's default.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of a proxied connection that one side is ahead of the other, besides the socket's.
pub const UPSTREAM_BUFFER_BYTES_MAX: usize = 64 << 10;

/// Bytes of an answer that another server may send over HTTP/2 before they are read.
pub const UPSTREAM_STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// Bytes that such a server may send on one connection: as much as all its requests may.
pub const UPSTREAM_CONNECTION_WINDOW_BYTES: u32 =
    UPSTREAM_STREAM_WINDOW_BYTES * POOLED_REQUESTS_MAX as u32;

/// Connections to one extension server that stay open, each to another of its addresses.
pub const POOLED_CONNECTIONS_MAX: usize = 4;

/// Requests on such a connection at a time; those beyond have connections of their own.
pub const POOLED_REQUESTS_MAX: usize = 8;

/// How long one may stay open that nobody uses: Go's default.
pub const POOLED_IDLE_TIME_MAX: Duration = Duration::from_secs(90);

/// How long another server may be silent while it is asked, until it has to show that it is there;
/// upstream's.
pub const UPSTREAM_PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to do so; upstream's.
pub const UPSTREAM_PONG_TIME_MAX: Duration = Duration::from_secs(15);

/// Bytes that are read of what another server says of an error: upstream's.
pub const PROXY_ERROR_BYTES_MAX: usize = 2048;

/// Versions of the API that others answer for.
pub const EXTENSIONS_MAX: usize = 64;

/// Versions of the API altogether.
pub const API_SERVICES_MAX: usize = 4096;

/// Bytes of the certificates that one extension server is verified with.
pub const CA_BUNDLE_BYTES_MAX: usize = 64 << 10;

/// How long an extension server may take to say what it has: upstream's.
pub const DISCOVERY_TIME_MAX: Duration = Duration::from_secs(5);

/// Bytes of that.
pub const DISCOVERY_BYTES_MAX: usize = 512 << 10;

/// Bytes of its OpenAPI document of version 2, all of which is read.
pub const SWAGGER_BYTES_MAX: usize = 4 << 20;

/// Bytes that are kept of it for one version.
pub const SWAGGER_KEPT_BYTES_MAX: usize = 256 << 10;

/// Between two such questions; also the longest pause after one that was not answered.
pub const DISCOVERY_INTERVAL: Duration = Duration::from_secs(60);

/// The first pause after one that was not answered.
pub const DISCOVERY_RETRY: Duration = Duration::from_millis(500);

/// How many extension servers are asked at once.
pub const ASKED_MAX: usize = 8;

/// How long somebody else may take to begin an answer that does not last: upstream's limit of a
/// whole request.
pub const PROXIED_TIME_MAX: Duration = Duration::from_secs(60);

/// Between two looks at whether an extension server answers: upstream's.
pub const AVAILABILITY_INTERVAL: Duration = Duration::from_secs(30);

/// Connections that are something else than HTTP by now: exec, port-forward and the like.
pub const TUNNELS_MAX: usize = 256;

/// Bytes that each direction of one holds.
pub const TUNNEL_BUFFER_BYTES: usize = 16 << 10;

/// Kinds of requests that metrics tell apart.
pub const METRIC_ROWS_MAX: usize = 1024;

/// Between two counts of all objects, for metrics.
pub const OBJECT_COUNT_INTERVAL: Duration = Duration::from_secs(60);

/// Answers that are compressed at once: each takes about 400 KB.
pub const GZIP_MAX: usize = 4;

/// Revisions that watchers are told of before other work gets its turn.
pub const PUMP_REVISIONS_MAX: usize = 256;

/// Revisions that one watcher takes from the ring at once.
pub const WATCH_REVISIONS_MAX: usize = 64;

/// Bytes of events that one watcher takes from the ring at once, but for a larger single one.
pub const WATCH_BATCH_BYTES: usize = 32 << 10;

/// Bytes of events that a watcher which has fallen off the ring reads from history at once.
pub const WATCH_HISTORY_BYTES: usize = 128 << 10;

/// Between two bookmarks of a watch that asked for them.
pub const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// Before the end of a watch that asked for bookmarks, its last one is sent.
pub const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// How long a watch lasts that does not say: between this and twice this.
pub const WATCH_TIME_MIN: Duration = Duration::from_secs(1800);

/// How long nobody may lead until writers are no longer told to try again: longer than elections
/// take where a majority is up.
pub const ELECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// How much memory the schemas of custom resources may hold that were compiled last.
pub const SCHEMAS_BYTES_MAX: usize = 4 << 20;

/// Bytes of what a policy's status says of its expressions: what is wrong besides is not told.
pub const TYPE_WARNINGS_BYTES_MAX: usize = 64 << 10;

/// How long a request waits for a definition of a custom resource that the store has, and this
/// member is yet to read.
pub const DEFINITION_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a conversion webhook may take: upstream's time.
pub const CONVERSION_TIME_MAX: Duration = Duration::from_secs(30);

/// Bytes of the answer of a conversion webhook: a chunk of a list, and what was added to it.
pub const CONVERSION_ANSWER_BYTES_MAX: usize = 8 << 20;

/// Steps of the JSONPath of a printer column.
pub const JSON_PATH_STEPS_MAX: usize = 64;

/// How long a read waits to learn what the newest state is, before it is answered from the state
/// at hand with a warning.
pub const LINEARIZE_TIME_MAX: Duration = Duration::from_secs(3);

/// How often a read-modify-write that nobody asked to be conditional is tried.
pub const CONFLICT_RETRIES_MAX: usize = 8;

/// How often another name is made up for an object that wants one.
pub const NAME_TRIES_MAX: usize = 8;

/// Answers smaller than this are not worth compressing.
pub const GZIP_BYTES_MIN: usize = 128 << 10;

/// How often history is compacted, and how old it is then.
pub const COMPACTION_INTERVAL: Duration = Duration::from_secs(300);

/// Between two looks at what is to be cleaned up at a time of its own.
pub const CLEANING_INTERVAL: Duration = Duration::from_secs(3600);

/// Between two looks at what could not be done yet.
pub const REVISIT_INTERVAL: Duration = Duration::from_secs(30);

/// Encoded events that are held for other watchers.
pub const FRAMES_MAX: usize = 64;

/// Bytes of such events.
pub const FRAMES_BYTES_MAX: usize = 1 << 20;

/// Runs of events that are held for other watchers: those that were told last of the same one are
/// told next one after the other.
pub const RUNS_MAX: usize = 8;

/// Bytes of such runs.
pub const RUNS_BYTES_MAX: usize = 256 << 10;

/// The ports on nodes that Services may have: upstream's default range.
pub const NODE_PORT_MIN: u16 = 30_000;
/// See [`NODE_PORT_MIN`].
pub const NODE_PORT_MAX: u16 = 32_767;

/// How often another address is tried for a Service before its network counts as full.
pub const CLAIM_TRIES_MAX: usize = 512;

/// Between two looks for claims that no Service uses; a Service is stored within far less than that
/// after its address was claimed.
pub const CLAIM_LOOK_INTERVAL: Duration = Duration::from_secs(300);

/// Endpoints of one EndpointSlice that the server makes: upstream's default.
pub const SLICE_ENDPOINTS_MAX: usize = 100;

/// Addresses of one Endpoints object that the server makes, as upstream's.
pub const ENDPOINTS_ADDRESSES_MAX: usize = 1000;

/// Addresses of one subset of somebody's Endpoints that are mirrored, as upstream's.
pub const MIRRORED_ADDRESSES_MAX: usize = 1000;

/// How often a write is tried anew because others were charged to the same quota.
pub const CHARGE_TRIES_MAX: usize = 64;

/// Questions to webhooks under way at once.
pub const WEBHOOK_CALLS_MAX: usize = 64;

/// Of these, those to one server.
pub const WEBHOOK_CALLS_EACH_MAX: usize = 24;

/// Bytes of questions that are being sent to webhooks.
pub const WEBHOOK_QUESTIONS_BYTES_MAX: usize = 8 << 20;

/// Bytes of a webhook's answer up to which any number may be read at once.
pub const WEBHOOK_ANSWER_PLAIN_BYTES: usize = 64 << 10;

/// Longer answers of webhooks that are read at once.
pub const WEBHOOK_ANSWERS_LARGE_MAX: usize = 2;

/// Bytes of the head of a webhook's answer.
pub const WEBHOOK_HEAD_BYTES_MAX: usize = 32 << 10;

/// Connections to webhooks that are kept though nobody uses them.
pub const WEBHOOK_IDLE_MAX: usize = 16;

/// For how long they are: as Go keeps them.
pub const WEBHOOK_IDLE_TIME_MAX: Duration = Duration::from_secs(90);

/// Bytes of the system's file of authorities.
pub const SYSTEM_AUTHORITIES_BYTES_MAX: u64 = 2 << 20;

/// How long a webhook may take: upstream's limit.
pub const WEBHOOK_TIME_MAX: Duration = Duration::from_secs(30);

/// How long all webhooks of one request may take: upstream's limit of a whole request.
pub const WEBHOOKS_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of all configurations of webhooks: every member holds what they say.
pub const WEBHOOK_CONFIGURATIONS_BYTES_MAX: usize = 4 << 20;

/// Bytes of the answer of an admission webhook: a patch of a whole object, in base64.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 5 << 20;
