#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod forward;
mod hub;
mod net;
mod pipe;

pub use body::{Body, BodyError};
pub use hub::{Hub, Response};

pub use sockeye_hub::{Config, Epoch};
pub use sockeye_server::Limits as ServerLimits;
pub use sockeye_service::{Access, Guard, Limits, Namespaces, Service};
