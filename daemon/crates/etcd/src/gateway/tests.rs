//! Every path of the gateway, and the forms of JSON that etcd's takes and gives.

use std::sync::Mutex;

use bytes::BufMut;
use http_body_util::{BodyExt, Full, StreamBody};
use prost::Message;
use serde_json::{Value, json};
use skerry_proto::{authpb, etcdserverpb as pb, mvccpb, v3electionpb, v3lockpb};

use super::*;
use crate::grpc;

/// Stands for the dispatcher: keeps what it was asked, answers what it was given.
struct Recorder {
    asked: Mutex<Vec<(String, HeaderMap, Vec<Bytes>)>>,
    answer: Mutex<Option<Response<Body>>>,
}

impl Calls for Recorder {
    async fn call(&self, request: Request<Frames>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut frames = body.collect().await.unwrap().to_bytes();
        let mut messages = Vec::new();
        while !frames.is_empty() {
            let header = frames.split_to(5);
            assert_eq!(header[0], 0, "compressed");
            let length = u32::from_be_bytes(header[1..].try_into().unwrap());
            messages.push(frames.split_to(length as usize));
        }
        let path = parts.uri.path().to_owned();
        self.asked
            .lock()
            .unwrap()
            .push((path, parts.headers, messages));
        self.answer.lock().unwrap().take().unwrap()
    }
}

/// What came of one request to the gateway.
struct Exchange {
    status: u16,
    headers: HeaderMap,
    body: String,
    /// gRPC path, metadata and messages, if the call went on.
    asked: Option<(String, HeaderMap, Vec<Bytes>)>,
}

impl Exchange {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn message<M: Message + Default>(&self) -> M {
        let (_, _, messages) = self.asked.as_ref().expect("the call went on");
        assert_eq!(messages.len(), 1);
        M::decode(messages[0].clone()).unwrap()
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn exchange(request: Request<Full<Bytes>>, answered: Response<Body>) -> Exchange {
    run(async {
        let recorder = Recorder {
            asked: Mutex::default(),
            answer: Mutex::new(Some(answered)),
        };
        let (parts, body) = answer(&recorder, request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Exchange {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            asked: recorder.asked.into_inner().unwrap().pop(),
        }
    })
}

fn request(path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

fn ok<M: Message>(message: &M) -> Response<Body> {
    Response::new(Body::unary(grpc::frame(message)))
}

fn post<M: Message>(path: &str, body: &str, answered: &M) -> Exchange {
    exchange(request(path, body), ok(answered))
}

fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader {
        cluster_id: 12_101_053_776_118_486_841,
        member_id: 15_985_099_378_392_235_387,
        revision,
        raft_term: 2,
    })
}

fn header_json(revision: i64) -> Value {
    json!({
        "cluster_id": "12101053776118486841",
        "member_id": "15985099378392235387",
        "revision": revision.to_string(),
        "raft_term": "2",
    })
}

fn key_value() -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: Bytes::from_static(b"foo"),
        create_revision: 2,
        mod_revision: 4,
        version: 3,
        value: Bytes::from_static(b"bar"),
        lease: 0,
    }
}

fn key_value_json() -> Value {
    json!({
        "key": "Zm9v", "create_revision": "2", "mod_revision": "4", "version": "3", "value": "YmFy",
    })
}

#[test]
fn every_path_reaches_its_method_and_gives_back_its_answer() {
    let schema = schema().unwrap();
    for (path, method_path) in routes::ROUTES {
        let method = schema
            .method(method_path)
            .unwrap_or_else(|| panic!("{method_path}"));
        // An answer of nothing but a header: all of etcd's have one, as their first field.
        let mut answered = Vec::new();
        let header = header(7).unwrap();
        prost::encoding::message::encode(1, &header, &mut answered);
        let mut frame = vec![0];
        frame.put_u32(answered.len() as u32);
        frame.extend_from_slice(&answered);
        let response = Response::new(Body::unary(frame.into()));

        let got = exchange(request(path, "{}"), response);
        assert_eq!(got.status, 200, "{path}");
        let (asked, metadata, messages) = got.asked.as_ref().unwrap();
        assert_eq!(asked, method_path, "{path}");
        assert_eq!(messages, &[Bytes::new()], "{path}");
        assert_eq!(metadata[header::CONTENT_TYPE], "application/grpc");
        assert_eq!(got.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(
            got.headers["grpc-metadata-content-type"],
            "application/grpc"
        );
        let answer = json!({"header": header_json(7)});
        if method.server_streams {
            assert_eq!(got.json(), json!({"result": answer}), "{path}");
            assert!(got.body.ends_with('\n'), "{path}");
        } else {
            assert_eq!(got.json(), answer, "{path}");
        }
    }
    // Every method of etcd's services has a path.
    let mut served: Vec<_> = routes::ROUTES.iter().map(|route| route.1).collect();
    served.sort_unstable();
    served.dedup();
    assert_eq!(served.len(), 48);
}

#[test]
fn a_range_is_asked_and_answered_in_etcds_form() {
    let answered = pb::RangeResponse {
        header: header(4),
        kvs: vec![key_value(), key_value()],
        more: true,
        count: 5,
    };
    let body =
        r#"{"key":"Zm9v","range_end":"AA==","limit":"2","sort_order":"DESCEND","sortTarget":1}"#;
    let got = post("/v3/kv/range", body, &answered);
    let expected = pb::RangeRequest {
        key: Bytes::from_static(b"foo"),
        range_end: Bytes::from_static(b"\0"),
        limit: 2,
        sort_order: 2,
        sort_target: 1,
        ..Default::default()
    };
    assert_eq!(got.message::<pb::RangeRequest>(), expected);
    assert_eq!(
        got.json(),
        json!({
            "header": header_json(4),
            "kvs": [key_value_json(), key_value_json()],
            "more": true,
            "count": "5",
        })
    );
}

#[test]
fn fields_are_taken_in_all_forms_of_jsons_mapping() {
    for (body, expected) in [
        (r#"{"TTL":60,"ID":"77"}"#, (60, 77)),
        (r#"{"TTL":"-5","ID":-5}"#, (-5, -5)),
        (r#"{"TTL":6e1,"ID":77.0}"#, (60, 77)),
        (
            r#"{"TTL":"9223372036854775807","ID":-9223372036854775808}"#,
            (i64::MAX, i64::MIN),
        ),
        (r#"{"TTL":null,"ID":null}"#, (0, 0)),
        (r#"{"TTL":1,"unknown":{"a":[1,{"b":null}]}}"#, (1, 0)),
        (r#"{"TTL":1} {"TTL":2} what follows is not read"#, (1, 0)),
        ("", (0, 0)),
        (" \n", (0, 0)),
    ] {
        let got = post("/v3/lease/grant", body, &pb::LeaseGrantResponse::default());
        assert_eq!(got.status, 200, "{body}: {}", got.body);
        let message = got.message::<pb::LeaseGrantRequest>();
        assert_eq!((message.ttl, message.id), expected, "{body}");
    }
    // Both alphabets of base64, with and without padding.
    for text in ["-_8=", "-_8", "+/8=", "+/8"] {
        let body = json!({ "key": text, "prevKv": true, "ignore_lease": false }).to_string();
        let got = post("/v3/kv/put", &body, &pb::PutResponse::default());
        let message = got.message::<pb::PutRequest>();
        assert_eq!(
            (&message.key[..], message.prev_kv),
            (&[0xfb, 0xff][..], true),
            "{text}"
        );
    }
}

#[test]
fn what_does_not_fit_the_message_is_refused_before_it_goes_on() {
    for (path, body, says) in [
        ("/v3/kv/range", r#"{"key":"Zm9v""#, "EOF"),
        ("/v3/kv/range", "null", "null"),
        ("/v3/kv/range", "[]", "sequence"),
        ("/v3/kv/range", "5", "integer"),
        (
            "/v3/kv/range",
            r#"{"key":5}"#,
            "invalid value for bytes field key: 5",
        ),
        (
            "/v3/kv/range",
            r#"{"key":"!!!!"}"#,
            r#"invalid value for bytes field key: "!!!!""#,
        ),
        (
            "/v3/kv/range",
            r#"{"limit":"x"}"#,
            r#"invalid value for int64 field limit: "x""#,
        ),
        (
            "/v3/kv/range",
            r#"{"limit":1.5}"#,
            "invalid value for int64 field limit: 1.5",
        ),
        (
            "/v3/kv/range",
            r#"{"limit":9223372036854775808}"#,
            "int64 field limit",
        ),
        ("/v3/kv/range", r#"{"limit":1e300}"#, "int64 field limit"),
        (
            "/v3/kv/range",
            r#"{"serializable":"true"}"#,
            "bool field serializable",
        ),
        (
            "/v3/kv/range",
            r#"{"serializable":1}"#,
            "bool field serializable",
        ),
        (
            "/v3/kv/range",
            r#"{"sort_order":"NOPE"}"#,
            "unknown value \"NOPE\" for enum etcdserverpb.RangeRequest.SortOrder",
        ),
        (
            "/v3/kv/range",
            r#"{"sort_order":4294967296}"#,
            "enum field sort_order",
        ),
        ("/v3/kv/range", r#"{"key":["Zm9v"]}"#, "bytes field key"),
        (
            "/v3/kv/range",
            r#"{"limit":1,"limit":2}"#,
            "duplicate field limit",
        ),
        (
            "/v3/kv/txn",
            r#"{"compare":{}}"#,
            "an array for field compare",
        ),
        ("/v3/kv/txn", r#"{"compare":[5]}"#, "an object"),
        (
            "/v3/kv/txn",
            r#"{"compare":[{"version":"1","mod_revision":"1"}]}"#,
            "oneof",
        ),
        (
            "/v3/kv/txn",
            &"{\"success\":[{\"request_txn\":".repeat(100),
            "recursion",
        ),
        ("/v3/auth/user/add", r#"{"options":true}"#, "an object"),
        ("/v3/auth/user/add", r#"{"name":5}"#, "string field name"),
        ("/v3/watch", "{bad", "key must be a string"),
        ("/v3/watch", r#"{"create_request":5}"#, "an object"),
        ("/v3/watch", "}", "expected value"),
    ] {
        let got = post(path, body, &pb::RangeResponse::default());
        assert!(got.asked.is_none(), "{body} went on");
        assert_eq!(got.status, 400, "{body}");
        let json = got.json();
        assert_eq!(json["code"], 3, "{body}");
        assert_eq!(json["error"], json["message"], "{body}");
        let text = json["message"].as_str().unwrap();
        assert!(
            text.starts_with("proto: ") && text.contains(says),
            "{text:?} for {says:?}"
        );
    }
}

#[test]
fn an_error_does_not_give_back_the_whole_request() {
    let body = json!({ "limit": "é".repeat(10_000) }).to_string();
    let got = post("/v3/kv/range", &body, &pb::RangeResponse::default());
    assert_eq!(got.status, 400);
    assert!(got.body.len() < 1024, "{} bytes", got.body.len());
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let mut body = vec![b' '; limits::VALUE_BYTES_MAX];
    body.extend_from_slice(b"{}");
    let too_long = String::from_utf8(body).unwrap();
    let got = post("/v3/kv/range", &too_long, &pb::RangeResponse::default());
    assert_eq!((got.status, got.asked.is_none()), (400, true));
    let endless = format!("{{\"a\":\"{}", "x".repeat(limits::VALUE_BYTES_MAX));
    let got = post("/v3/watch", &endless, &pb::WatchResponse::default());
    assert_eq!((got.status, got.asked.is_none()), (400, true));
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let schema = schema().unwrap();
    let input = schema.method("/etcdserverpb.KV/Range").unwrap().input;
    let never = StreamBody::new(futures_util::stream::pending::<Result<_, Status>>());
    let time_max = std::time::Duration::from_millis(1);
    let refused = run(request::single(&schema, input, never, time_max));
    assert_eq!(refused.err().unwrap().code(), tonic::Code::Cancelled);
}

#[test]
fn an_answer_over_the_limit_is_refused() {
    let mut frame = vec![0];
    frame.put_u32(limits::ANSWER_BYTES_MAX as u32 + 1);
    let response = Response::new(Body::unary(frame.into()));
    let got = exchange(request("/v3/kv/range", "{}"), response);
    assert_eq!(got.status, 429);
}

#[test]
fn a_long_answer_is_written_whole() {
    let kvs = vec![key_value(); 50_000];
    let answered = pb::RangeResponse {
        kvs,
        ..Default::default()
    };
    assert!(answered.encoded_len() > limits::INLINE_BYTES_MAX);
    let got = post("/v3/kv/range", "{}", &answered);
    assert_eq!(got.json()["kvs"].as_array().unwrap().len(), 50_000);
}

#[test]
fn a_transaction_nests_both_ways() {
    let body = json!({
        "compare": [{"target": "VERSION", "key": "Zm9v", "version": "0", "result": "GREATER"}],
        "success": [{"requestPut": {"key": "Zm9v"}}, {"request_txn": {"failure": [{"request_range": {}}]}}],
        "failure": [],
    });
    let answered = pb::TxnResponse {
        header: header(9),
        succeeded: true,
        responses: vec![
            pb::ResponseOp {
                response: Some(pb::response_op::Response::ResponsePut(pb::PutResponse {
                    header: Some(pb::ResponseHeader {
                        revision: 9,
                        ..Default::default()
                    }),
                    prev_kv: None,
                })),
            },
            pb::ResponseOp {
                response: Some(pb::response_op::Response::ResponseTxn(
                    pb::TxnResponse::default(),
                )),
            },
        ],
    };
    let got = post("/v3/kv/txn", &body.to_string(), &answered);
    let asked = got.message::<pb::TxnRequest>();
    assert_eq!(
        asked.compare[0],
        pb::Compare {
            result: pb::compare::CompareResult::Greater as i32,
            target: pb::compare::CompareTarget::Version as i32,
            key: Bytes::from_static(b"foo"),
            range_end: Bytes::new(),
            target_union: Some(pb::compare::TargetUnion::Version(0)),
        }
    );
    assert_eq!(asked.success.len(), 2);
    let Some(pb::request_op::Request::RequestTxn(inner)) = &asked.success[1].request else {
        panic!("not a transaction");
    };
    assert!(matches!(
        inner.failure[0].request,
        Some(pb::request_op::Request::RequestRange(_))
    ));
    assert_eq!(
        got.json(),
        json!({
            "header": header_json(9),
            "succeeded": true,
            "responses": [{"response_put": {"header": {"revision": "9"}}}, {"response_txn": {}}],
        })
    );
}

#[test]
fn enums_go_out_by_name_and_numbers_of_32_bits_as_numbers() {
    let answered = pb::AlarmResponse {
        header: None,
        alarms: vec![
            pb::AlarmMember {
                member_id: 5,
                alarm: pb::AlarmType::Nospace as i32,
            },
            pb::AlarmMember {
                member_id: 0,
                alarm: 9,
            },
        ],
    };
    let body = r#"{"action":"ACTIVATE","memberID":"5","alarm":2}"#;
    let got = post("/v3/maintenance/alarm", body, &answered);
    let asked = got.message::<pb::AlarmRequest>();
    assert_eq!((asked.action, asked.member_id, asked.alarm), (1, 5, 2));
    assert_eq!(
        got.json(),
        json!({"alarms": [{"memberID": "5", "alarm": "NOSPACE"}, {"alarm": 9}]})
    );

    let answered = pb::HashKvResponse {
        header: None,
        hash: u32::MAX,
        compact_revision: -1,
    };
    let got = post("/v3/maintenance/hashkv", "{}", &answered);
    assert_eq!(
        got.json(),
        json!({"hash": 4_294_967_295u32, "compact_revision": "-1"})
    );
}

#[test]
fn names_and_passwords_are_strings_with_json_escapes() {
    let body = r#"{"name":"a\"\u00e9\n","password":"p","options":{"no_password":true}}"#;
    let got = post(
        "/v3/auth/user/add",
        body,
        &pb::AuthUserAddResponse::default(),
    );
    let asked = got.message::<pb::AuthUserAddRequest>();
    assert_eq!(
        (asked.name.as_str(), asked.password.as_str()),
        ("a\"é\n", "p")
    );
    assert_eq!(
        asked.options,
        Some(authpb::UserAddOptions { no_password: true })
    );

    let answered = pb::AuthUserListResponse {
        header: None,
        users: vec!["a\"é\n".into(), String::new()],
    };
    let got = post("/v3/auth/user/list", "", &answered);
    assert_eq!(got.json(), json!({"users": ["a\"é\n", ""]}));

    let answered = pb::AuthRoleGetResponse {
        header: None,
        perm: vec![authpb::Permission {
            perm_type: authpb::permission::Type::Readwrite as i32,
            key: Bytes::from_static(b"foo"),
            range_end: Bytes::from_static(b"\0"),
        }],
    };
    let got = post("/v3/auth/role/get", r#"{"role":"r"}"#, &answered);
    assert_eq!(
        got.json(),
        json!({"perm": [{"permType": "READWRITE", "key": "Zm9v", "range_end": "AA=="}]})
    );
}

#[test]
fn locks_and_elections_have_their_own_packages() {
    let answered = v3lockpb::LockResponse {
        header: None,
        key: Bytes::from_static(b"foo"),
    };
    let got = post("/v3/lock/lock", r#"{"name":"Zm9v","lease":"7"}"#, &answered);
    assert_eq!(got.message::<v3lockpb::LockRequest>().lease, 7);
    assert_eq!(got.json(), json!({"key": "Zm9v"}));

    let answered = v3electionpb::LeaderResponse {
        header: None,
        kv: Some(key_value()),
    };
    let got = post("/v3/election/observe", r#"{"name":"Zm9v"}"#, &answered);
    assert_eq!(got.json(), json!({"result": {"kv": key_value_json()}}));
}

#[test]
fn one_body_may_hold_several_requests_of_a_stream() {
    let body = r#"{"create_request":{"key":"Zm9v","start_revision":"2","filters":["NOPUT",1]}}
        {"create_request":{}}{"progressRequest":{}} {"cancel_request":{"watch_id":"3"}}"#;
    let event = mvccpb::Event {
        r#type: 0,
        kv: Some(key_value()),
        prev_kv: None,
    };
    let deleted = mvccpb::Event {
        r#type: 1,
        ..Default::default()
    };
    let answered = pb::WatchResponse {
        header: header(4),
        watch_id: 1,
        events: vec![event, deleted],
        ..Default::default()
    };
    let got = post("/v3/watch", body, &answered);
    let (_, _, messages) = got.asked.as_ref().unwrap();
    let asked: Vec<pb::WatchRequest> = messages
        .iter()
        .map(|message| pb::WatchRequest::decode(message.clone()).unwrap())
        .collect();
    use pb::watch_request::RequestUnion;
    let Some(RequestUnion::CreateRequest(create)) = &asked[0].request_union else {
        panic!("not a create request");
    };
    assert_eq!(
        (create.start_revision, create.filters.as_slice()),
        (2, &[0, 1][..])
    );
    assert!(matches!(
        asked[1].request_union,
        Some(RequestUnion::CreateRequest(_))
    ));
    assert!(matches!(
        asked[2].request_union,
        Some(RequestUnion::ProgressRequest(_))
    ));
    assert!(matches!(
        asked[3].request_union,
        Some(RequestUnion::CancelRequest(pb::WatchCancelRequest {
            watch_id: 3
        }))
    ));
    assert_eq!(
        got.body,
        format!(
            "{{\"result\":{{\"header\":{},\"watch_id\":\"1\",\"events\":[{{\"kv\":{}}},{{\"type\":\"DELETE\"}}]}}}}\n",
            r#"{"cluster_id":"12101053776118486841","member_id":"15985099378392235387","revision":"4","raft_term":"2"}"#,
            r#"{"key":"Zm9v","create_revision":"2","mod_revision":"4","version":"3","value":"YmFy"}"#,
        )
    );
}

#[test]
fn a_stream_ends_at_the_first_later_request_that_cannot_be_read() {
    let got = post(
        "/v3/watch",
        r#"{"progress_request":{}} {"create_request":7} {}"#,
        &pb::WatchResponse::default(),
    );
    assert_eq!(got.status, 200);
    assert_eq!(got.asked.unwrap().2.len(), 1);
}

#[test]
fn refusals_carry_etcds_text_under_the_http_status_of_their_code() {
    for (status, http) in [
        (
            Status::invalid_argument("etcdserver: key is not provided"),
            400,
        ),
        (
            Status::out_of_range("etcdserver: mvcc: required revision has been compacted"),
            400,
        ),
        (
            Status::failed_precondition("etcdserver: lease already exists"),
            400,
        ),
        (
            Status::not_found("etcdserver: requested lease not found"),
            404,
        ),
        (
            Status::permission_denied("etcdserver: permission denied"),
            403,
        ),
        (
            Status::unauthenticated("etcdserver: invalid auth token"),
            401,
        ),
        (
            Status::resource_exhausted("etcdserver: mvcc: database space exceeded"),
            429,
        ),
        (Status::unavailable("etcdserver: no leader"), 503),
        (Status::unknown("election: no leader"), 500),
        (
            Status::deadline_exceeded("etcdserver: context deadline exceeded"),
            504,
        ),
        (Status::unimplemented("unknown method"), 501),
    ] {
        let got = exchange(request("/v3/kv/range", "{}"), grpc::refuse(status.clone()));
        assert_eq!(got.status, http, "{status}");
        let text = serde_json::to_string(status.message()).unwrap();
        let code = status.code() as i32;
        assert_eq!(
            got.body,
            format!("{{\"error\":{text},\"code\":{code},\"message\":{text}}}")
        );
        assert_eq!(got.headers[header::CONTENT_TYPE], "application/json");

        let got = exchange(request("/v3/watch", "{}"), grpc::refuse(status.clone()));
        assert_eq!(got.status, http, "{status}");
        assert_eq!(got.json()["error"]["grpc_code"], code);
        assert_eq!(got.json()["error"]["http_code"], http);
        assert_eq!(got.json()["error"]["message"], status.message());
        let reason = StatusCode::from_u16(http).unwrap();
        assert_eq!(
            got.json()["error"]["http_status"],
            reason.canonical_reason().unwrap()
        );
    }
}

#[test]
fn a_stream_that_fails_later_says_so_in_its_last_line() {
    let frame = grpc::frame(&pb::WatchResponse {
        watch_id: 1,
        ..Default::default()
    });
    let mut trailers = HeaderMap::new();
    Status::unavailable("etcdserver: no leader")
        .add_header(&mut trailers)
        .unwrap();
    let frames = http_body_util::Full::new(frame)
        .map_err(|never| -> Status { match never {} })
        .with_trailers(std::future::ready(Some(Ok(trailers))));
    let got = exchange(
        request("/v3/watch", "{}"),
        Response::new(Body::stream(frames)),
    );
    assert_eq!(got.status, 200);
    assert_eq!(
        got.body,
        "{\"result\":{\"watch_id\":\"1\"}}\n{\"error\":{\"grpc_code\":14,\"http_code\":503,\
         \"message\":\"etcdserver: no leader\",\"http_status\":\"Service Unavailable\"}}"
    );
}

#[test]
fn tokens_and_metadata_go_on_and_nothing_else_does() {
    let request = Request::post("/v3/kv/range")
        .header("Authorization", "abc.1")
        .header("Grpc-Metadata-hasleader", "true")
        .header("Accept", "*/*")
        .header("Cookie", "x")
        .header("token", "stolen")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let got = exchange(request, ok(&pb::RangeResponse::default()));
    let (_, metadata, _) = got.asked.unwrap();
    assert_eq!(metadata["authorization"], "abc.1");
    assert_eq!(metadata["hasleader"], "true");
    assert_eq!(metadata.len(), 4, "{metadata:?}");
}

#[test]
fn other_paths_and_methods_are_answered_as_etcds_router_does() {
    let got = post("/v3/kv/nothing", "{}", &pb::RangeResponse::default());
    assert_eq!((got.status, got.body.as_str()), (404, "Not Found\n"));
    let got = post("/v3/kv/range/", "{}", &pb::RangeResponse::default());
    assert_eq!(got.status, 404);
    let get = Request::get("/v3/kv/range")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let got = exchange(get, ok(&pb::RangeResponse::default()));
    assert_eq!(
        (got.status, got.body.as_str()),
        (405, "Method Not Allowed\n")
    );
    assert_eq!(got.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let got = post("/v3beta/kv/range", "{}", &pb::RangeResponse::default());
    assert_eq!(got.status, 200);
    assert!(serves("/v3/watch") && serves("/v3beta/watch"));
    assert!(!serves("/v3alpha/watch") && !serves("/health"));
}

#[test]
fn a_broken_answer_becomes_an_error_and_no_panic() {
    for wire in [
        &b"\x0a\xff"[..],
        b"\x0a\x05\x08",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0b",
        b"\x08\x01",
        b"\x12\x02\x0a\x09",
    ] {
        let mut frame = vec![0];
        frame.put_u32(wire.len() as u32);
        frame.extend_from_slice(wire);
        let response = Response::new(Body::unary(frame.into()));
        let got = exchange(request("/v3/kv/range", "{}"), response);
        assert_eq!(got.status, 500, "{wire:?}: {}", got.body);
    }
    let got = exchange(request("/v3/kv/range", "{}"), Response::new(Body::Empty));
    assert_eq!(got.status, 500);
}

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

#[test]
fn damaged_json_and_damaged_messages_are_errors_and_nothing_worse() {
    let seed = 0x6a73_6f6e;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    let schema = schema().unwrap();
    let body = json!({
        "compare": [{"target": "VERSION", "key": "Zm9v", "version": "0", "range_end": "AA=="}],
        "success": [
            {"request_put": {"key": "Zm9v", "value": "/+8=", "lease": -7, "prev_kv": true}},
            {"request_txn": {"failure": [{"request_range": {"limit": 1e3, "sort_order": 2}}]}},
        ],
    });
    let body = body.to_string().into_bytes();
    let txn = schema.method("/etcdserverpb.KV/Txn").unwrap();
    let wire = to_proto::encode(&schema, txn.input, &body).unwrap();
    assert_eq!(pb::TxnRequest::decode(&wire[..]).unwrap().success.len(), 2);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut damaged = body.clone();
        for _ in 0..=random.below(3) {
            let place = random.below(damaged.len());
            match random.below(3) {
                0 => damaged[place] = b"{}[]\":,0-e.\\\xff"[random.below(13)],
                1 => damaged.truncate(place.max(1)),
                _ => damaged.insert(place, body[random.below(body.len())]),
            }
        }
        match to_proto::encode(&schema, txn.input, &damaged) {
            // What is accepted is a message that the method can read.
            Ok(wire) => {
                pb::TxnRequest::decode(&wire[..]).unwrap();
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
        let mut damaged = wire.clone();
        let place = random.below(damaged.len());
        damaged[place] = random.below(256) as u8;
        let mut json = Vec::new();
        if to_json::write(&schema, txn.input, &damaged, &mut json).is_ok() {
            // Damage may bring a field twice, which JSON has no form for; but JSON it is.
            serde_json::from_slice::<serde::de::IgnoredAny>(&json).unwrap();
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} {refused}");
}
