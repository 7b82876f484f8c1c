//! Where commands go: into openraft on the leader, over the link to the leader otherwise.
//!
//! Knows nothing about what a command does or who waits for it. Invariants: a command that may have
//! reached a log is never sent again; one that surely has not is kept until there is a leader that
//! takes it or its time is over; nothing here blocks the thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use skerry_log::Log;
use tokio::sync::Notify;

use super::view::View;
use crate::ProposeError;
use crate::limits::{APPEND_BYTES_MAX, RAFT_BYTES_MAX};
use crate::peer::Class;
use crate::peer::frame::{Frame, REJECTED};
use crate::peer::message::Request;
use crate::peer::network::Links;
use crate::peer::wire::Wire;
use crate::raft::record;
use crate::raft::types::{Answer, Data, Raft, TypeConfig};
use crate::shared::Shared;

/// Pause before commands are offered again that nobody could take.
const RETRY: Duration = Duration::from_millis(20);

/// Pause after the leader has handed commands back.
const HANDED_BACK: Duration = Duration::from_millis(100);

/// Time between commands that are offered to find out whether openraft takes them again.
const DOUBT: Duration = Duration::from_millis(50);

/// Commands sent to a leader that are remembered before the settled ones are forgotten.
const SENT_PRUNE: usize = 1_024;

/// A command of a client of this member.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) command: Bytes,
    pub(crate) request: u64,
    pub(crate) deadline: Instant,
}

/// Who is told if openraft does not take a command.
pub(crate) enum Origin {
    /// This member: it is kept and offered again.
    Here { deadline: Instant },
    /// A member that forwarded it: it is handed back.
    Peer(Rc<Wire>),
}

/// A command inside openraft.
pub(crate) struct Pending {
    dispatch: Rc<Dispatch>,
    command: Bytes,
    request: u64,
    origin: Origin,
}

/// The commands of this member that wait for a leader, and those under way.
pub(crate) struct Dispatch {
    raft: Raft,
    log: Log,
    view: Rc<View>,
    links: Rc<Links>,
    shared: Arc<Shared>,
    parked: RefCell<VecDeque<Proposal>>,
    /// Forwarded to a leader, by number; it may hand them back.
    sent: RefCell<HashMap<u64, Proposal>>,
    /// Bytes of commands inside openraft.
    taken_bytes: Cell<usize>,
    /// `taken_bytes` has shrunk.
    room: Notify,
    /// Leadership is being handed over: nothing goes into the log.
    paused: Cell<bool>,
    /// openraft has refused a command although this member leads (it has no quorum just now): one
    /// command is offered at this time, and so on until one is taken.
    doubtful: Cell<Option<Instant>>,
    /// This leader has handed commands back: it is given a moment, another one gets them at once.
    forward_after: Cell<(Option<u64>, Instant)>,
    retry: Notify,
}

impl Dispatch {
    pub(crate) fn new(
        raft: Raft,
        log: Log,
        view: Rc<View>,
        links: Rc<Links>,
        shared: Arc<Shared>,
    ) -> Rc<Self> {
        Rc::new(Self {
            raft,
            log,
            view,
            links,
            shared,
            parked: RefCell::default(),
            sent: RefCell::default(),
            taken_bytes: Cell::new(0),
            room: Notify::new(),
            paused: Cell::new(false),
            doubtful: Cell::new(None),
            forward_after: Cell::new((None, Instant::now())),
            retry: Notify::new(),
        })
    }

    /// Moves commands for as long as the member lives.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            let changed = self.view.changed.notified();
            self.step().await;
            let waiting = !self.parked.borrow().is_empty();
            tokio::select! {
                () = self.shared.inbox.filled.notified() => {}
                () = changed => {}
                () = self.retry.notified() => {}
                () = tokio::time::sleep(RETRY), if waiting => {}
            }
        }
    }

    async fn step(self: &Rc<Self>) {
        let mut proposals = std::mem::take(&mut *self.parked.borrow_mut());
        // Who has given up holds no share of the budget any more.
        let waiters = &self.shared.waiters;
        waiters.retain_waiting_in(&mut proposals, |proposal| proposal.request);
        proposals.extend(self.shared.inbox.take());
        if proposals.is_empty() {
            return;
        }
        if self.view.fatal().is_some() {
            self.shared.waiters.fail_all(&ProposeError::Stopped);
            return;
        }
        if self.view.out_of_reach() {
            self.refuse(proposals);
            return;
        }
        let now = Instant::now();
        proposals.retain(|proposal| proposal.deadline > now);
        let left = match self.view.leader() {
            Some(leader) if leader == self.view.member_id => self.take_all(proposals).await,
            Some(leader) if self.has_just_handed_back(leader, now) => proposals,
            Some(leader) => self.forward(leader, proposals),
            None => proposals,
        };
        let mut parked = self.parked.borrow_mut();
        for proposal in left.into_iter().rev() {
            parked.push_front(proposal);
        }
    }

    fn has_just_handed_back(&self, leader: u64, now: Instant) -> bool {
        let (by, until) = self.forward_after.get();
        by == Some(leader) && now < until
    }

    /// Tells those whose commands are in no log that nobody will take them now.
    fn refuse(&self, proposals: impl IntoIterator<Item = Proposal>) {
        for proposal in proposals {
            let waiters = &self.shared.waiters;
            waiters.fail(proposal.request, ProposeError::NoLeader);
        }
    }

    /// No quorum is to be had: nobody is left waiting for one. What has gone to a leader, here or
    /// elsewhere, may yet be applied once there is one.
    pub(crate) fn give_up(&self) {
        self.refuse(std::mem::take(&mut *self.parked.borrow_mut()));
        self.refuse(self.shared.inbox.take());
        self.sent.borrow_mut().clear();
        let lost = ProposeError::TimeoutConnectionLost;
        self.shared.waiters.fail_all(&lost);
    }

    /// Gives commands to openraft, as long as the log can take more; returns the rest.
    async fn take_all(self: &Rc<Self>, mut proposals: VecDeque<Proposal>) -> VecDeque<Proposal> {
        while !self.paused.get() && !proposals.is_empty() && self.has_room() && self.may_offer() {
            let Some(Proposal {
                command,
                request,
                deadline,
            }) = proposals.pop_front()
            else {
                break;
            };
            self.write(command, request, Origin::Here { deadline })
                .await;
        }
        proposals
    }

    /// Whether openraft is likely to take a command, or it is time to find out.
    fn may_offer(&self) -> bool {
        let Some(at) = self.doubtful.get() else {
            return true;
        };
        let now = Instant::now();
        let probe = now >= at;
        if probe {
            self.doubtful.set(Some(now + DOUBT));
        }
        probe
    }

    fn doubt(&self) {
        if self.view.leads() && self.doubtful.get().is_none() {
            self.doubtful.set(Some(Instant::now() + DOUBT));
        }
    }

    /// Whether another command may be given to openraft. It puts all that waits into the log at
    /// once, so what it holds is bounded as the log's own queue is.
    fn has_room(self: &Rc<Self>) -> bool {
        let taken = self.taken_bytes.get();
        if taken > RAFT_BYTES_MAX {
            return false;
        }
        if !self.log.has_room() {
            let filled = Arc::clone(&self.shared.inbox.filled);
            self.log.when_room(Box::new(move || filled.notify_one()));
            return false;
        }
        true
    }

    async fn write(self: &Rc<Self>, command: Bytes, request: u64, origin: Origin) {
        self.taken_bytes.set(self.taken_bytes.get() + command.len());
        let data = Data(command.clone());
        let pending = Pending {
            dispatch: Rc::clone(self),
            command,
            request,
            origin,
        };
        let answer = Answer {
            pending,
            finish: Pending::finish,
        };
        if let Err(error) = self.raft.client_write_ff(data, Some(answer)).await {
            self.view.fail(&error.to_string());
        }
    }

    /// Sends commands to the leader; returns those that its connection has no room for.
    fn forward(&self, leader: u64, mut proposals: VecDeque<Proposal>) -> VecDeque<Proposal> {
        let link = self.links.get(leader, Class::Forward);
        while !proposals.is_empty() && link.is_connected() {
            let mut commands = Vec::new();
            let mut bytes = 0;
            for proposal in &proposals {
                if bytes > 0 && bytes + proposal.command.len() > APPEND_BYTES_MAX {
                    break;
                }
                bytes += proposal.command.len();
                commands.push((proposal.request, proposal.command.clone()));
            }
            let count = commands.len();
            if link.tell(&Request::Propose(commands)).is_err() {
                break;
            }
            let taken = proposals.drain(..count);
            self.sent
                .borrow_mut()
                .extend(taken.map(|proposal| (proposal.request, proposal)));
        }
        if self.sent.borrow().len() > SENT_PRUNE.max(2 * self.shared.waiters.count()) {
            self.forget_settled();
        }
        proposals
    }

    /// Forgets commands whose clients have their answer or have given up.
    pub(crate) fn forget_settled(&self) {
        let mut sent = self.sent.borrow_mut();
        if !sent.is_empty() {
            self.shared.waiters.retain_waiting(&mut sent);
        }
    }

    /// The leader has handed a command back: it is in no log.
    pub(crate) fn handed_back(&self, request: u64) {
        let until = Instant::now() + HANDED_BACK;
        self.forward_after.set((self.view.leader(), until));
        if let Some(proposal) = self.sent.borrow_mut().remove(&request) {
            self.parked.borrow_mut().push_back(proposal);
            // Nothing else may come that would have it offered again.
            self.retry.notify_one();
        }
    }

    /// Commands that another member forwarded. What is not taken is handed back.
    pub(crate) async fn take_forwarded(
        self: &Rc<Self>,
        commands: Vec<(u64, Bytes)>,
        wire: &Rc<Wire>,
    ) {
        for (request, command) in commands {
            while self.takes() && self.taken_bytes.get() > RAFT_BYTES_MAX {
                self.room.notified().await;
            }
            // Whatever the other's settings are, what the log refuses would end this member.
            let fits = command.len() + record::ENTRY_HEAD_BYTES <= self.log.entry_bytes_max();
            if !fits || !self.takes() || !self.may_offer() || !self.log.has_room() {
                hand_back(wire, request);
                continue;
            }
            self.write(command, request, Origin::Peer(Rc::clone(wire)))
                .await;
        }
    }

    fn takes(&self) -> bool {
        self.view.leads() && !self.paused.get()
    }

    /// Nothing goes into the log until [`Dispatch::resume`].
    pub(crate) fn pause(&self) {
        self.paused.set(true);
    }

    pub(crate) fn resume(&self) {
        self.paused.set(false);
        self.retry.notify_one();
    }
}

fn hand_back(wire: &Wire, request: u64) {
    wire.send(Frame::encode(REJECTED, request, 0, |_| {}));
}

impl Pending {
    fn finish(self, result: ClientWriteResult<TypeConfig>) {
        let Self {
            dispatch,
            command,
            request,
            origin,
        } = self;
        let taken = dispatch.taken_bytes.get();
        dispatch
            .taken_bytes
            .set(taken.saturating_sub(command.len()));
        if taken > RAFT_BYTES_MAX {
            dispatch.room.notify_waiters();
            dispatch.retry.notify_one();
        }
        match (result, origin) {
            // The store thread answers.
            (Ok(_), _) => {
                if dispatch.doubtful.take().is_some() {
                    dispatch.retry.notify_one();
                }
            }
            // In no log: whoever leads next may have it.
            (Err(ClientWriteError::ForwardToLeader(_)), Origin::Here { deadline }) => {
                dispatch.doubt();
                let mut parked = dispatch.parked.borrow_mut();
                parked.push_back(Proposal {
                    command,
                    request,
                    deadline,
                });
                dispatch.retry.notify_one();
            }
            (Err(ClientWriteError::ForwardToLeader(_)), Origin::Peer(wire)) => {
                dispatch.doubt();
                hand_back(&wire, request);
            }
            // It was in the log, and nobody can say what became of it.
            (Err(_), Origin::Here { .. }) => {
                dispatch
                    .shared
                    .waiters
                    .fail(request, ProposeError::TimeoutLeaderFailure);
            }
            (Err(_), Origin::Peer(_)) => {}
        }
    }
}
