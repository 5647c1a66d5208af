//! The cases, by what they are about.

mod burst;
mod connect;
mod continuation;
mod fields;
mod flood;
mod flow;
mod hpack;
mod message;
mod open;
mod preface;
mod settings;
mod size;
mod state;
mod stream;
mod tls;
mod web_socket;

use crate::row::Case;

/// All cases, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(preface::cases());
    cases.extend(tls::cases());
    cases.extend(size::cases());
    cases.extend(stream::cases());
    cases.extend(state::cases());
    cases.extend(open::cases());
    cases.extend(continuation::cases());
    cases.extend(hpack::cases());
    cases.extend(fields::cases());
    cases.extend(message::cases());
    cases.extend(settings::cases());
    cases.extend(flow::cases());
    cases.extend(connect::cases());
    cases.extend(web_socket::cases());
    cases.extend(burst::cases());
    cases.extend(flood::cases());
    cases
}
