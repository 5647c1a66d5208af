#![doc = include_str!("../README.md")]

mod bus;
mod mapping;
mod pump;
mod template;
mod window;

pub use bus::{Bus, Id, Message, Opened, Room};
pub use mapping::{Format, Mapped, Mapping, Unmappable};
pub use pump::{Note, OnBad, Outcome, Pump, PumpSettings, Sink};
pub use template::{Template, TemplateError};
pub use window::{Ticket, Window, WindowLimits};
