//! The answers that the text allows to what a case sent.

use core::fmt;

use sockeye_cases::{Seen, failed};

use crate::link::Nothing;
use crate::peer::{HTTP1, Peer};
use crate::wire::{PROTOCOL_ERROR, code_name};

/// The answer that the text asks for.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// An error of the connection with one of these codes: GOAWAY, then the end (§5.4.1).
    Goaway(&'static [u32]),
    /// An error of a stream with one of these codes: RST_STREAM, or GOAWAY with the code, since any error
    /// may be taken as one of the connection (§5.4.1).
    Reset(u32, &'static [u32]),
    /// A malformed request: RST_STREAM or GOAWAY with PROTOCOL_ERROR, or a status that says so (§8.1.1).
    Malformed(u32),
    /// No effect: PING is answered, and neither the connection nor a stream has an error.
    Fine,
    /// This status.
    Status(u32, &'static [u16]),
    /// The end of the connection without a word.
    End,
    /// An answer in HTTP/1.1, where the port speaks both and the preface is none of HTTP/2.
    Http1,
    /// Any of these.
    Any(&'static [Self]),
}

/// The first thing that decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Goaway(u32),
    Reset(u32, u32),
    Status(u32, u16),
    Pong,
    End,
    Http1,
}

/// The payload of the PING behind what a case sends.
const PROBE: [u8; 8] = *b"h2 probe";

impl Want {
    fn allows(&self, sign: Sign) -> bool {
        match (*self, sign) {
            (Self::Goaway(codes) | Self::Reset(_, codes), Sign::Goaway(code)) => {
                codes.contains(&code)
            }
            (Self::Reset(stream, codes), Sign::Reset(other, code)) => {
                stream == other && codes.contains(&code)
            }
            (Self::Malformed(_), Sign::Goaway(code)) => code == PROTOCOL_ERROR,
            (Self::Malformed(stream), Sign::Reset(other, code)) => {
                (stream, PROTOCOL_ERROR) == (other, code)
            }
            (Self::Malformed(stream), Sign::Status(other, status)) => {
                stream == other && matches!(status, 400..=499 | 501 | 505)
            }
            (Self::Status(stream, wanted), Sign::Status(other, status)) => {
                stream == other && wanted.contains(&status)
            }
            (Self::Fine, Sign::Pong) | (Self::End, Sign::End) | (Self::Http1, Sign::Http1) => true,
            (Self::Any(wants), sign) => wants.iter().any(|want| want.allows(sign)),
            _ => false,
        }
    }

    /// Whether a response on this stream decides.
    fn asks_status(&self, id: u32) -> bool {
        match self {
            Self::Malformed(stream) | Self::Status(stream, _) => *stream == id,
            Self::Any(wants) => wants.iter().any(|want| want.asks_status(id)),
            Self::Goaway(_) | Self::Reset(..) | Self::Fine | Self::End | Self::Http1 => false,
        }
    }

    /// Whether the text leaves a choice, so that a report has to say which was made.
    fn is_choice(&self) -> bool {
        match self {
            Self::Goaway(codes) => codes.len() > 1,
            Self::Reset(..) | Self::Malformed(_) | Self::Any(_) => true,
            Self::Status(_, statuses) => statuses.len() > 1,
            Self::Fine | Self::End | Self::Http1 => false,
        }
    }

    /// Waits for the answer. With a probe, a PING goes behind the bytes of the case, which ends the wait
    /// for a server that ignores them.
    pub(crate) fn judge(&self, peer: &mut Peer, probes: bool) -> Seen {
        if probes {
            peer.send(&crate::wire::ping(PROBE));
        }
        let mut sign = None;
        peer.until(|peer| {
            sign = self.sign(peer);
            sign.is_some()
        });
        if sign == Some(Sign::Pong) && !self.allows(Sign::Pong) {
            // Another answer may come behind that to the PING.
            peer.until(|peer| {
                sign = self.sign(peer).filter(|sign| *sign != Sign::Pong);
                sign.is_some()
            });
        }
        match sign {
            Some(sign) if self.allows(sign) => self.confirm(peer, sign),
            _ => failed(self, peer.story()),
        }
    }

    /// An error of the connection has to end it, and a server's own frames have to be right.
    fn confirm(&self, peer: &mut Peer, sign: Sign) -> Seen {
        if matches!(sign, Sign::Goaway(_)) && !peer.until(|peer| peer.end.is_some()) {
            return failed("the end of the connection behind GOAWAY", peer.story());
        }
        if let Some(fault) = peer.fault.as_ref().filter(|_| sign != Sign::Http1) {
            return failed("frames that are right", fault);
        }
        Ok(if self.is_choice() { sign.to_string() } else { String::new() })
    }

    /// The first thing that decides, if it came.
    fn sign(&self, peer: &Peer) -> Option<Sign> {
        if let Some((_, code)) = peer.goaway {
            return Some(Sign::Goaway(code));
        }
        if let Some((&id, stream)) = peer.streams.iter().find(|(_, it)| it.reset.is_some()) {
            return Some(Sign::Reset(id, stream.reset.unwrap_or_default()));
        }
        let mut answered = peer.streams.iter().filter(|(id, _)| self.asks_status(**id));
        if let Some((&id, status)) = answered.find_map(|(id, it)| Some((id, it.status?))) {
            return Some(Sign::Status(id, status));
        }
        let is_http1 = peer.fault.as_ref().is_some_and(|it| it.as_bytes().starts_with(HTTP1));
        if is_http1 && !peer.is_tls {
            return Some(Sign::Http1);
        }
        match peer.end {
            Some(Nothing::Fin | Nothing::Reset) => Some(Sign::End),
            Some(Nothing::Silence) | None => peer.pongs.contains(&PROBE).then_some(Sign::Pong),
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goaway(code) => write!(f, "GOAWAY {}", code_name(*code)),
            Self::Reset(_, code) => write!(f, "RST_STREAM {}", code_name(*code)),
            Self::Status(_, status) => write!(f, "status {status}"),
            Self::Pong => f.write_str("no effect"),
            Self::End => f.write_str("the end of the connection"),
            Self::Http1 => f.write_str("an answer in HTTP/1.1"),
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |codes: &[u32]| {
            let names: Vec<String> = codes.iter().map(|&code| code_name(code)).collect();
            names.join(" or ")
        };
        match self {
            Self::Goaway(codes) => write!(f, "GOAWAY {}, and the end", names(codes)),
            Self::Reset(stream, codes) => {
                write!(f, "RST_STREAM {} on {stream}, or GOAWAY with it", names(codes))
            }
            Self::Malformed(stream) => {
                write!(f, "RST_STREAM PROTOCOL_ERROR on {stream}, GOAWAY with it, or a status 4xx")
            }
            Self::Fine => f.write_str("no effect, and an answer to PING"),
            Self::Status(stream, statuses) => write!(f, "status {statuses:?} on {stream}"),
            Self::End => f.write_str("the end of the connection"),
            Self::Http1 => f.write_str("an answer in HTTP/1.1 without TLS"),
            Self::Any(wants) => {
                for (at, want) in wants.iter().enumerate() {
                    write!(f, "{}{want}", if at == 0 { "" } else { "; or " })?;
                }
                Ok(())
            }
        }
    }
}
