//! A connection that speaks HTTP/2, and the entries of its streams.
//!
//! The connection is the *trunk*: it has the socket and the frames. Each of its streams is a *branch*: a
//! [`Connection`](crate::connection::Connection) without a socket in the same table, with a request or
//! stream, an outbox, deadlines and backpressure of its own. So whatever serves a connection of HTTP/1.1
//! serves a branch, too.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use sockeye_http2::{self as http2, ErrorCode, FieldBuffer, FieldReader, StreamId};
use sockeye_reactor::{Key, Time};

use crate::cause::Deadline;
use crate::contents::Contents;
use crate::leftover::Leftover;
use crate::limits::Limits;
use crate::stream::Due;

/// The state of a connection that speaks HTTP/2, beside its socket and its outbox.
pub(crate) struct Trunk {
    pub(crate) protocol: http2::Connection,
    /// The branches, by stream.
    branches: Vec<(StreamId, Key)>,
    /// Branches with something to send, in the order of their turns.
    pub(crate) ready: VecDeque<Key>,
    /// Input that waits for another visit.
    pub(crate) leftover: Option<Leftover>,
    /// The requests that are not complete, or wait until the peer has taken answers.
    pub(crate) contents: Contents,
    /// Bytes of the answers of which a part is not in frames yet. Each counts as a whole.
    pub(crate) answer_bytes: usize,
    /// Bytes of answers that are not in frames and wait for no window: their turn will come, or the socket takes
    /// nothing.
    pub(crate) lined_up_bytes: usize,
    /// The streams of held requests that the application has put off.
    pub(crate) put_off: BTreeSet<StreamId>,
    /// The next visit goes on with requests that wait until the peer has taken answers.
    pub(crate) answers_again: bool,
    /// Frames that were paid for.
    frames: u32,
    /// Resets of ours that were counted.
    resets: u32,
    /// The last second that let the rates leak.
    ticked: Time,
    /// When the head or the payload of the frame under way began; `NEVER` between two frames. A field
    /// block counts frame by frame.
    mid_frame: Time,
    /// When the answer to our PING began to be awaited, `NEVER` while none is.
    awaits: Time,
    /// When the last branch ended, or when the connection began.
    idle_since: Time,
}

/// The place of a branch: its trunk, and its stream there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) trunk: Key,
    pub(crate) stream: StreamId,
    /// Bytes of its answer until all of them are in frames.
    pub(crate) answer: u32,
}

impl Trunk {
    /// The server's end of a new connection, whose first frames are appended to `out`.
    pub(crate) fn new(config: &Arc<http2::Config>, now: Time, out: &mut Vec<u8>) -> Self {
        Self {
            protocol: http2::Connection::server(config, out),
            branches: Vec::new(),
            ready: VecDeque::new(),
            leftover: None,
            contents: Contents::default(),
            answer_bytes: 0,
            lined_up_bytes: 0,
            put_off: BTreeSet::new(),
            answers_again: false,
            frames: 0,
            resets: 0,
            ticked: now,
            mid_frame: now,
            awaits: Time::NEVER,
            idle_since: now,
        }
    }

    /// The branch of `stream`.
    pub(crate) fn branch(&self, stream: StreamId) -> Option<Key> {
        let at = self.branches.binary_search_by_key(&stream, |(stream, _)| *stream).ok()?;
        Some(self.branches[at].1)
    }

    /// All branches.
    pub(crate) fn branches(&self) -> impl Iterator<Item = Key> + '_ {
        self.branches.iter().map(|(_, branch)| *branch)
    }

    /// Adds the branch of `stream`, which is above all others.
    pub(crate) fn add(&mut self, stream: StreamId, branch: Key) {
        self.branches.push((stream, branch));
    }

    /// Takes the branch of `stream` off.
    pub(crate) fn remove(&mut self, stream: StreamId, now: Time) {
        if let Ok(at) = self.branches.binary_search_by_key(&stream, |(stream, _)| *stream) {
            self.branches.remove(at);
        }
        self.put_off.remove(&stream);
        if self.branches.is_empty() {
            self.idle_since = now;
        }
    }

    /// Whether more of the answers waits for the peer than may come from it. [server:http2-answers-bounded]
    pub(crate) fn has_unread_answers(&self) -> bool {
        self.answer_bytes > self.protocol.limits().connection_window_bytes as usize
    }

    /// Whether requests wait until the peer has taken answers.
    pub(crate) fn has_waiting(&self) -> bool {
        self.contents.next_complete().is_some() || !self.put_off.is_empty()
    }

    /// Lets the rates of the limits leak.
    pub(crate) fn tick(&mut self, now: Time) {
        let seconds = now.since(self.ticked) / 1_000;
        if seconds > 0 {
            self.ticked = self.ticked + seconds * 1_000;
            self.protocol.tick(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
    }

    /// Reads up to the next event. The second value counts the frames that came.
    pub(crate) fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        fields: &mut FieldReader<FieldBuffer>,
        out: &mut Vec<u8>,
    ) -> (Result<Option<http2::Event<'b>>, http2::ConnectionError>, u32) {
        // [server:http2-abuse]
        let received = self.protocol.receive(input, fields, out);
        let frames = self.protocol.frames().wrapping_sub(self.frames);
        self.frames = self.protocol.frames();
        (received, frames)
    }

    /// Resets of ours since the last call.
    pub(crate) fn new_resets(&mut self) -> u64 {
        let sent = self.protocol.resets_sent();
        let new = sent.wrapping_sub(core::mem::replace(&mut self.resets, sent));
        u64::from(new)
    }

    /// Bytes of the peer came, `frames` new frames among them. Any byte is a sign of life.
    pub(crate) fn note_heard(&mut self, frames: u32, now: Time) {
        self.awaits = Time::NEVER;
        let mid_frame = !self.protocol.is_established() || self.protocol.is_mid_frame();
        if !mid_frame {
            self.mid_frame = Time::NEVER;
        } else if self.mid_frame == Time::NEVER || frames > 0 && self.protocol.is_established() {
            self.mid_frame = now;
        }
    }

    /// The clocks start afresh: the peer was not read from, or was busy taking what waited for it.
    pub(crate) fn restart(&mut self, now: Time) {
        self.contents.restart(now);
        if self.awaits != Time::NEVER {
            self.awaits = now;
        }
        if self.mid_frame != Time::NEVER && self.protocol.is_established() {
            self.mid_frame = now;
        }
    }

    /// Tells the peer to go. Returns whether it had not been told before. [server:http2-goaway-once]
    pub(crate) fn go_away(&mut self, code: ErrorCode, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        self.protocol.go_away(code, out);
        out.len() > before
    }

    /// Asks the peer for a sign of life.
    pub(crate) fn ping(&mut self, now: Time, out: &mut Vec<u8>) {
        self.awaits = now;
        // A connection that is over needs no answer.
        let _ = self.protocol.ping([0; 8], out);
    }

    /// The next moment at which something is due. The peer was last heard at `heard`.
    pub(crate) fn deadline(&self, heard: Time, limits: &Limits) -> (Time, Due) {
        // [server:http2-preface-deadline]
        if !self.protocol.is_established() {
            return (self.mid_frame + limits.head_ms, Due::GiveUp(Deadline::Head));
        }
        let alive = match self.awaits {
            // [server:http2-idle]
            _ if self.branches.is_empty() => {
                (self.idle_since + limits.keep_alive_ms, Due::GiveUp(Deadline::KeepAlive))
            }
            // [server:http2-ping]
            Time::NEVER => (heard + limits.ping_ms, Due::Ping),
            awaits => (awaits + limits.pong_ms, Due::GiveUp(Deadline::Pong)),
        };
        // [server:http2-frame-deadline]
        let frame = (self.mid_frame + limits.body_ms, Due::GiveUp(Deadline::Body));
        let content = (self.contents.oldest() + limits.body_ms, Due::Content);
        [alive, frame, content].into_iter().min_by_key(|(at, _)| *at).unwrap_or(alive)
    }
}
