#![doc = include_str!("../README.md")]

mod channel;
mod channels;
mod config;
mod cursor;
mod entry;
mod error;
mod few;
mod hub;
mod item;
mod keys;
mod members;
mod name;
mod order;
mod patterns;
pub mod presence;
#[cfg(feature = "properties")]
#[doc(hidden)]
pub mod properties;
mod pull;
mod read;
mod reconfigure;
mod resume;
mod ring;
mod search;
mod sequencer;
mod share;
mod stats;
mod subscriber;
mod subscribers;
mod tombstones;

pub use config::{Config, Limits, OnGap, OnOverrun, PatternUse, Settings};
pub use cursor::{Cursor, Epoch, Seq, Start, Token};
pub use entry::{Entry, Kind, Publication};
pub use error::{Misuse, Refusal};
pub use hub::{Committed, Flow, Hub};
pub use item::{Budget, Gap, Item, Progress, Reason, Scope, Span, Sync};
pub use name::{ChannelName, NameError, Pattern, Target};
pub use read::{ChannelState, Page, Query};
pub use sequencer::{Admission, Published};
pub use stats::Stats;
pub use subscriber::{Subscribed, Subscriber};
pub use subscribers::SubscriberKey;
