//! The outlet of the dialect `/v1`: writes entries, notices and ends in each stream's own form.

use std::cell::OnceCell;

use sockeye_hub::{Cursor, Entry};
use sockeye_server::{
    Coding, Context, SendError, SharedEvent, SharedEvents, SharedMessage, SharedMessages,
    StreamKey, Time,
};

use crate::engine::dialect;
use crate::engine::{
    Body, Burst, Dialect, End, NOWHERE, NotSent, Notice, Outlet, Roster, StreamName,
};
use crate::wire::{self, CloseReason, Control, CursorText};

/// The dialect `/v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct V1;

/// The body of an entry, with the encodings of this dialect.
pub(crate) type EntryBody = Body<Forms>;

/// A stream of this dialect, as a recipient.
pub(crate) type Recipient = dialect::Recipient<V1>;

/// The encodings of a message.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    raw: OnceCell<SharedEvent>,
    envelope: OnceCell<SharedEvent>,
    message: OnceCell<SharedMessage>,
    bare: OnceCell<Option<SharedMessage>>,
}

/// The encodings of several messages together.
#[derive(Debug, Default)]
pub(crate) struct BurstForms {
    raw: OnceCell<SharedEvents>,
    envelope: OnceCell<SharedEvents>,
    message: OnceCell<SharedMessages>,
    /// Without the end of a channel, which is the last one if it is there.
    bare: OnceCell<SharedMessages>,
}

/// The form in which a stream receives its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Server-sent events.
    Events(EventForm),
    /// A WebSocket with the subprotocol.
    Commands,
    /// The same before its first message, which may identify the client.
    Greeting,
    /// A WebSocket without the subprotocol: payloads and nothing else.
    Bare,
    /// A request that is held until there is something to answer with.
    Poll,
    /// The same, and its answer may go in gzip.
    CodedPoll,
}

/// How the data of an event are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// As they were published.
    None,
    /// As JSON that also tells channel, position and time.
    Json,
}

/// The sign of life of an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// A frame that fires no event.
    Silent,
    /// An event that a page's script can see.
    Ping,
}

/// The form of an event stream: in one byte, as each stream keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventForm {
    Raw,
    Json,
    RawWithPings,
    JsonWithPings,
}

impl EventForm {
    pub(crate) const fn new(envelope: Envelope, heartbeat: Heartbeat) -> Self {
        match (envelope, heartbeat) {
            (Envelope::None, Heartbeat::Silent) => Self::Raw,
            (Envelope::Json, Heartbeat::Silent) => Self::Json,
            (Envelope::None, Heartbeat::Ping) => Self::RawWithPings,
            (Envelope::Json, Heartbeat::Ping) => Self::JsonWithPings,
        }
    }

    const fn envelope(self) -> Envelope {
        match self {
            Self::Raw | Self::RawWithPings => Envelope::None,
            Self::Json | Self::JsonWithPings => Envelope::Json,
        }
    }

    pub(crate) const fn heartbeat(self) -> Heartbeat {
        match self {
            Self::Raw | Self::Json => Heartbeat::Silent,
            Self::RawWithPings | Self::JsonWithPings => Heartbeat::Ping,
        }
    }
}

impl Envelope {
    const fn form(self) -> wire::Form {
        match self {
            Self::None => wire::Form::Raw,
            Self::Json => wire::Form::Envelope,
        }
    }
}

impl Delivery {
    /// That of a poll whose answer has this coding.
    pub(crate) const fn poll(coding: Option<Coding>) -> Self {
        match coding {
            Some(Coding::Gzip) => Self::CodedPoll,
            Some(Coding::Identity) | None => Self::Poll,
        }
    }

    /// The coding of what goes in one answer.
    pub(crate) const fn coding(self) -> Option<Coding> {
        match self {
            Self::CodedPoll => Some(Coding::Gzip),
            Self::Events(..) | Self::Commands | Self::Greeting | Self::Bare | Self::Poll => None,
        }
    }
}

impl dialect::Delivery for Delivery {
    fn fetches(self) -> bool {
        matches!(self, Self::Poll | Self::CodedPoll)
    }

    fn ends_with_its_channels(self) -> bool {
        match self {
            Self::Events(..) | Self::Bare => true,
            Self::Commands | Self::Greeting | Self::Poll | Self::CodedPoll => false,
        }
    }

    fn is_unidentified(self) -> bool {
        self == Self::Greeting
    }

    fn carries_proof(self) -> bool {
        match self {
            // Its next request brings the cursor and the ticket together.
            Self::Events(..) => true,
            Self::Commands | Self::Greeting | Self::Bare | Self::Poll | Self::CodedPoll => false,
        }
    }
}

impl StreamName for StreamKey {
    fn index(self) -> usize {
        self.index()
    }

    fn spread(self) -> u128 {
        self.to_u128() >> 32
    }
}

/// The presence of a channel, as events and as messages.
#[derive(Debug)]
pub(crate) struct Announcement {
    event: SharedEvent,
    message: SharedMessage,
}

impl Dialect for V1 {
    type Stream = StreamKey;
    type Delivery = Delivery;
    type Forms = Forms;
    type BurstForms = BurstForms;
    type Announcement = Announcement;

    fn announce(presence: &Roster<'_>) -> Announcement {
        let (control, mut text) = (Control::Presence(*presence), String::new());
        // [service:compress-presence] It has the names of several users.
        let event = SharedEvent::confidential(&control.event(&mut text));
        let mut text = String::new();
        control.write_json(&mut text);
        Announcement { event, message: SharedMessage::text(&text) }
    }
}

impl Outlet<V1> for Context<'_> {
    fn now(&self) -> Time {
        self.now()
    }

    fn waiting_bytes(&self, stream: StreamKey) -> usize {
        self.outbox_bytes(stream)
    }

    #[inline(always)]
    fn spend(&mut self, units: u64) {
        self.spend(units);
    }

    fn units_spent(&self) -> u64 {
        self.units_spent()
    }

    fn units_billed(&self) -> u64 {
        self.units_billed()
    }

    fn bill_nobody(&mut self, before: u64) {
        self.bill_nobody(before);
    }

    fn bill(&mut self, units: u64) {
        self.bill(units);
    }

    fn units_left(&self) -> u64 {
        self.units_left()
    }

    fn come_back(&mut self) {
        self.come_back();
    }

    fn notify_drained(&mut self, stream: StreamKey) {
        self.notify_drained(stream);
    }

    #[inline(always)]
    fn entry(
        &mut self,
        stream: StreamKey,
        delivery: Delivery,
        entry: &Entry<EntryBody>,
        waiting_max: usize,
    ) -> Result<(), NotSent> {
        let sent = match delivery {
            Delivery::Events(form) => {
                self.send_shared_event_below(stream, event(entry, form.envelope()), waiting_max)
            }
            Delivery::Commands | Delivery::Greeting => {
                self.send_shared_below(stream, message(entry), waiting_max)
            }
            Delivery::Bare => match bare(entry) {
                Some(message) => self.send_shared_below(stream, message, waiting_max),
                None if self.outbox_bytes(stream) >= waiting_max => Err(SendError::Backpressure),
                None => Ok(()),
            },
            // A poll gets everything in its response.
            Delivery::Poll | Delivery::CodedPoll => Ok(()),
        };
        sent.map_err(not_sent)
    }

    // It has two callers, and one of them is a loop over everybody.
    #[inline(always)]
    fn burst(
        &mut self,
        stream: StreamKey,
        delivery: Delivery,
        Burst { entries, forms }: &Burst<'_, V1>,
        waiting_max: usize,
    ) -> Result<(), (usize, NotSent)> {
        let entries = entries.iter();
        let sent = match delivery {
            Delivery::Events(form) => {
                let envelope = form.envelope();
                let cell = match envelope {
                    Envelope::None => &forms.raw,
                    Envelope::Json => &forms.envelope,
                };
                let new = || entries.map(|entry| event(entry, envelope).clone()).collect();
                self.send_all_shared_events_below(stream, cell.get_or_init(new), waiting_max)
            }
            Delivery::Commands | Delivery::Greeting => {
                let new = || entries.map(|entry| message(entry).clone()).collect();
                self.send_all_shared_below(stream, forms.message.get_or_init(new), waiting_max)
            }
            Delivery::Bare => {
                let count = entries.len();
                let new = || entries.filter_map(|entry| bare(entry).cloned()).collect();
                let messages = forms.bare.get_or_init(new);
                let sent = self.send_all_shared_below(stream, messages, waiting_max);
                let has_end = messages.as_slice().len() < count;
                match sent {
                    // The end takes no room, and asks for some.
                    Ok(()) if has_end && self.outbox_bytes(stream) >= waiting_max => {
                        Err((count - 1, SendError::Backpressure))
                    }
                    sent => sent,
                }
            }
            // A poll gets everything in its response.
            Delivery::Poll | Delivery::CodedPoll => Ok(()),
        };
        sent.map_err(|(sent, why)| (sent, not_sent(why)))
    }

    /// The ID of an event carries the proof, so that the event is this stream's own.
    fn proved_entry(
        &mut self,
        to: &Recipient,
        entry: &Entry<EntryBody>,
        waiting_max: usize,
    ) -> Result<(), NotSent> {
        let (Delivery::Events(form), Some(_)) = (to.delivery, &to.proof) else {
            return self.entry(to.stream, to.delivery, entry, waiting_max);
        };
        if self.outbox_bytes(to.stream) >= waiting_max {
            return Err(NotSent::Full);
        }
        let (cursor, mut text) = (to.cursor(entry.position), String::new());
        let event = wire::event(entry, &cursor, form.envelope().form(), &mut text);
        self.send_event(to.stream, &event).map_err(not_sent)
    }

    fn notice(&mut self, to: &Recipient, notice: Notice<'_>) {
        match notice {
            // A bare WebSocket has no words for a gap, and no loss is silent.
            Notice::Gap(_) if to.delivery == Delivery::Bare => {
                to.goaway(CloseReason::Reconnect, None, NOWHERE, self);
            }
            Notice::Gap(gap) => to.control(&Control::Gap(wire::Gap::from(gap)), self),
            Notice::Sync { cursor, gaps, replayed } => {
                let cursor = to.cursor(cursor);
                to.control(&Control::Sync { cursor: &cursor, gaps, replayed }, self);
            }
            Notice::Ended { channel, cursor } => {
                let cursor = to.cursor(cursor);
                to.control(&Control::End { channel, cursor: &cursor }, self);
            }
        }
    }

    fn announcement(&mut self, to: &Recipient, told: &Announcement) {
        // The loop reports a stream that is gone.
        let _ = match to.delivery {
            Delivery::Events(..) => self.send_shared_event(to.stream, &told.event),
            Delivery::Commands => self.send_shared(to.stream, &told.message),
            Delivery::Greeting | Delivery::Bare | Delivery::Poll | Delivery::CodedPoll => Ok(()),
        };
    }

    fn end(&mut self, to: &Recipient, reason: End, retry_ms: Option<u64>, cursor: Cursor) {
        to.goaway(reason.into(), retry_ms, cursor, self);
    }
}

fn not_sent(error: SendError) -> NotSent {
    match error {
        SendError::Backpressure => NotSent::Full,
        _ => NotSent::Gone,
    }
}

/// The entry as an event without a proof in its ID.
fn event(entry: &Entry<EntryBody>, envelope: Envelope) -> &SharedEvent {
    let forms = entry.body.forms();
    let cell = match envelope {
        Envelope::None => &forms.raw,
        Envelope::Json => &forms.envelope,
    };
    cell.get_or_init(|| {
        let (cursor, mut text) = (CursorText::new(entry.position), String::new());
        SharedEvent::new(&wire::event(entry, &cursor, envelope.form(), &mut text))
    })
}

/// The entry as a message of the subprotocol.
fn message(entry: &Entry<EntryBody>) -> &SharedMessage {
    entry.body.forms().message.get_or_init(|| {
        // The envelope seldom has more than 160 bytes besides the channel's name.
        let len = entry.body.payload().cost() + entry.channel.len() + 160;
        let mut text = String::with_capacity(len);
        wire::message(entry, &CursorText::new(entry.position), &mut text);
        SharedMessage::text(&text)
    })
}

/// The payload alone. The end of a channel has none.
fn bare(entry: &Entry<EntryBody>) -> Option<&SharedMessage> {
    entry.body.forms().bare.get_or_init(|| wire::bare(entry).map(SharedMessage::text)).as_ref()
}

#[cfg(test)]
mod tests {
    use super::V1;
    use crate::engine::session::Session;

    /// Each idle stream has one, so its size is paid a hundred thousand times.
    #[test]
    fn a_session_is_small() {
        assert_eq!(size_of::<Option<Session<V1>>>(), 72);
    }
}
