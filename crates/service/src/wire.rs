//! The wire format: pure functions between bytes and the hub's types, without I/O.
//!
//! Outgoing: [`message`], [`bare`] and [`event`] write an entry of the log, [`Control`] everything
//! else that a stream says; [`PollBody`] and the functions of [`reply`] write the bodies of responses.
//! Incoming: [`Command`] reads `sockeye.v1.json`, [`Query`] and [`path_segment`] read targets,
//! [`publish_raw`], [`publish_value`], [`publish_json`] and [`Batch`] read publications. What is refused is a [`Problem`].

mod batch;
mod close;
mod command;
mod control;
mod cursor;
mod fields;
mod json;
mod kept;
mod limits;
mod message;
mod payload;
mod poll;
mod problem;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod publish;
mod query;
pub mod reply;

pub use crate::engine::presence::Roster as Presence;
pub use crate::payload::{Data, EventName, Json, Level, Payload};
pub use batch::Batch;
pub use close::{Advice, CloseReason};
pub use command::{Command, Credential, Id, Refused};
pub use control::{Control, Gap, GapScope, Receipt};
pub use cursor::CursorText;
pub(crate) use json::not_json;
pub use limits::Limits;
pub use message::{Form, bare, event, message, position_event};
pub(crate) use payload::is_end;
pub use poll::{PollBody, Rest};
pub use problem::{Code, Problem};
pub(crate) use problem::{channel_name, target};
pub use publish::{Channels, Expect, Options, Publish, publish_json, publish_raw, publish_value};
pub(crate) use query::CURSORS;
pub use query::{Query, path_segment, resume};
