//! One client's connection to one member: sends requests and tells what was answered.
//!
//! Speaks through the `etcd-client` crate, which nobody here wrote. Never retries: what is
//! not answered in time, or with any error, has an unknown outcome.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, GetOptions, KeyValue, PutOptions, Txn, TxnOp,
    TxnOpResponse,
};
use skerry_tests_harness::{Credentials, Member, connect_lazy};

use crate::history::{Key, Request, Response, Value, Version};
use crate::limits::VALUE_PADDING;

/// All keys of a run begin with this.
pub const PREFIX: &str = "faults/";

/// Where a member is reached, and with what.
#[derive(Clone, Debug)]
pub struct Target {
    /// The member's index.
    pub member: usize,
    address: SocketAddr,
    credentials: Option<Credentials>,
}

impl Target {
    /// The way to this member.
    #[must_use]
    pub fn of(index: usize, member: &Member) -> Self {
        Self {
            member: index,
            address: member.client_address,
            credentials: member.credentials.clone(),
        }
    }

    /// A client of this member only; connects at the first request and again when broken.
    ///
    /// # Errors
    /// Where the credentials cannot be read.
    pub async fn client(&self) -> Result<Client> {
        let channel = connect_lazy(self.address, self.credentials.as_ref())?;
        Ok(Client::from_channel(etcd_client::Channel::Tonic(channel), None).await?)
    }
}

/// The name of a key in the store.
#[must_use]
pub fn key_name(key: Key) -> String {
    format!("{PREFIX}{key:08}")
}

/// The key behind a name.
///
/// # Errors
/// For a name that no run has made.
pub fn key_number(name: &[u8]) -> Result<Key> {
    let text = std::str::from_utf8(name)
        .ok()
        .and_then(|name| name.strip_prefix(PREFIX));
    text.and_then(|digits| digits.parse().ok())
        .with_context(|| format!("not a key of this run: {:?}", String::from_utf8_lossy(name)))
}

/// The stored bytes of a value.
#[must_use]
pub fn value_text(value: Value) -> String {
    format!("{value:016x}{:.<VALUE_PADDING$}", "")
}

/// The value behind stored bytes.
///
/// # Errors
/// For bytes that no run has written, damaged padding included.
pub fn value_number(text: &[u8]) -> Result<Value> {
    let head = text
        .get(..16)
        .and_then(|head| std::str::from_utf8(head).ok());
    let value = head.and_then(|head| Value::from_str_radix(head, 16).ok());
    match value {
        Some(value) if value_text(value).as_bytes() == text => Ok(value),
        _ => bail!(
            "not a value of this run: {:?}",
            String::from_utf8_lossy(text)
        ),
    }
}

/// The version a stored key shows.
///
/// # Errors
/// As [`value_number`].
pub fn version(kv: &KeyValue) -> Result<Version> {
    Ok(Version {
        value: value_number(kv.value())?,
        revision: kv.mod_revision(),
    })
}

fn version_of(kv: Option<&KeyValue>) -> Result<Option<Version>> {
    kv.map(version).transpose()
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The client gave up waiting. The outcome is unknown.
    #[error("no answer within the client's own deadline")]
    Late,
    /// The server or the connection failed. The outcome is unknown.
    #[error("{0}")]
    Failed(#[from] etcd_client::Error),
    /// The answer makes no sense: a fault of the server, not of the network.
    #[error("{0:#}")]
    Nonsense(#[from] anyhow::Error),
}

impl SessionError {
    /// The gRPC code and text, where the server or the client library gave one.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Failed(etcd_client::Error::GRpcStatus(status)) => {
                format!("{:?}: {}", status.code(), status.message())
            }
            other => other.to_string(),
        }
    }
}

/// What came back, in the terms of the record.
pub type Answer = (Response, i64);

type Outcome<T> = std::result::Result<T, SessionError>;

/// Sends one request on one key.
///
/// # Errors
/// [`SessionError`] says whether the outcome is unknown or the answer is nonsense.
pub async fn perform(
    client: &mut Client,
    key: Key,
    request: Request,
    deadline: Duration,
) -> Outcome<Answer> {
    within(deadline, ask(client, key, request)).await
}

/// Writes two keys in one transaction.
///
/// # Errors
/// As [`perform`].
pub async fn put_both(
    client: &mut Client,
    writes: [(Key, Value); 2],
    deadline: Duration,
) -> Outcome<[Answer; 2]> {
    let operations = writes.map(|(key, value)| {
        let previous = PutOptions::new().with_prev_key();
        TxnOp::put(key_name(key), value_text(value), Some(previous))
    });
    let outcome = within(deadline, transact(client, Txn::new().and_then(operations))).await?;
    let (revision, responses) = outcome;
    let mut answers = responses.iter().map(|response| match response {
        TxnOpResponse::Put(put) => Ok((Response::Replaced(version_of(put.prev_key())?), revision)),
        other => bail!("a put was answered with {other:?}"),
    });
    two(&mut answers)
}

/// Reads two keys in one transaction.
///
/// # Errors
/// As [`perform`].
pub async fn get_both(
    client: &mut Client,
    keys: [Key; 2],
    deadline: Duration,
) -> Outcome<[Answer; 2]> {
    let operations = keys.map(|key| TxnOp::get(key_name(key), None));
    let outcome = within(deadline, transact(client, Txn::new().and_then(operations))).await?;
    let (revision, responses) = outcome;
    let mut answers = responses.iter().map(|response| match response {
        TxnOpResponse::Get(get) => Ok((Response::Found(version_of(get.kvs().first())?), revision)),
        other => bail!("a get was answered with {other:?}"),
    });
    two(&mut answers)
}

fn two(answers: &mut dyn Iterator<Item = Result<Answer>>) -> Outcome<[Answer; 2]> {
    let mut next = || {
        answers
            .next()
            .context("a transaction answered too few operations")?
    };
    Ok([next()?, next()?])
}

async fn transact(client: &mut Client, txn: Txn) -> Outcome<(i64, Vec<TxnOpResponse>)> {
    let response = client.txn(txn).await?;
    let revision = response
        .header()
        .context("a response without a header")?
        .revision();
    Ok((revision, response.op_responses()))
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    match tokio::time::timeout(deadline, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SessionError::Late),
    }
}

fn nonsense(what: String) -> SessionError {
    SessionError::Nonsense(anyhow::Error::msg(what))
}

async fn ask(client: &mut Client, key: Key, request: Request) -> Outcome<Answer> {
    let name = key_name(key);
    let header = "a response without a header";
    match request {
        Request::Get | Request::GetSerializable => {
            let serializable = (request == Request::GetSerializable)
                .then(|| GetOptions::new().with_serializable());
            let response = client.get(name, serializable).await?;
            let found = version_of(response.kvs().first())?;
            let revision = response.header().context(header)?.revision();
            Ok((Response::Found(found), revision))
        }
        Request::Put(value) => {
            let options = PutOptions::new().with_prev_key();
            let response = client.put(name, value_text(value), Some(options)).await?;
            let revision = response.header().context(header)?.revision();
            Ok((
                Response::Replaced(version_of(response.prev_key())?),
                revision,
            ))
        }
        Request::Delete => {
            let options = DeleteOptions::new().with_prev_key();
            let response = client.delete(name, Some(options)).await?;
            let revision = response.header().context(header)?.revision();
            let previous = version_of(response.prev_kvs().first())?;
            if (response.deleted() == 1) != previous.is_some() {
                return Err(nonsense(format!(
                    "deleted {}, {previous:?}",
                    response.deleted()
                )));
            }
            Ok((Response::Replaced(previous), revision))
        }
        Request::Swap { expected, value } => {
            let txn = Txn::new()
                .when([Compare::mod_revision(
                    name.clone(),
                    CompareOp::Equal,
                    expected,
                )])
                .and_then([TxnOp::put(name.clone(), value_text(value), None)])
                .or_else([TxnOp::get(name, None)]);
            let response = client.txn(txn).await?;
            let revision = response.header().context(header)?.revision();
            if response.succeeded() {
                return Ok((Response::Swapped, revision));
            }
            match response.op_responses().first() {
                Some(TxnOpResponse::Get(get)) => {
                    Ok((Response::Refused(version_of(get.kvs().first())?), revision))
                }
                other => Err(nonsense(format!(
                    "a refused swap was answered with {other:?}"
                ))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_read_back_and_damage_is_noticed() {
        assert_eq!(key_number(key_name(42).as_bytes()).unwrap(), 42);
        assert!(key_number(b"else/00000042").is_err());
        let text = value_text(7);
        assert_eq!(value_number(text.as_bytes()).unwrap(), 7);
        assert!(value_number(&text.as_bytes()[..text.len() - 1]).is_err());
    }
}
