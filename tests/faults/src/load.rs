//! The client load: tasks that read, write, swap and delete a few keys on all members, and
//! the recorder of all they did.
//!
//! Keys change every few seconds, so that creation is tested too and each record stays short.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use etcd_client::Client;
use skerry_tests_harness::Random;
use tokio::task::JoinHandle;

use crate::history::{Key, Operation, Request, Response, Value};
use crate::limits::{KEYS_IN_USE, OPERATION_DEADLINE};
use crate::session::{Answer, SessionError, Target, get_both, perform, put_both};

/// How long a set of keys is used.
const KEYS_LIFETIME: Duration = Duration::from_secs(10);

/// The pause of a client between two requests, at most.
const PAUSE_MS_MAX: u64 = 30;

/// The pause of a client after a failed request.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// All that the clients of a run did and were told.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    next_value: AtomicU64,
    operations: Mutex<Vec<Operation>>,
    failures: Mutex<BTreeMap<String, usize>>,
    nonsense: Mutex<Vec<String>>,
    stop: AtomicBool,
    stale_reads: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// An empty record. With `stale_reads`, linearizable reads are sent as serializable ones.
    #[must_use]
    pub fn new(stale_reads: bool) -> Self {
        Self {
            start: Instant::now(),
            next_value: AtomicU64::new(1),
            operations: Mutex::default(),
            failures: Mutex::default(),
            nonsense: Mutex::default(),
            stop: AtomicBool::new(false),
            stale_reads,
        }
    }

    /// Nanoseconds since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A value nobody has written yet.
    pub fn fresh_value(&self) -> Value {
        self.next_value.fetch_add(1, Ordering::Relaxed)
    }

    /// A key in use at this time.
    fn key(&self, random: &mut Random) -> Key {
        let epoch = self.start.elapsed().as_secs() / KEYS_LIFETIME.as_secs();
        let epoch = Key::try_from(epoch).unwrap_or(0);
        epoch * KEYS_IN_USE + Key::try_from(random.below(KEYS_IN_USE as usize)).unwrap_or(0)
    }

    /// Tells the clients to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The record so far.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        locked(&self.operations).clone()
    }

    /// How many operations were answered so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        let operations = locked(&self.operations);
        operations
            .iter()
            .filter(|one| one.response != Response::Unknown)
            .count()
    }

    /// Failures by code and text, with how often each was met.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, usize> {
        locked(&self.failures).clone()
    }

    /// Answers that made no sense; any is a fault of the server.
    #[must_use]
    pub fn nonsense(&self) -> Vec<String> {
        locked(&self.nonsense).clone()
    }

    fn record(&self, asked: Asked, outcome: Result<Answer, &SessionError>) -> Operation {
        let answer = self.now();
        let (response, revision) = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                *locked(&self.failures).entry(error.name()).or_default() += 1;
                if let SessionError::Nonsense(error) = error {
                    locked(&self.nonsense).push(format!("{:?}: {error:#}", asked.request));
                }
                (Response::Unknown, 0)
            }
        };
        let Asked {
            client,
            member,
            key,
            call,
            request,
        } = asked;
        let operation = Operation {
            client,
            member,
            key,
            call,
            answer,
            request,
            response,
            revision,
        };
        locked(&self.operations).push(operation);
        operation
    }

    /// Sends one recorded request.
    pub async fn send(
        &self,
        through: &mut Through,
        key: Key,
        request: Request,
        deadline: Duration,
    ) -> Result<Operation, SessionError> {
        let asked = through.asked(key, self.now(), request);
        let sent = match request {
            Request::Get if self.stale_reads => Request::GetSerializable,
            request => request,
        };
        let outcome = perform(&mut through.client, key, sent, deadline).await;
        let operation = self.record(asked, outcome.as_ref().copied());
        outcome.map(|_| operation)
    }

    async fn send_pair(
        &self,
        through: &mut Through,
        requests: [(Key, Request); 2],
    ) -> Result<[Operation; 2], SessionError> {
        let call = self.now();
        let asked = requests.map(|(key, request)| through.asked(key, call, request));
        let client = &mut through.client;
        let outcome = match requests {
            [(one, Request::Put(first)), (two, Request::Put(second))] => {
                put_both(client, [(one, first), (two, second)], OPERATION_DEADLINE).await
            }
            [(one, _), (two, _)] => get_both(client, [one, two], OPERATION_DEADLINE).await,
        };
        let [first, second] = asked;
        match outcome {
            Ok(answers) => Ok([
                self.record(first, Ok(answers[0])),
                self.record(second, Ok(answers[1])),
            ]),
            Err(error) => {
                self.record(first, Err(&error));
                self.record(second, Err(&error));
                Err(error)
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Asked {
    client: u32,
    member: usize,
    key: Key,
    call: u64,
    request: Request,
}

/// One client's connection, with its number for the record.
pub struct Through {
    number: u32,
    member: usize,
    client: Client,
}

impl Through {
    /// A client with this number to this member.
    ///
    /// # Errors
    /// Where the credentials cannot be read.
    pub async fn open(number: u32, target: &Target) -> Result<Self> {
        Ok(Self {
            number,
            member: target.member,
            client: target.client().await?,
        })
    }

    fn asked(&self, key: Key, call: u64, request: Request) -> Asked {
        Asked {
            client: self.number,
            member: self.member,
            key,
            call,
            request,
        }
    }
}

/// Starts `per_member` clients on each target; they run until [`Recorder::stop`].
#[must_use]
pub fn start(
    recorder: &Arc<Recorder>,
    targets: &[Target],
    per_member: u32,
    seed: u64,
) -> Vec<JoinHandle<Result<()>>> {
    let members = u32::try_from(targets.len()).unwrap_or(1).max(1);
    (0..members * per_member)
        .map(|number| {
            let target = targets[number as usize % targets.len()].clone();
            let random = Random::new(seed ^ (u64::from(number) << 32));
            tokio::spawn(run(Arc::clone(recorder), target, number, random))
        })
        .collect()
}

async fn run(
    recorder: Arc<Recorder>,
    target: Target,
    number: u32,
    mut random: Random,
) -> Result<()> {
    let mut through = Through::open(number, &target).await?;
    let mut known: HashMap<Key, i64> = HashMap::new();
    while !recorder.stopped() {
        let pause = match step(&recorder, &mut through, &mut random, &mut known).await {
            Ok(()) => Duration::from_millis(random.bits() % PAUSE_MS_MAX),
            Err(_) => PAUSE_AFTER_FAILURE,
        };
        // The pace of the load; nothing is waited for here.
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn step(
    recorder: &Recorder,
    through: &mut Through,
    random: &mut Random,
    known: &mut HashMap<Key, i64>,
) -> Result<(), SessionError> {
    let key = recorder.key(random);
    let other = recorder.key(random);
    let put = || Request::Put(recorder.fresh_value());
    let done = match random.below(100) {
        0..10 if other != key => {
            let done = recorder
                .send_pair(through, [(key, put()), (other, put())])
                .await?;
            done.to_vec()
        }
        10..18 if other != key => {
            let gets = [(key, Request::Get), (other, Request::Get)];
            recorder.send_pair(through, gets).await?.to_vec()
        }
        choice => {
            let request = match choice {
                ..45 => put(),
                45..70 => Request::Get,
                70..75 => Request::GetSerializable,
                75..80 => Request::Delete,
                _ => Request::Swap {
                    expected: known.get(&key).copied().unwrap_or(0),
                    value: recorder.fresh_value(),
                },
            };
            vec![
                recorder
                    .send(through, key, request, OPERATION_DEADLINE)
                    .await?,
            ]
        }
    };
    for operation in done {
        let revision = match (operation.effective_revision(), operation.request) {
            (_, Request::Delete) => Some(0),
            (Some(revision), _) => Some(revision),
            (None, _) => operation.seen().map(|version| version.revision),
        };
        known.insert(operation.key, revision.unwrap_or(0));
    }
    Ok(())
}
