//! The four things that are done with a bucket.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use skerry_token::time::parse;

use crate::connect::Way;
use crate::error::{BucketError, Place};
use crate::exchange::{Answer, Call, Payload, Sink, exchange, refused};
use crate::limits::{OBJECTS_MAX, PAGE_OBJECTS_MAX, PART_BYTES_MIN, PARTS_MAX, PAUSE, TRIES_MAX};
use crate::proxy::Proxy;
use crate::settings::Settings;
use crate::{trust, xml};

/// Aborting what failed may take this long.
const ABORT_TIME_MAX: Duration = Duration::from_secs(10);
const BINARY: &str = "application/octet-stream";

/// See the crate.
pub struct Bucket {
    settings: Settings,
    way: Way,
}

/// A file in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Without the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was put there, in Unix seconds.
    pub time: u64,
}

impl Bucket {
    /// What the settings ask for. Connects to nothing yet.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn open(settings: &Settings) -> Result<Bucket, BucketError> {
        let failed = |what: &str| BucketError::Settings {
            what: what.to_owned(),
        };
        if settings.bucket.is_empty() {
            return Err(failed(
                "s3 bucket name was not set: give it with --etcd-s3-bucket",
            ));
        }
        if settings.access_key.is_empty() || settings.secret_key.is_empty() {
            return Err(failed(
                "failed to get credentials: give --etcd-s3-access-key and --etcd-s3-secret-key, or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
            ));
        }
        let (host, port, _) = settings.host();
        let tls = match settings.insecure {
            true => None,
            false => Some(trust::config(settings)?),
        };
        let way = Way {
            host,
            port,
            tls,
            proxy: Proxy::of(&settings.proxy)?,
        };
        Ok(Bucket {
            settings: settings.clone(),
            way,
        })
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts the first `length` bytes of a file there. Where this fails, nothing of it is to be seen.
    ///
    /// # Errors
    /// What the store says, or what becomes of the connection.
    pub async fn put(&self, name: &str, file: File, length: u64) -> Result<(), BucketError> {
        let file = Arc::new(file);
        if length <= PART_BYTES_MIN {
            let part = Payload::Part {
                file,
                offset: 0,
                length,
            };
            let call = self.call(Method::PUT, name, Vec::new(), part);
            return self.timed(name, self.ask(&call)).await.map(|_| ());
        }
        let begin = self.call(
            Method::POST,
            name,
            vec![("uploads", String::new())],
            text(""),
        );
        let begun = self.timed(name, self.ask(&begin)).await?;
        let mut upload = String::new();
        xml::read(&begun.text, |path, text| {
            if let ["InitiateMultipartUploadResult", "UploadId"] = path {
                text.clone_into(&mut upload);
            }
        });
        if upload.is_empty() {
            return Err(self.strange(name, "it began no upload of several parts"));
        }
        let sent = self.timed(name, self.put_parts(name, &upload, &file, length));
        let sent = sent.await;
        if sent.is_err() {
            // What was sent would be paid for and never seen.
            let query = vec![("uploadId", upload)];
            let abort = self.call(Method::DELETE, name, query, text(""));
            let aborted = tokio::time::timeout(ABORT_TIME_MAX, self.ask_once(&abort, None)).await;
            if !matches!(aborted, Ok(Ok(_))) {
                tracing::warn!(
                    name,
                    "parts of a snapshot that failed may be left at the store"
                );
            }
        }
        sent
    }

    async fn put_parts(
        &self,
        name: &str,
        upload: &str,
        file: &Arc<File>,
        length: u64,
    ) -> Result<(), BucketError> {
        let size = length.div_ceil(PARTS_MAX).max(PART_BYTES_MIN);
        let mut complete = "<CompleteMultipartUpload>".to_owned();
        for (number, offset) in (1..).zip((0..length).step_by(part_step(size))) {
            let number: u64 = number;
            let part = Payload::Part {
                file: Arc::clone(file),
                offset,
                length: size.min(length - offset),
            };
            let query = vec![
                ("partNumber", number.to_string()),
                ("uploadId", upload.to_owned()),
            ];
            let done = self.ask(&self.call(Method::PUT, name, query, part)).await?;
            let tag = done.headers.get("etag").and_then(|tag| tag.to_str().ok());
            let tag = tag.filter(|tag| tag.len() <= 128 && !tag.contains(['<', '>', '&']));
            let Some(tag) = tag else {
                return Err(self.strange(name, "it gives no ETag of a part"));
            };
            let _ = write!(
                complete,
                "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            );
        }
        complete.push_str("</CompleteMultipartUpload>");
        let query = vec![("uploadId", upload.to_owned())];
        let mut call = self.call(Method::POST, name, query, text(&complete));
        call.content_type = "application/xml";
        let done = self.ask(&call).await?;
        // What fails here fails behind a header that says 200.
        let mut is_complete = false;
        xml::read(&done.text, |path, _| {
            is_complete |= path == ["CompleteMultipartUploadResult"];
        });
        match is_complete {
            true => Ok(()),
            false => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(refused(
                    &self.settings,
                    &self.place(name),
                    status,
                    &done.text,
                ))
            }
        }
    }

    /// Writes what is there of that name; says how many bytes. Where this fails, some may be
    /// written.
    ///
    /// # Errors
    /// What the store says, or what becomes of the connection.
    pub async fn get(&self, name: &str, out: &mut dyn Write) -> Result<u64, BucketError> {
        let mut sink = Sink { out, bytes: 0 };
        let call = self.call(Method::GET, name, Vec::new(), text(""));
        let got = self.timed(name, self.ask_into(&call, Some(&mut sink)));
        got.await?;
        Ok(sink.bytes)
    }

    /// What is right in the folder and begins with that, by name.
    ///
    /// # Errors
    /// What the store says, or what becomes of the connection.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        self.timed("", self.list_pages(prefix)).await
    }

    async fn list_pages(&self, prefix: &str) -> Result<Vec<Object>, BucketError> {
        let folder = self.settings.key("");
        let mut objects: Vec<Object> = Vec::new();
        let mut next = String::new();
        for _ in 0..OBJECTS_MAX.div_ceil(PAGE_OBJECTS_MAX) {
            let mut query = vec![
                ("delimiter", "/".to_owned()),
                ("list-type", "2".to_owned()),
                ("max-keys", PAGE_OBJECTS_MAX.to_string()),
                ("prefix", format!("{folder}{prefix}")),
            ];
            if !next.is_empty() {
                query.insert(0, ("continuation-token", next.clone()));
            }
            let mut call = self.call(Method::GET, "", query, text(""));
            call.key = String::new();
            let page = self.ask(&call).await?;
            next.clear();
            let mut object = Object::default();
            let mut is_list = false;
            let is_whole = xml::read(&page.text, |path, text| match path {
                ["ListBucketResult", "Contents", "Key"] => {
                    let name = text.strip_prefix(&folder).unwrap_or_default();
                    name.clone_into(&mut object.name);
                }
                ["ListBucketResult", "Contents", "Size"] => {
                    object.bytes = text.parse().unwrap_or_default();
                }
                ["ListBucketResult", "Contents", "LastModified"] => {
                    let time = parse(text).and_then(|time| u64::try_from(time).ok());
                    object.time = time.unwrap_or_default();
                }
                ["ListBucketResult", "Contents"] => {
                    let object = std::mem::take(&mut object);
                    if !object.name.is_empty() && objects.len() < OBJECTS_MAX {
                        objects.push(object);
                    }
                }
                ["ListBucketResult", "NextContinuationToken"] => text.clone_into(&mut next),
                ["ListBucketResult"] => is_list = true,
                _ => {}
            });
            if !is_whole || !is_list {
                return Err(self.strange("", "its answer is no list of a bucket"));
            }
            if next.is_empty() {
                break;
            }
        }
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        objects.dedup_by(|a, b| a.name == b.name);
        Ok(objects)
    }

    /// Removes what is there of that name. S3 does not say whether it was there.
    ///
    /// # Errors
    /// What the store says, or what becomes of the connection.
    pub async fn delete(&self, name: &str) -> Result<(), BucketError> {
        let call = self.call(Method::DELETE, name, Vec::new(), text(""));
        match self.timed(name, self.ask(&call)).await {
            Err(BucketError::Refused { code, .. }) if code == "NoSuchKey" => Ok(()),
            done => done.map(|_| ()),
        }
    }

    fn call(
        &self,
        method: Method,
        name: &str,
        query: Vec<(&'static str, String)>,
        payload: Payload,
    ) -> Call {
        Call {
            method,
            key: self.settings.key(name),
            query,
            payload,
            content_type: BINARY,
        }
    }

    fn place(&self, name: &str) -> Place {
        Place::of(&self.settings, self.settings.key(name))
    }

    fn strange(&self, name: &str, what: &str) -> BucketError {
        BucketError::Answer {
            place: self.place(name),
            what: what.to_owned(),
        }
    }

    async fn timed<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        let timeout = self.settings.timeout;
        let done = tokio::time::timeout(timeout, work).await;
        done.unwrap_or_else(|_| {
            Err(BucketError::TimedOut {
                place: self.place(name),
                timeout,
            })
        })
    }

    async fn ask(&self, call: &Call) -> Result<Answer, BucketError> {
        self.ask_into(call, None).await
    }

    /// Asks again where that may help, unless some of the answer has been taken.
    async fn ask_into(
        &self,
        call: &Call,
        mut sink: Option<&mut Sink<'_>>,
    ) -> Result<Answer, BucketError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES_MAX {
            let asked = self.ask_once(call, sink.as_deref_mut()).await;
            let is_fresh = sink.as_ref().is_none_or(|sink| sink.bytes == 0);
            match asked {
                Err(error) if error.is_passing() && is_fresh => {
                    tracing::debug!(%error, "asking the store again");
                }
                answered => return answered,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.ask_once(call, sink).await
    }

    async fn ask_once(
        &self,
        call: &Call,
        sink: Option<&mut Sink<'_>>,
    ) -> Result<Answer, BucketError> {
        let place = Place::of(&self.settings, call.key.clone());
        exchange(&self.settings, &self.way, &place, call, sink).await
    }
}

fn text(text: &str) -> Payload {
    Payload::Text(text.to_owned())
}

/// Parts of more bytes than a machine's word do not come about: files are far smaller.
fn part_step(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
