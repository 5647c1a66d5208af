//! permessage-deflate (RFC 7692): what is agreed, and what the agreed stream may hold.

mod negotiation;
mod stream;
mod windows;

use crate::case::{Case, Miss, skipped};
use crate::http::{Request, Response};
use crate::inflate::Window;
use crate::peer::Peer;
use crate::target::Target;

const NAME: &str = "Sec-WebSocket-Extensions";

/// All permessage-deflate cases.
pub(super) fn cases() -> impl Iterator<Item = Case> {
    negotiation::cases().chain(stream::cases()).chain(windows::cases())
}

/// The parameters that the server accepted.
struct Agreed {
    server_forgets: bool,
    client_forgets: bool,
    /// The parameters as they stood, lower case, in order.
    params: Vec<(String, Option<String>)>,
}

impl Agreed {
    /// Reads an answer that must be one permessage-deflate, or says what is wrong with it.
    fn read(response: &Response) -> Result<Option<Self>, String> {
        let lines = response.all(NAME);
        let [line] = lines[..] else {
            return if lines.is_empty() { Ok(None) } else { Err(format!("{lines:?}")) };
        };
        let mut parts = line.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") || line.contains(',') {
            return Err(format!("{line:?}"));
        }
        let param = |part: &str| match part.split_once('=') {
            Some((name, value)) => {
                (name.trim().to_owned(), Some(value.trim().trim_matches('"').to_owned()))
            }
            None => (part.to_owned(), None),
        };
        let params: Vec<_> = parts.map(param).collect();
        let has = |wanted: &str| params.iter().any(|(name, _)| name == wanted);
        let agreed = Self {
            server_forgets: has("server_no_context_takeover"),
            client_forgets: has("client_no_context_takeover"),
            params,
        };
        agreed.fault().map_or(Ok(Some(agreed)), |fault| Err(format!("{fault} in {line:?}")))
    }

    /// The rule of RFC 7692 §7.1 that the parameters break, if they break one.
    fn fault(&self) -> Option<&'static str> {
        for (at, (name, value)) in self.params.iter().enumerate() {
            if self.params[..at].iter().any(|(earlier, _)| earlier == name) {
                return Some("a parameter twice");
            }
            let bits = value.as_deref().and_then(|value| value.parse().ok());
            match (name.as_str(), value) {
                ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
                ("server_max_window_bits" | "client_max_window_bits", Some(_))
                    if bits.is_some_and(|bits: u8| (8..=15).contains(&bits)) => {}
                _ => return Some("an unknown parameter or a bad value"),
            }
        }
        None
    }

    fn bits(&self, wanted: &str) -> Option<u8> {
        let (_, value) = self.params.iter().find(|(name, _)| name == wanted)?;
        value.as_deref()?.parse().ok()
    }
}

/// Opens a connection with this offer; `None` if the server declined it.
fn offer(target: &Target, offer: &str) -> Result<(Peer, Option<Agreed>), Miss> {
    let mut request = Request::upgrade(&target.echo);
    request.add(NAME, offer);
    let (mut peer, response) = Peer::upgraded(target, &request)?;
    let agreed = match Agreed::read(&response) {
        Ok(agreed) => agreed,
        Err(fault) => return crate::case::failed("one valid permessage-deflate", fault),
    };
    if let Some(agreed) = &agreed {
        peer.window = Some(Window::new(agreed.bits("server_max_window_bits").unwrap_or(15)));
        peer.server_forgets = agreed.server_forgets;
    }
    Ok((peer, agreed))
}

/// Opens a connection with an offer that the case needs accepted.
fn accepted(target: &Target, wanted: &str) -> Result<(Peer, Agreed), Miss> {
    needs_deflate(target)?;
    match offer(target, wanted)? {
        (peer, Some(agreed)) => Ok((peer, agreed)),
        (_, None) => skipped(format!("the server declines {wanted:?}")),
    }
}

/// Skips the case if the server has no permessage-deflate at all.
fn needs_deflate(target: &Target) -> Result<(), Miss> {
    let has = match target.deflate.get() {
        Some(&has) => has,
        None => {
            let (_, agreed) = offer(target, "permessage-deflate")?;
            *target.deflate.get_or_init(|| agreed.is_some())
        }
    };
    if has { Ok(()) } else { skipped("the server does not offer permessage-deflate") }
}
