//! Which offers are accepted, and with which answer (RFC 7692 §5, §7).

use super::{Agreed, NAME, needs_deflate, offer};
use crate::case::{Case, Miss, Outcome, Row, case, failed, table};
use crate::http::Request;
use crate::peer::Peer;
use crate::target::Target;

const PARAMETERS: &str = "RFC 7692 §7";
const CONTEXT: &str = "RFC 7692 §7.1.1";
const WINDOW: &str = "RFC 7692 §7.1.2";
const SEVERAL: &str = "RFC 7692 §5.1";
const PLAIN: &str = "permessage-deflate";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let declined = DECLINED.iter().map(|&(name, section, offered)| {
        let title = format!("{offered} is declined");
        Case::new(format!("deflate/declines-{name}"), section, title, move |target| {
            declined(target, offered)
        })
    });
    declined.chain(table(ROWS))
}

/// Offers with a parameter that is wrong.
const DECLINED: [(&str, &str, &str); 17] = [
    ("unknown", PARAMETERS, "permessage-deflate; unknown"),
    ("unknown-value", PARAMETERS, "permessage-deflate; unknown=1"),
    ("duplicate", PARAMETERS, "permessage-deflate; client_max_window_bits; client_max_window_bits"),
    (
        "duplicate-flag",
        PARAMETERS,
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ),
    ("flag-with-value", CONTEXT, "permessage-deflate; server_no_context_takeover=1"),
    ("client-flag-with-value", CONTEXT, "permessage-deflate; client_no_context_takeover=true"),
    ("bits-absent", WINDOW, "permessage-deflate; server_max_window_bits"),
    ("bits-7", WINDOW, "permessage-deflate; server_max_window_bits=7"),
    ("bits-16", WINDOW, "permessage-deflate; server_max_window_bits=16"),
    ("bits-0", WINDOW, "permessage-deflate; server_max_window_bits=0"),
    ("bits-leading-zero", WINDOW, "permessage-deflate; server_max_window_bits=09"),
    ("bits-word", WINDOW, "permessage-deflate; server_max_window_bits=ten"),
    ("bits-negative", WINDOW, "permessage-deflate; server_max_window_bits=-10"),
    ("bits-huge", WINDOW, "permessage-deflate; server_max_window_bits=4294967306"),
    ("client-bits-7", WINDOW, "permessage-deflate; client_max_window_bits=7"),
    ("client-bits-16", WINDOW, "permessage-deflate; client_max_window_bits=16"),
    ("client-bits-leading-zero", WINDOW, "permessage-deflate; client_max_window_bits=010"),
];

const ROWS: &[Row] = &[
    case("deflate/accepts-plain", "RFC 7692 §7.1", "The plain offer is accepted", |target| {
        answer(target, PLAIN).map(drop)
    }),
    case(
        "deflate/no-unasked-client-bits",
        WINDOW,
        "client_max_window_bits is not answered unasked",
        |target| {
            let agreed = answer(target, PLAIN)?;
            match agreed.bits("client_max_window_bits") {
                Some(bits) => failed("no client_max_window_bits", bits),
                None => Ok(()),
            }
        },
    ),
    case("deflate/browser-offer", WINDOW, "The offer that browsers make is accepted", |target| {
        answer(target, "permessage-deflate; client_max_window_bits").map(drop)
    }),
    case("deflate/server-forgets", CONTEXT, "server_no_context_takeover is confirmed", |target| {
        match answer(target, "permessage-deflate; server_no_context_takeover")?.server_forgets {
            true => Ok(()),
            false => failed("server_no_context_takeover", "an answer without it"),
        }
    }),
    case(
        "deflate/quoted-value",
        "RFC 6455 §9.1",
        "A quoted value is the same as a bare one",
        |target| bounded(target, "permessage-deflate; client_max_window_bits=\"10\""),
    ),
    case(
        "deflate/client-bits-10",
        WINDOW,
        "client_max_window_bits=10 is answered with at most 10",
        |target| bounded(target, "permessage-deflate; client_max_window_bits=10"),
    ),
    case("deflate/all-parameters", PARAMETERS, "All four parameters at once", |target| {
        bounded(
            target,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=10",
        )
    }),
    case(
        "deflate/after-unknown-extension",
        SEVERAL,
        "An offer behind an unknown extension",
        |target| answer(target, "x-unknown; a=1, permessage-deflate").map(drop),
    ),
    case(
        "deflate/after-unsuitable-offer",
        SEVERAL,
        "A good offer behind one that is declined",
        |target| answer(target, "permessage-deflate; unknown, permessage-deflate").map(drop),
    ),
    case(
        "deflate/after-bad-bits",
        SEVERAL,
        "A good offer behind one with bad window bits",
        |target| {
            answer(target, "permessage-deflate; server_max_window_bits=7, permessage-deflate")
                .map(drop)
        },
    ),
    case("deflate/first-offer-first", SEVERAL, "The first acceptable offer is taken", |target| {
        let offered = "permessage-deflate; server_no_context_takeover, permessage-deflate";
        match answer(target, offered)?.server_forgets {
            true => Ok(()),
            false => failed("the first offer, with server_no_context_takeover", "the second"),
        }
    })
    .policy("the order is the client's preference"),
    case("deflate/two-lines", "RFC 6455 §9.1", "Offers on two header lines", two_lines),
    case(
        "deflate/empty-elements",
        "RFC 9110 §5.6.1.2",
        "Empty list elements are ignored",
        |target| answer(target, ", permessage-deflate ,,").map(drop),
    ),
];

/// Makes an offer that must be accepted.
fn answer(target: &Target, offered: &str) -> Result<Agreed, Miss> {
    needs_deflate(target)?;
    match offer(target, offered)? {
        (_, Some(agreed)) => Ok(agreed),
        (_, None) => failed(format!("{offered} accepted"), "declined"),
    }
}

fn declined(target: &Target, offered: &str) -> Outcome {
    needs_deflate(target)?;
    let mut request = Request::upgrade(&target.echo);
    request.add(NAME, offered);
    let (_, response) = Peer::ask(&target.echo, target.timeout, &request)?;
    // Whether the handshake may fail instead is asked once, in handshake/extension-unsuitable.
    match response.status == 101 && response.has(NAME) {
        true => failed("no permessage-deflate", format!("{:?}", response.all(NAME))),
        false => Ok(()),
    }
}

/// The server's bound on our window must be at most 10 bits.
fn bounded(target: &Target, offered: &str) -> Outcome {
    let bits = answer(target, offered)?.bits("client_max_window_bits");
    match bits.filter(|&bits| bits > 10) {
        Some(bits) => failed("client_max_window_bits of at most 10", bits),
        None => Ok(()),
    }
}

fn two_lines(target: &Target) -> Outcome {
    needs_deflate(target)?;
    let mut request = Request::upgrade(&target.echo);
    request.add(NAME, "x-unknown");
    request.add(NAME, PLAIN);
    let (_, response) = Peer::upgraded(target, &request)?;
    match Agreed::read(&response) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => failed("permessage-deflate accepted", "declined"),
        Err(fault) => failed("one valid permessage-deflate", fault),
    }
}
