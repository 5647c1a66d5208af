//! The list of a channel's members.

use sockeye_hub::{ChannelName, Target};
use sockeye_server::{Answer, Context, Reply, Request, Status};

use super::reply::json;
use crate::dialect::held;
use crate::engine::{Principal, units};
use crate::wire::{self, Code, Problem, Query, channel_name, reply};
use crate::{Pending, Service};

/// Users in a page of the list if the request does not say how many.
const PAGE_USERS: u64 = 100;

/// The part of the list that a request asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    who: Principal,
    channel: String,
    after: Option<String>,
    limit: usize,
}

impl Service {
    /// `GET /v1/channels/{channel}/presence`: how many are there, and a page of who.
    pub(crate) fn list_presence(
        &mut self,
        who: &Principal,
        channel: ChannelName<'_>,
        (request, query): (&Request<'_>, &Query<'_>),
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        self.may_list(who, channel)?;
        let limit = query.number("limit")?.unwrap_or(PAGE_USERS);
        if limit == 0 {
            // An empty page names no member after whom to go on.
            return Err(Problem::new(Code::BadQuery, "limit has to be 1 at least"));
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let limit = limit.min(self.engine.limits.presence_page_max);
        let after = query.one("after")?.map(str::to_owned);
        let wanted =
            Wanted { who: who.clone(), channel: channel.as_str().to_owned(), after, limit };
        context.spend(units::TARGET);
        let coding = self.coding_of_answer(request, who, [Target::Channel(channel)].into_iter());
        let users = self.engine.presence.state(channel.as_str()).users;
        if users.min(limit as u64) * units::ITEM <= units::AT_ONCE {
            let reply = self.members(&wanted, context)?;
            return Ok(self.code(reply, coding, context).into());
        }
        let hold = self.hold_for_turn(Vec::new());
        self.hold(who, (held::Wanted::Members(wanted), coding), hold)
    }

    fn may_list(&self, who: &Principal, channel: ChannelName<'_>) -> Result<(), Problem> {
        let target = Target::Channel(channel);
        who.may_subscribe(target, &self.engine.namespaces, self.engine.calendar)?;
        Ok(self.engine.check_watch(target)?)
    }

    /// A page of the list.
    pub(super) fn members(
        &self,
        wanted: &Wanted,
        context: &mut Context<'_>,
    ) -> Result<Reply, Problem> {
        let Wanted { who, channel, after, limit } = wanted;
        // The settings may have changed since the request came.
        self.may_list(who, channel_name(channel)?)?;
        let listed = self.engine.presence.page(channel, after.as_deref(), limit + 1);
        context.spend(units::PULL + listed.len() as u64 * units::ITEM);
        let mut page: Vec<(&str, u32)> =
            listed.iter().map(|(name, streams)| (&**name, *streams)).collect();
        // [service:bound-answer]
        let lengths = page.iter().map(|(user, streams)| reply::member_bytes(user, *streams));
        let fits = reply::fits(self.engine.limits.answer_bytes(), lengths).min(*limit);
        let more = page.len() > fits;
        page.truncate(fits);
        let wire::Presence { channel, version, users, streams, .. } =
            self.engine.presence.state(channel);
        let body = reply::Members { channel, version, users, streams, page: &page, more };
        Ok(json(Status::OK, reply::presence(&body)))
    }
}
