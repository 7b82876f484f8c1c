//! Snapshots in a bucket, at a real S3 server that checks signatures: moto, over TLS of an authority
//! of its own.
#![allow(clippy::unwrap_used)]

use anyhow::ensure;
use skerry_tests_harness::proto::etcdserverpb as pb;
use skerry_tests_harness::{Cluster, Kind, Member, eventually, peers_folder};
use skerry_tests_lifecycle::{Ran, brisk, kubectl, run, server_of};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a server does by itself it does within this time on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// What moto wants of who has no key yet.
const ANYBODY: &str = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
const MAY_ALL: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A\
    %22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";

/// A server of S3, plain or over TLS; ends with this.
struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    fn start(folder: &Path, tls: &[&str]) -> Moto {
        let log = folder.join(format!("moto-{}.log", tls.len()));
        let file = std::fs::File::create(&log).unwrap();
        let process = Command::new(peers_folder().join("python-moto/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .args(tls)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut moto = Moto {
            process,
            address: ([127, 0, 0, 1], 0).into(),
        };
        moto.address = eventually("the S3 server listens", DEADLINE, || {
            let said = std::fs::read_to_string(&log)?;
            let address = said.split("://").nth(1).and_then(|rest| {
                let (address, _) = rest.split_once(['\n', '/'])?;
                address.trim().parse().ok()
            });
            address.ok_or_else(|| anyhow::anyhow!("not yet: {said}"))
        })
        .unwrap();
        moto
    }

    /// Asks without TLS; what is in the answer, as text.
    fn ask(&self, line: &str, form: &str) -> String {
        String::from_utf8_lossy(&self.bytes(line, form)).into_owned()
    }

    fn bytes(&self, line: &str, form: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let kind = match line.contains("moto-api") {
            true => "text/plain",
            false => "application/x-www-form-urlencoded",
        };
        // It also says which of Amazon's services is meant.
        let who = match line {
            "POST /" => format!("Authorization: {ANYBODY}\r\n"),
            _ if line.starts_with("GET /") => {
                format!("Authorization: {}\r\n", ANYBODY.replace("/iam/", "/s3/"))
            }
            _ => String::new(),
        };
        let length = form.len();
        let request = format!(
            "{line} HTTP/1.0\r\nHost: {}\r\n{who}Content-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n{form}",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let body = answer.split_off(head + 4);
        let head = String::from_utf8(answer).unwrap();
        assert!(head.split(' ').nth(1) == Some("200"), "{head}");
        body
    }

    /// Makes a bucket and a key to it; from then on signatures are checked.
    fn guard(&self, bucket: &str) -> (String, String) {
        self.ask(&format!("PUT /{bucket}"), "");
        let version = "UserName=u&Version=2010-05-08";
        self.ask("POST /", &format!("Action=CreateUser&{version}"));
        let made = self.ask("POST /", &format!("Action=CreateAccessKey&{version}"));
        let policy = format!("PolicyName=p&PolicyDocument={MAY_ALL}");
        self.ask(
            "POST /",
            &format!("Action=PutUserPolicy&{version}&{policy}"),
        );
        self.ask("POST /moto-api/reset-auth", "0");
        let field = |name: &str| {
            let rest = made.split(&format!("<{name}>")).nth(1).unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        (field("AccessKeyId"), field("SecretAccessKey"))
    }
}

fn snapshot(member: &Member, words: &[&str], environment: &[(&str, &str)]) -> Ran {
    let server = server_of(member);
    let mut all = vec!["etcd-snapshot"];
    all.extend(words);
    all.extend(server.iter().map(String::as_str));
    all.extend(["--node-name", &member.name]);
    run(&all, environment).unwrap()
}

/// The flag that says the token of a member.
fn token_of(member: &Member) -> String {
    let words = member.command.iter().filter_map(|word| word.to_str());
    let mut tokens = words.filter(|word| word.starts_with("--token="));
    tokens.next().unwrap().to_owned()
}

/// The names of what is listed at the store.
fn there(ran: &Ran) -> Vec<String> {
    let lines = ran.succeeded().lines();
    let lines = lines.filter(|line| line.contains(" s3://snaps/deep/er/"));
    lines
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

async fn put(cluster: &Cluster, keys: usize) {
    let mut client = cluster.client(0).unwrap();
    for n in 0..keys {
        let request = pb::PutRequest {
            key: format!("key/{n}").into(),
            value: vec![u8::try_from(n % 251).unwrap(); 1 << 20].into(),
            ..Default::default()
        };
        client.kv.put(request).await.unwrap();
    }
}

#[tokio::test]
async fn snapshots_go_to_a_bucket_by_command_and_what_the_store_refuses_is_said() {
    let mut cluster = Cluster::start(Kind::Skerry, 1, &brisk()).await.unwrap();
    let moto = Moto::start(cluster.folder(), &[]);
    let (access, secret) = moto.guard("snaps");
    let endpoint = format!("--s3-endpoint={}", moto.address);
    let environment = [
        ("AWS_ACCESS_KEY_ID", access.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
    ];
    let flags = [
        "--s3",
        &endpoint,
        "--s3-insecure",
        "--s3-bucket=snaps",
        "--s3-folder=/deep/er/",
    ];
    let ask = |cluster: &Cluster, words: &[&str]| {
        let words = [words, &flags].concat();
        snapshot(&cluster.members[0], &words, &environment)
    };

    let saved = ask(&cluster, &["save"]);
    assert!(
        saved
            .succeeded()
            .contains("uploaded: s3://snaps/deep/er/on-demand-m1-"),
        "{saved:?}"
    );
    // In several parts, and of the same size there as here.
    put(&cluster, 20).await;
    ask(&cluster, &["save", "--name=large"]).succeeded();
    let listed = ask(&cluster, &["ls"]);
    let names = there(&listed);
    assert_eq!(names.len(), 2, "{listed:?}");
    for name in &names {
        let file = cluster.members[0].data_dir.join("snapshots").join(name);
        let bytes = std::fs::metadata(file).unwrap().len();
        assert_eq!(
            listed.said.matches(&format!(" {bytes} ")).count(),
            2,
            "{listed:?}"
        );
        assert!(!name.starts_with("large") || bytes > 20 << 20);
    }
    moto.ask("POST /moto-api/reset-auth", "inf");
    for name in &names {
        let there = moto.bytes(&format!("GET /snaps/deep/er/{name}"), "");
        let file = cluster.members[0].data_dir.join("snapshots").join(name);
        assert!(std::fs::read(file).unwrap() == there, "{name} differs");
    }
    moto.ask("POST /moto-api/reset-auth", "0");
    let json = ask(&cluster, &["ls", "-o", "json"]);
    assert!(json.succeeded().contains("\"nodeName\":\"s3\""), "{json:?}");

    // What cannot be uploaded is kept here, and the words say what to do.
    let wrong = [
        ("AWS_ACCESS_KEY_ID", access.as_str()),
        ("AWS_SECRET_ACCESS_KEY", "not-it"),
    ];
    let refused = |words: &[&str], environment: &[(&str, &str)], said: &[&str]| {
        let words = [&["save"], &flags[..], words].concat();
        let ran = snapshot(&cluster.members[0], &words, environment);
        ran.refused(said);
        ran.refused(&["saved as /", &moto.address.to_string()]);
        assert!(
            !ran.said.contains(&secret) && !ran.said.contains("not-it"),
            "{}",
            ran.said
        );
    };
    refused(
        &[],
        &wrong,
        &["SignatureDoesNotMatch", "check --etcd-s3-access-key"],
    );
    let missing = [
        "bucket nowhere does not exist",
        "NoSuchBucket",
        "make the bucket",
    ];
    refused(&["--s3-bucket=nowhere"], &environment, &missing);
    let unset = snapshot(&cluster.members[0], &[&["save"], &flags[..]].concat(), &[]);
    unset.refused(&["failed to get credentials", "AWS_ACCESS_KEY_ID"]);

    // A box that lost all it had has it again from the bucket.
    cluster.members[0].kill().unwrap();
    std::fs::remove_dir_all(&cluster.members[0].data_dir).unwrap();
    let large = names.iter().find(|name| name.starts_with("large")).unwrap();
    let token = token_of(&cluster.members[0]);
    ask(&cluster, &["restore", "gone", &token]).refused(&[
        "s3://snaps/deep/er/gone: there is no such snapshot in the bucket",
        "etcd-snapshot list",
    ]);
    let words = [&["restore", large, &token], &flags[..]].concat();
    snapshot(&cluster.members[0], &words, &wrong).refused(&["SignatureDoesNotMatch"]);
    ask(&cluster, &["restore", large, &token]).succeeded();
    cluster.restart(0).await.unwrap();
    let mut client = cluster.client(0).unwrap();
    let request = pb::RangeRequest {
        key: "key/".into(),
        range_end: "key0".into(),
        count_only: true,
        ..Default::default()
    };
    let kept = client.kv.range(request).await.unwrap().into_inner().count;
    assert_eq!(kept, 20);

    // Nothing of this needs the server; what is removed is removed in both places.
    cluster.members[0].kill().unwrap();
    let large = names.iter().find(|name| name.starts_with("large")).unwrap();
    ask(&cluster, &["delete", large]).succeeded();
    assert_eq!(there(&ask(&cluster, &["ls"])).len(), 1);
    ask(&cluster, &["delete", large]).refused(&["no such snapshot", large]);
}

#[tokio::test]
async fn a_secret_of_the_cluster_says_which_bucket_but_not_to_a_restore() {
    let mut options = brisk();
    options.kubernetes = true;
    let secret = ["--etcd-s3", "--etcd-s3-config-secret=kept"];
    options.flags.extend(secret.map(str::to_owned));
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let moto = Moto::start(cluster.folder(), &[]);
    let (access, key) = moto.guard("snaps");
    let kubeconfig = cluster.folder().join("m1.kubeconfig");

    // Until it is there, snapshots are on the disk only, and it is said why.
    let early = snapshot(&cluster.members[0], &["save"], &[]);
    early.refused(&["saved as /", "etcd-s3-config-secret \"kept\"", "not found"]);
    let words = format!(
        "-n kube-system create secret generic kept --from-literal=etcd-s3-endpoint={} \
         --from-literal=etcd-s3-insecure=true --from-literal=etcd-s3-bucket=snaps \
         --from-literal=etcd-s3-folder=deep/er --from-literal=etcd-s3-access-key={access} \
         --from-literal=etcd-s3-secret-key={key}",
        moto.address
    );
    eventually("the Secret is taken", DEADLINE, || {
        kubectl(&cluster, &kubeconfig, 0, &words, "")
    })
    .unwrap();
    let saved = snapshot(&cluster.members[0], &["save"], &[]);
    assert!(
        saved
            .succeeded()
            .contains("uploaded: s3://snaps/deep/er/on-demand-m1-"),
        "{saved:?}"
    );
    let short = ["--s3", "--s3-config-secret=kept"];
    let ask = |cluster: &Cluster, words: &[&str]| {
        snapshot(&cluster.members[0], &[words, &short].concat(), &[])
    };
    let names = there(&ask(&cluster, &["ls"]));
    assert_eq!(names.len(), 1, "{names:?}");
    // What is given besides is all that counts.
    let given = ask(&cluster, &["ls", "--s3-bucket=snaps"]);
    given.refused(&["failed to get credentials"]);

    cluster.members[0].kill().unwrap();
    ask(&cluster, &["restore", &names[0]]).refused(&[
        "cannot use S3 config secret when restoring snapshot; configuration must be set in CLI or config file",
    ]);
}

#[tokio::test]
async fn scheduled_snapshots_go_to_a_bucket_over_tls_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, certificate) = (path("s3.key"), path("s3.crt"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=store",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let moto = Moto::start(folder.path(), &["-c", &certificate, "-k", &key]);
    let make = "import ssl, sys, urllib.request as r; c = ssl.create_default_context(cafile=sys.argv[2]); \
        r.urlopen(r.Request(sys.argv[1], method='PUT'), context=c)";
    let bucket = Command::new("python3")
        .args([
            "-c",
            make,
            &format!("https://{}/snaps", moto.address),
            &certificate,
        ])
        .status();
    assert!(bucket.unwrap().success());
    let s3 = [
        "--etcd-s3".to_owned(),
        format!("--etcd-s3-endpoint={}", moto.address),
        format!("--etcd-s3-endpoint-ca={certificate}"),
        "--etcd-s3-bucket=snaps".to_owned(),
        "--etcd-s3-folder=deep/er".to_owned(),
        "--etcd-s3-access-key=known".to_owned(),
        "--etcd-s3-secret-key=hidden".to_owned(),
        "--etcd-s3-retention=2".to_owned(),
    ];
    let mut options = brisk();
    options.flags.extend(s3.clone());
    options
        .flags
        .push("--etcd-snapshot-schedule-cron=@every 1s".to_owned());
    let cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let flags: Vec<&str> = s3.iter().map(String::as_str).collect();
    let member = &cluster.members[0];
    let names = || there(&snapshot(member, &[&["ls"], &flags[..]].concat(), &[]));
    let first = eventually("a first one", DEADLINE, || {
        names()
            .into_iter()
            .next()
            .ok_or_else(|| anyhow::anyhow!("none yet"))
    });
    let first = first.unwrap();
    eventually("only later ones", DEADLINE, || {
        let names = names();
        ensure!(
            !names.is_empty() && names.len() <= 3 && !names.contains(&first),
            "{names:?}"
        );
        Ok(())
    })
    .unwrap();
    assert!(!member.log_tail().contains("hidden"));
    // Nobody is believed but who the authority vouches for.
    let unknown: Vec<&str> = flags
        .iter()
        .copied()
        .filter(|flag| !flag.contains("-ca="))
        .collect();
    let unknown = snapshot(member, &[&["ls"], &unknown[..]].concat(), &[]);
    unknown.refused(&["certificate", "--etcd-s3-endpoint-ca"]);
}

#[tokio::test]
async fn a_store_that_is_silent_holds_up_neither_the_server_nor_its_stop() {
    // Connections are taken by the system, and nobody reads from them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = brisk();
    options.flags.extend([
        "--etcd-s3".to_owned(),
        "--etcd-s3-insecure".to_owned(),
        format!("--etcd-s3-endpoint={}", silent.local_addr().unwrap()),
        "--etcd-s3-bucket=snaps".to_owned(),
        "--etcd-s3-access-key=known".to_owned(),
        "--etcd-s3-secret-key=hidden".to_owned(),
    ]);
    let mut cluster = Cluster::start(Kind::Skerry, 1, &options).await.unwrap();
    let folder = cluster.members[0].data_dir.join("snapshots");
    let ran = std::thread::scope(|scope| {
        let server = server_of(&cluster.members[0]);
        let saving = scope.spawn(move || {
            let words = ["etcd-snapshot", "save", "--node-name", "m1"];
            let server = server.iter().map(String::as_str);
            let words: Vec<&str> = words.into_iter().chain(server).collect();
            run(&words, &[]).unwrap()
        });
        eventually("it is on the disk", DEADLINE, || {
            let is_whole = |name: std::ffi::OsString| !name.to_string_lossy().starts_with('.');
            let mut files = std::fs::read_dir(&folder)?.flatten();
            ensure!(files.any(|file| is_whole(file.file_name())));
            Ok(())
        })
        .unwrap();
        // Less than a store may be silent for.
        let stopped = cluster.members[0].terminate(Duration::from_secs(25));
        assert!(stopped.unwrap().success());
        saving.join().unwrap()
    });
    // In which words depends on whether its connection or its server ended first.
    ran.refused(&[]);
}
