//! `GET /v1/position`: read it, load your state, and then subscribe from it.

use sockeye_hub::{ChannelState, Reason, Start, Target, Token};
use sockeye_server::{Answer, Context, Reply, Request, Status};

use super::reply::json;
use crate::dialect::held;
use crate::engine::{Principal, units};
use crate::wire::reply::position;
use crate::wire::{Code, Problem, Query, channel_name};
use crate::{Pending, Service};

/// The channels that a request asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    who: Principal,
    names: Vec<String>,
    cursor: Option<String>,
}

impl Wanted {
    /// The position that it names.
    pub(super) fn start(&self) -> Option<Start> {
        self.cursor.as_ref().map(|text| Token::parse(text).start)
    }
}

impl Service {
    pub(crate) fn position(
        &mut self,
        who: &Principal,
        (request, query): (&Request<'_>, &Query<'_>),
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let own = query.one("cursor")?.filter(|text| !text.is_empty());
        let names: Vec<&str> = query.all("channel").collect();
        if names.len() > self.engine.limits.wire.channels_max {
            return Err(Problem::new(Code::TooManyChannels, "too many channels"));
        }
        let targets = names.iter().filter_map(|name| Target::new(name).ok());
        let coding = self.coding_of_answer(request, who, targets);
        let start = own.map(|text| Token::parse(text).start);
        let waits = start.is_some_and(|start| self.engine.is_ahead(start).is_some());
        if names.len() as u64 * units::TARGET <= units::AT_ONCE && !waits {
            let reply = self.position_of(who, &names, own, context)?;
            return Ok(self.code(reply, coding, context).into());
        }
        let (names, cursor) =
            (names.into_iter().map(str::to_owned).collect(), own.map(str::to_owned));
        let wanted = Wanted { who: who.clone(), names, cursor };
        let hold = self.hold_for_turn(Vec::new());
        self.hold(who, (held::Wanted::Position(wanted), coding), hold)
    }

    /// Answers a request that was held.
    pub(super) fn positions(
        &self,
        wanted: &Wanted,
        context: &mut Context<'_>,
    ) -> Result<Reply, Problem> {
        let names: Vec<&str> = wanted.names.iter().map(String::as_str).collect();
        self.position_of(&wanted.who, &names, wanted.cursor.as_deref(), context)
    }

    fn position_of(
        &self,
        who: &Principal,
        names: &[&str],
        own: Option<&str>,
        context: &mut Context<'_>,
    ) -> Result<Reply, Problem> {
        // [service:position-gap] Numbers of a lost part of the log say nothing of this one.
        let gap: Option<Reason> =
            own.and_then(|text| self.engine.hub.fault(Token::parse(text).start));
        context.spend(names.len() as u64 * units::TARGET);
        let mut channels: Vec<(&str, ChannelState)> = Vec::new();
        for name in names {
            let channel = channel_name(name)?;
            if channels.iter().any(|(it, _)| it == name) {
                return Err(Problem::new(Code::BadQuery, format!("{name} is named twice")));
            }
            who.may_subscribe(
                Target::Channel(channel),
                &self.engine.namespaces,
                self.engine.calendar,
            )?;
            channels.push((name, self.engine.hub.channel(channel)));
        }
        Ok(json(Status::OK, position(self.engine.hub.position(), gap, &channels)))
    }
}
