//! Bodies and queries that are too much: each is refused with a Status, and the server lives on.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;
use skerry_tests_kubectl::{DEADLINE, Running, Servers};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// `kubectl proxy`, which sends on what it is given with the administrator's rights.
struct Proxy {
    address: String,
    _running: Running,
}

impl Proxy {
    fn start(servers: &Servers) -> Proxy {
        let running = servers.background(&["proxy", "--port=0"]);
        let line = running.line_with("Starting to serve on ");
        let address = line.rsplit(' ').next().unwrap().to_owned();
        Proxy {
            address,
            _running: running,
        }
    }

    /// What the server answers: the code, and the Status in the body.
    fn send(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, Value) {
        let (code, text) = self.ask(method, path, media_type, body);
        (code, serde_json::from_str(&text).unwrap_or_default())
    }

    /// What comes back: the code, and the body as it is.
    fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {media_type}\r\n\
             Accept: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // An answer may come before all of the body was taken.
        let _ = stream.write_all(body);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, body.to_owned())
    }

    fn refuses(&self, media_type: &str, body: &str, code: u16) -> Value {
        let (said, status) = self.send("POST", MAPS, media_type, body.as_bytes());
        assert_eq!(said, code, "{status}");
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!(status["code"], code, "{status}");
        status
    }
}

#[tokio::test]
async fn bodies_that_are_too_deep_or_too_long_are_refused_with_a_status() {
    let servers = Servers::start(1).await;
    let proxy = Proxy::start(&servers);
    let deep = 10_000;
    let (open, close) = ("[".repeat(deep), "]".repeat(deep));
    let nested = format!(r#"{{"metadata": {{"name": "a"}}, "data": {open}{close}}}"#);
    proxy.refuses("application/json", &nested, 400);
    proxy.refuses("application/yaml", &nested, 400);
    let (open, close) = (r#"{"a":"#.repeat(deep), "}".repeat(deep));
    proxy.refuses("application/json", &format!("{open}1{close}"), 400);
    let steps: String = (0..deep)
        .map(|depth| format!("{}a:\n", " ".repeat(depth.min(250))))
        .collect();
    proxy.refuses("application/yaml", &steps, 400);

    // The proxy cuts a connection whose body nobody wants; kubectl itself hears the answer.
    let long = "a".repeat(4 << 20);
    let long = format!(r#"{{"metadata": {{"name": "a"}}, "data": {{"a": "{long}"}}}}"#);
    let refused = servers.fails_with(&["create", "--raw", MAPS, "-f", "-"], &long);
    assert!(
        refused.contains("Request entity too large: limit is 3145728"),
        "{refused}"
    );
    servers.ok(&["create", "configmap", "still-here"]);
}

#[tokio::test]
async fn aliases_that_grow_without_end_are_refused_with_a_status() {
    let servers = Servers::start(1).await;
    let proxy = Proxy::start(&servers);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        let all = vec![below; 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{all}]\n"));
    }
    let status = proxy.refuses("application/yaml", &bomb, 400);
    assert_eq!(status["reason"], "BadRequest", "{status}");
    servers.ok(&["create", "configmap", "still-here"]);
}

#[tokio::test]
async fn queries_that_are_too_long_or_make_no_sense_are_refused() {
    let servers = Servers::start(1).await;
    let proxy = Proxy::start(&servers);
    // HTTP/2 itself says how long heads may be, and Go's client holds to it once it has heard so:
    // with the first answer, not before.
    let (code, version) = proxy.send("GET", "/version", "application/json", b"");
    assert_eq!(code, 200, "{version}");
    let path = format!("{MAPS}?labelSelector={}", "a,".repeat(20_000));
    let (code, text) = proxy.ask("GET", &path, "application/json", b"");
    assert_eq!(code, 500, "{text}");
    assert!(text.contains("peer's advertised limit"), "{text}");
    let path = format!("{MAPS}?labelSelector={}", "(".repeat(10_000));
    let (code, status) = proxy.send("GET", &path, "application/json", b"");
    assert_eq!((code, &status["kind"]), (400, &"Status".into()), "{status}");
    servers.ok(&["create", "configmap", "still-here"]);
}
