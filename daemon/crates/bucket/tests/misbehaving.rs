//! A store that answers badly, or not at all: every call ends, and its error says what to do.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use skerry_bucket::{Bucket, BucketError, Settings};

const LIST: &str = "<ListBucketResult><Contents><Key>f/a-n-1</Key><Size>7</Size>\
    <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>";

/// A store that does this with each connection whose request has been read, told how many there
/// were before.
fn store(
    does: impl Fn(usize, &str, TcpStream) + Send + Sync + 'static,
) -> (Settings, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let does = Arc::new(does);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (does, counted) = (Arc::clone(&does), Arc::clone(&counted));
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                does(counted.fetch_add(1, SeqCst), &request, stream);
            });
        }
    });
    let settings = Settings {
        endpoint,
        insecure: true,
        access_key: "known".into(),
        secret_key: "hidden-key".into(),
        bucket: "b".into(),
        folder: "f".into(),
        timeout: Duration::from_secs(60),
        ..Settings::default()
    };
    (settings, asked)
}

fn answer(mut stream: &TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all((head + body).as_bytes());
}

async fn list(settings: &Settings) -> Result<usize, BucketError> {
    let objects = Bucket::open(settings).unwrap().list("").await?;
    Ok(objects.len())
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again_and_then_told_of() {
    let busy = "<Error><Code>SlowDown</Code><Message>Reduce your\nrequest rate hidden-key</Message></Error>";
    let (settings, asked) = store(move |before, _, stream| match before {
        0 | 1 => answer(&stream, "503 Slow Down", busy),
        _ => answer(&stream, "200 OK", LIST),
    });
    assert_eq!(list(&settings).await.unwrap(), 1);
    assert_eq!(asked.load(SeqCst), 3);
    let (settings, asked) = store(move |_, _, stream| answer(&stream, "503 Slow Down", busy));
    let error = list(&settings).await.unwrap_err().to_string();
    for words in [
        "s3://b/",
        &settings.endpoint,
        "SlowDown",
        "503",
        "Reduce your",
        "try later",
    ] {
        assert!(error.contains(words), "no {words}: {error}");
    }
    assert!(
        !error.contains("hidden-key") && !error.contains('\n'),
        "{error}"
    );
    assert_eq!(asked.load(SeqCst), 4);
}

#[tokio::test]
async fn a_store_that_is_silent_is_given_up_in_time() {
    let (mut settings, _) = store(|_, _, stream| {
        // Until the other side has given up.
        let _ = (&stream).read(&mut [0]);
    });
    settings.timeout = Duration::from_millis(500);
    let error = list(&settings).await.unwrap_err();
    assert!(matches!(error, BucketError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("--etcd-s3-timeout"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_no_file() {
    let (settings, asked) = store(|_, _, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let mut out = Vec::new();
    let error = Bucket::open(&settings)
        .unwrap()
        .get("a-n-1", &mut out)
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, BucketError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("s3://b/f/a-n-1"), "{error}");
    // What has begun to arrive is not asked for a second time into the same file.
    assert_eq!((out.as_slice(), asked.load(SeqCst)), (&b"half"[..], 1));
}

#[tokio::test]
async fn a_list_without_an_end_is_refused() {
    let (settings, _) = store(|_, _, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>");
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    let error = list(&settings).await.unwrap_err();
    assert!(matches!(error, BucketError::Answer { .. }), "{error}");
    // Pages that name a next one for ever.
    let (settings, asked) = store(|_, _, stream| {
        let next = "<NextContinuationToken>again</NextContinuationToken></ListBucketResult>";
        answer(
            &stream,
            "200 OK",
            &LIST.replace("</ListBucketResult>", next),
        );
    });
    assert_eq!(list(&settings).await.unwrap(), 1);
    assert_eq!(asked.load(SeqCst), 20);
}

#[tokio::test]
async fn what_is_no_store_is_said_to_be_none() {
    for body in ["<html><body>Welcome</body></html>", "{}", ""] {
        let (settings, _) = store(move |_, _, stream| answer(&stream, "200 OK", body));
        let error = list(&settings).await.unwrap_err().to_string();
        assert!(error.contains("is this endpoint an S3 store?"), "{error}");
    }
}

#[tokio::test]
async fn an_upload_that_fails_at_its_end_is_taken_back() {
    let (settings, asked) = store(|_, request, stream| {
        let line = request.lines().next().unwrap();
        let length = request.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = (&stream).take(length.unwrap_or(0));
        std::io::copy(&mut body, &mut std::io::sink()).unwrap();
        let begun =
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        let late = "<Error><Code>InvalidPart</Code></Error>";
        match line {
            "POST /b/f/big?uploads= HTTP/1.1" => answer(&stream, "200 OK", begun),
            "POST /b/f/big?uploadId=u HTTP/1.1" => answer(&stream, "200 OK", late),
            "DELETE /b/f/big?uploadId=u HTTP/1.1" => answer(&stream, "204 No Content", ""),
            _ if line.starts_with("PUT /b/f/big?partNumber=") => {
                let head = b"HTTP/1.1 200 OK\r\nETag: \"t\"\r\nContent-Length: 0\r\n\r\n";
                (&stream).write_all(head).unwrap();
            }
            other => panic!("{other}"),
        }
    });
    let file = tempfile::tempfile().unwrap();
    let length = (16 << 20) + 1;
    file.set_len(length).unwrap();
    let bucket = Bucket::open(&settings).unwrap();
    let error = bucket.put("big", file, length).await.unwrap_err();
    assert!(error.to_string().contains("InvalidPart"), "{error}");
    // It begins, three parts, the end, and what takes it back.
    assert_eq!(asked.load(SeqCst), 6);
}

#[tokio::test]
async fn a_file_that_is_shorter_than_said_is_not_sent() {
    let (settings, asked) = store(|_, _, _| {});
    let file: File = tempfile::tempfile().unwrap();
    let bucket = Bucket::open(&settings).unwrap();
    let error = bucket.put("short", file, 10).await.unwrap_err();
    assert!(matches!(error, BucketError::File { .. }), "{error}");
    assert_eq!(asked.load(SeqCst), 0);
}

#[tokio::test]
async fn a_proxy_connects_to_the_store_or_its_refusal_is_told() {
    let (mut settings, asked) = store(|_, request, stream| {
        assert!(request.starts_with("CONNECT store.invalid:9000 HTTP/1.1\r\n"));
        if !request.contains("\r\nProxy-Authorization: Basic dTpoaWRkZW4=\r\n") {
            return answer(&stream, "407 Proxy Authentication Required", "");
        }
        (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut first = [0; 4];
        (&stream).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"GET ");
        answer(&stream, "200 OK", LIST);
    });
    let proxy = std::mem::replace(&mut settings.endpoint, "store.invalid:9000".into());
    settings.proxy = format!("http://u:hidden@{proxy}");
    assert_eq!(list(&settings).await.unwrap(), 1);
    settings.proxy = format!("http://{proxy}");
    let error = list(&settings).await.unwrap_err().to_string();
    for words in ["407", &proxy, "--etcd-s3-proxy"] {
        assert!(error.contains(words), "no {words}: {error}");
    }
    assert_eq!(asked.load(SeqCst), 2);
}
