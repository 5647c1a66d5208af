//! The opening handshake: how a request may differ from the right one, and what becomes of it.

mod fields;
mod request_line;
mod response;
mod syntax;
mod upgrade;

use crate::case::{Case, Level, Miss, Outcome, failed, skipped};
use crate::http::{Request, Response};
use crate::peer::Peer;
use crate::target::Target;

/// All handshake cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    let tables: [&'static [Variant]; 4] =
        [request_line::VARIANTS, upgrade::VARIANTS, fields::VARIANTS, syntax::VARIANTS];
    tables.into_iter().flatten().flat_map(Variant::cases).chain(response::cases())
}

/// A request that differs from a correct one, and how it must be taken.
struct Variant {
    name: &'static str,
    section: &'static str,
    title: &'static str,
    level: Level,
    edit: fn(&mut Request),
    answer: Answer,
    /// The status that we hold to be the right one, and how binding that is.
    exact: Option<(Exact, Level)>,
}

/// The server's answer to a request.
#[derive(Clone, Copy)]
enum Answer {
    /// A correct 101, after which the connection works.
    Accepted,
    /// A status of 400 or above.
    Refused,
    /// Any status but 101: an HTTP server may also answer as if nobody had asked for an upgrade.
    NotUpgraded,
}

/// The one right refusal.
#[derive(Clone, Copy)]
struct Exact {
    statuses: &'static [u16],
    /// A header that the refusal carries, and an element of its list.
    header: Option<(&'static str, &'static str)>,
}

/// A request that the text tells the server to refuse.
const fn refused(
    name: &'static str,
    section: &'static str,
    title: &'static str,
    edit: fn(&mut Request),
) -> Variant {
    let (level, answer, exact) = (Level::Must, Answer::Refused, None);
    Variant { name, section, title, level, edit, answer, exact }
}

/// The same, where status 400 fits best; see [`Variant::status`].
const fn bad_request(
    name: &'static str,
    section: &'static str,
    title: &'static str,
    edit: fn(&mut Request),
) -> Variant {
    refused(name, section, title, edit).status(&[400])
}

/// A request that does not ask for a WebSocket.
const fn not_upgraded(
    name: &'static str,
    section: &'static str,
    title: &'static str,
    edit: fn(&mut Request),
) -> Variant {
    Variant { answer: Answer::NotUpgraded, ..refused(name, section, title, edit) }
}

/// An unusual request that is correct nevertheless.
const fn accepted(
    name: &'static str,
    section: &'static str,
    title: &'static str,
    edit: fn(&mut Request),
) -> Variant {
    Variant { answer: Answer::Accepted, ..refused(name, section, title, edit) }
}

impl Variant {
    /// Makes it our choice, and says why we choose so.
    const fn policy(mut self, reason: &'static str) -> Self {
        self.level = Level::Policy(reason);
        self
    }

    /// Names the status that fits best; a case of its own, in the group `answer`.
    const fn status(mut self, statuses: &'static [u16]) -> Self {
        let reason = "the text leaves the status open; this one tells the client what was wrong";
        self.exact = Some((Exact { statuses, header: None }, Level::Policy(reason)));
        self
    }

    /// Names the status that a clause asks for.
    const fn required_status(mut self, statuses: &'static [u16]) -> Self {
        self.exact = Some((Exact { statuses, header: None }, Level::Must));
        self
    }

    /// Names an element of a header that goes with the status.
    const fn header(mut self, name: &'static str, element: &'static str) -> Self {
        if let Some((exact, level)) = self.exact {
            self.exact = Some((Exact { header: Some((name, element)), ..exact }, level));
        }
        self
    }

    /// The case itself and, if one answer is the right one, a second case that asks for it.
    fn cases(&'static self) -> impl Iterator<Item = Case> {
        let Self { name, section, title, level, edit, answer, exact } = *self;
        let taken = Case::new(format!("handshake/{name}"), section, title, move |target| {
            check_taken(target, edit, answer)
        })
        .at(level);
        let exact = exact.map(|(exact, level)| {
            let title = format!("{title}: the answer is {exact}");
            Case::new(format!("answer/{name}"), section, title, move |target| {
                check_exact(target, edit, exact)
            })
            .at(level)
        });
        [Some(taken), exact].into_iter().flatten()
    }
}

impl core::fmt::Display for Exact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let statuses: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
        write!(f, "{}", statuses.join(" or "))?;
        match self.header {
            Some((name, element)) => write!(f, " with {name}: {element}"),
            None => Ok(()),
        }
    }
}

fn ask(target: &Target, edit: fn(&mut Request)) -> Result<(Peer, Response), Miss> {
    let mut request = Request::upgrade(&target.echo);
    edit(&mut request);
    let mut peer = Peer::connect(&target.echo, target.timeout)?;
    // Aside, because a server may answer before it took a large request whole.
    peer.send_aside(request.bytes());
    let response = peer.response()?;
    Ok((peer, response))
}

fn check_taken(target: &Target, edit: fn(&mut Request), answer: Answer) -> Outcome {
    let (mut peer, response) = ask(target, edit)?;
    let status = response.status;
    match answer {
        Answer::Refused if status >= 400 => Ok(()),
        Answer::Refused => failed("status 400 or above", format!("status {status}")),
        Answer::NotUpgraded if status >= 200 => Ok(()),
        Answer::NotUpgraded => failed("any final status but 101", format!("status {status}")),
        Answer::Accepted if status != 101 => failed("status 101", format!("status {status}")),
        Answer::Accepted => match response.upgrade_fault() {
            Some(fault) => failed("a correct 101", fault),
            None => peer.expect_alive(),
        },
    }
}

fn check_exact(target: &Target, edit: fn(&mut Request), exact: Exact) -> Outcome {
    let (_, response) = ask(target, edit)?;
    if response.status == 101 {
        return skipped("it upgraded; the case of this name in the group handshake counts that");
    }
    let carried = exact
        .header
        .is_none_or(|(name, element)| response.list(name).contains(&element.to_ascii_lowercase()));
    if exact.statuses.contains(&response.status) && carried {
        return Ok(());
    }
    let header = match exact.header {
        Some((name, _)) => format!(" with {name}: {:?}", response.all(name)),
        None => String::new(),
    };
    failed(format!("status {exact}"), format!("status {}{header}", response.status))
}
