//! Methods of AMQP 0-9-1 that a node sends, and those that it reads.

use bytes::{BufMut as _, BytesMut};

use crate::wire::{Fields, Malformed, PutFields as _, Table};

/// The reply codes that are told apart.
pub(crate) mod code {
    pub(crate) const ACCESS_REFUSED: u16 = 403;
    pub(crate) const NOT_FOUND: u16 = 404;
    pub(crate) const RESOURCE_LOCKED: u16 = 405;
    pub(crate) const PRECONDITION_FAILED: u16 = 406;
    pub(crate) const RESOURCE_ERROR: u16 = 506;
    pub(crate) const NOT_ALLOWED: u16 = 530;
    pub(crate) const INTERNAL_ERROR: u16 = 541;
    pub(crate) const NO_ROUTE: u16 = 312;
}

/// Class `basic`, which has content.
pub(crate) const BASIC: u16 = 60;

/// A method that a node sends.
#[derive(Clone, Debug)]
pub(crate) enum Request<'r> {
    StartOk {
        properties: &'r Table,
        mechanism: &'r str,
        response: &'r [u8],
    },
    TuneOk {
        channel_max: u16,
        frame_max: u32,
        heartbeat: u16,
    },
    Open {
        vhost: &'r str,
    },
    ChannelOpen,
    ChannelClose,
    ChannelCloseOk,
    FlowOk {
        is_active: u8,
    },
    /// A durable exchange that compares routing keys.
    ExchangeDeclare {
        exchange: &'r str,
    },
    /// Asks whether a queue is there.
    QueueFind {
        queue: &'r str,
    },
    /// A durable queue with these arguments, which is created if it is not there.
    QueueDeclare {
        queue: &'r str,
        arguments: &'r Table,
    },
    QueueBind {
        queue: &'r str,
        exchange: &'r str,
        routing_key: &'r str,
    },
    Qos {
        prefetch: u16,
    },
    Consume {
        queue: &'r str,
        arguments: &'r Table,
    },
    /// A message that has to come back if no queue takes it. Its content follows.
    Publish {
        exchange: &'r str,
        routing_key: &'r str,
    },
    /// All deliveries up to a tag were taken.
    Ack {
        tag: u64,
    },
    ConfirmSelect,
}

impl Request<'_> {
    /// Appends the method.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let (class, method) = self.id();
        out.put_u16(class);
        out.put_u16(method);
        match self {
            Self::StartOk { properties, mechanism, response } => {
                out.put_table(properties);
                out.put_shortstr(mechanism);
                out.put_longstr(response);
                out.put_shortstr("en_US");
            }
            Self::TuneOk { channel_max, frame_max, heartbeat } => {
                out.put_u16(*channel_max);
                out.put_u32(*frame_max);
                out.put_u16(*heartbeat);
            }
            Self::Open { vhost } => {
                out.put_shortstr(vhost);
                out.put_shortstr("");
                out.put_u8(0);
            }
            Self::ChannelOpen => out.put_shortstr(""),
            Self::ChannelClose => {
                out.put_u16(200);
                out.put_shortstr("");
                out.put_u32(0);
            }
            Self::ChannelCloseOk => {}
            Self::FlowOk { is_active } => out.put_u8(*is_active),
            Self::Qos { prefetch } => {
                out.put_u32(0);
                out.put_u16(*prefetch);
                out.put_u8(0);
            }
            Self::Ack { tag } => {
                out.put_u64(*tag);
                out.put_u8(1);
            }
            Self::ConfirmSelect => out.put_u8(0),
            Self::ExchangeDeclare { exchange } => {
                put_named(out, &[exchange, "direct"], DURABLE, Some(&Table::default()));
            }
            Self::QueueFind { queue } => {
                put_named(out, &[queue], PASSIVE, Some(&Table::default()));
            }
            Self::QueueDeclare { queue, arguments } => {
                put_named(out, &[queue], DURABLE, Some(arguments));
            }
            Self::QueueBind { queue, exchange, routing_key } => {
                put_named(out, &[queue, exchange, routing_key], 0, Some(&Table::default()));
            }
            Self::Consume { queue, arguments } => put_named(out, &[queue, ""], 0, Some(arguments)),
            Self::Publish { exchange, routing_key } => {
                put_named(out, &[exchange, routing_key], MANDATORY, None);
            }
        }
    }

    const fn id(&self) -> (u16, u16) {
        match self {
            Self::StartOk { .. } => (10, 11),
            Self::TuneOk { .. } => (10, 31),
            Self::Open { .. } => (10, 40),
            Self::ChannelOpen => (20, 10),
            Self::FlowOk { .. } => (20, 21),
            Self::ChannelClose => (20, 40),
            Self::ChannelCloseOk => (20, 41),
            Self::ExchangeDeclare { .. } => (40, 10),
            Self::QueueFind { .. } | Self::QueueDeclare { .. } => (50, 10),
            Self::QueueBind { .. } => (50, 20),
            Self::Qos { .. } => (BASIC, 10),
            Self::Consume { .. } => (BASIC, 20),
            Self::Publish { .. } => (BASIC, 40),
            Self::Ack { .. } => (BASIC, 80),
            Self::ConfirmSelect => (85, 10),
        }
    }
}

/// The bits of a declaration: it creates nothing; the object outlives the server.
const PASSIVE: u8 = 1;
const DURABLE: u8 = 2;

/// The bit of a message that comes back if no queue takes it.
const MANDATORY: u8 = 1;

/// Appends the fields of a method that names queues or exchanges: a number without a meaning, names, bits, and a table.
fn put_named(out: &mut BytesMut, names: &[&str], bits: u8, table: Option<&Table>) {
    out.put_u16(0);
    names.iter().for_each(|name| out.put_shortstr(name));
    out.put_u8(bits);
    table.into_iter().for_each(|table| out.put_table(table));
}

/// A method that a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Start {
        properties: Table,
        mechanisms: Box<str>,
    },
    Tune {
        channel_max: u16,
        frame_max: u32,
    },
    OpenOk,
    /// The server closes the connection or the channel.
    Close(Closed),
    Blocked {
        reason: Box<str>,
    },
    Unblocked,
    Flow {
        is_active: u8,
    },
    ChannelCloseOk,
    QueueOk {
        messages: u32,
    },
    /// The answer to another request.
    Done,
    ConsumeOk,
    /// The server has ended a consumer.
    Cancel,
    Deliver {
        tag: u64,
        exchange: Box<str>,
        routing_key: Box<str>,
    },
    Return {
        code: u16,
    },
    Ack {
        tag: u64,
        is_multiple: bool,
    },
    Nack,
    /// A secret is renewed, and other methods that are not needed.
    Other,
}

/// Why a connection or a channel was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) text: Box<str>,
}

impl Closed {
    /// Whether there is no such queue.
    pub(crate) fn is_missing(&self) -> bool {
        self.code == code::NOT_FOUND && self.text.contains("no queue")
    }

    /// Whether the stream is there and does not work yet: it is being created, or its server has just started.
    pub(crate) fn is_starting(&self) -> bool {
        let lacks_replica =
            self.code == code::PRECONDITION_FAILED && self.text.contains("have a replica");
        lacks_replica || self.code == code::NOT_FOUND && !self.is_missing()
    }
}

impl Answer {
    /// Reads a method.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(bytes);
        let id = (fields.short()?, fields.short()?);
        Ok(match id {
            (10, 10) => {
                fields.short()?;
                let properties = fields.table()?;
                let mechanisms = String::from_utf8_lossy(fields.longstr()?).into();
                Self::Start { properties, mechanisms }
            }
            (10, 30) => Self::Tune { channel_max: fields.short()?, frame_max: fields.long()? },
            (10, 41) => Self::OpenOk,
            (10, 50) | (20, 40) => {
                Self::Close(Closed { code: fields.short()?, text: fields.shortstr()? })
            }
            (10, 60) => Self::Blocked { reason: fields.shortstr()? },
            (10, 61) => Self::Unblocked,
            (20, 20) => Self::Flow { is_active: fields.octet()? & 1 },
            (20, 41) => Self::ChannelCloseOk,
            (50, 11) => {
                fields.shortstr()?;
                Self::QueueOk { messages: fields.long()? }
            }
            (20, 11) | (40, 11) | (50, 21) | (BASIC, 11) | (85, 11) => Self::Done,
            (BASIC, 21) => Self::ConsumeOk,
            (BASIC, 30) => Self::Cancel,
            (BASIC, 50) => Self::Return { code: fields.short()? },
            (BASIC, 60) => {
                fields.shortstr()?;
                let tag = fields.longlong()?;
                fields.octet()?;
                Self::Deliver { tag, exchange: fields.shortstr()?, routing_key: fields.shortstr()? }
            }
            (BASIC, 80) => {
                Self::Ack { tag: fields.longlong()?, is_multiple: fields.octet()? & 1 == 1 }
            }
            (BASIC, 120) => Self::Nack,
            _ => Self::Other,
        })
    }

    /// Whether content follows.
    pub(crate) const fn has_content(&self) -> bool {
        matches!(self, Self::Deliver { .. } | Self::Return { .. })
    }
}
