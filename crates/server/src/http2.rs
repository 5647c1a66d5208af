//! HTTP/2: frames in, requests and streams out, many at a time.

pub(crate) mod answers;
pub(crate) mod content;
pub(crate) mod input;
pub(crate) mod put_off;
pub(crate) mod refusals;
mod requests;
mod waiting;
