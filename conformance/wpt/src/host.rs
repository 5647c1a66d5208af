//! The application: who answers which request, and who talks on which stream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use sockeye_server::{
    Answer, App, CloseCause, Context, Header, Hold, Message, Opened, Reply, Request, Status,
    StreamKey, Time,
};

use crate::handlers::{self, Memory};
use crate::runner::Runner;
use crate::script::{Later, Script, Stage};
use crate::site::Site;
use crate::{endpoints, files, odd};

/// The answer to a request, with the script that talks on the stream it opens.
pub(crate) type Lead = Answer<Box<dyn Script>>;

const HTML: Header = Header::from_static("Content-Type", "text/html; charset=utf-8");
const JSON: Header = Header::from_static("Content-Type", "application/json");
const RUNNER: &str = include_str!("../pages/runner.html");

/// A host of tests.
pub(crate) struct Host {
    site: Site,
    runner: Arc<Mutex<Runner>>,
    memory: Memory,
    scripts: BTreeMap<StreamKey, Box<dyn Script>>,
    alarms: BTreeSet<(Time, StreamKey)>,
}

impl Host {
    pub(crate) fn new(site: Site, runner: Arc<Mutex<Runner>>) -> Self {
        Self {
            site,
            runner,
            memory: Memory::default(),
            scripts: BTreeMap::new(),
            alarms: BTreeSet::new(),
        }
    }

    fn answer(&mut self, request: &Request<'_>) -> Lead {
        let path = request.head.path();
        if let Some(name) = path.strip_prefix("/runner/") {
            return self.run(name, request).into();
        }
        handlers::answer(&self.site, request, &mut self.memory)
            .or_else(|| odd::answer(request))
            .or_else(|| endpoints::answer(request))
            .unwrap_or_else(|| files::answer(&self.site, request))
    }

    /// Answers a request of the runner's page.
    fn run(&self, name: &str, request: &Request<'_>) -> Reply {
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        match name {
            "" => Reply::new(Status::OK, HTML, RUNNER.as_bytes().to_vec()),
            "next" => Reply::new(Status::OK, JSON, runner.next().to_string().into_bytes()),
            "result" => match runner.report(request.body) {
                Ok(()) => Reply::empty(Status::NO_CONTENT),
                Err(error) => Reply::text(Status::BAD_REQUEST, error.to_string()),
            },
            _ => Reply::text(Status::NOT_FOUND, "no such resource\n"),
        }
    }

    /// Lets the script of `stream` do something.
    fn play(
        &mut self,
        stream: StreamKey,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut dyn Script, &mut Stage<'_, '_>),
    ) {
        let Some(script) = self.scripts.get_mut(&stream) else { return };
        let mut stage = Stage { stream, context, alarm: None };
        act(&mut **script, &mut stage);
        if let Some(at) = stage.alarm {
            self.alarms.insert((at, stream));
        }
    }
}

impl App for Host {
    type Pending = Box<dyn Script>;

    fn on_request(&mut self, request: &Request<'_>, _: &mut Context<'_>) -> Lead {
        self.answer(request)
    }

    fn on_open(
        &mut self,
        stream: StreamKey,
        script: Box<dyn Script>,
        _: &Opened<'_>,
        context: &mut Context<'_>,
    ) {
        self.scripts.insert(stream, script);
        self.play(stream, context, |script, stage| script.open(stage));
    }

    fn on_message(&mut self, stream: StreamKey, message: Message<'_>, context: &mut Context<'_>) {
        self.play(stream, context, |script, stage| script.message(message, stage));
    }

    fn on_bytes(&mut self, stream: StreamKey, bytes: &[u8], context: &mut Context<'_>) {
        self.play(stream, context, |script, stage| script.bytes(bytes, stage));
    }

    fn on_drained(&mut self, stream: StreamKey, context: &mut Context<'_>) {
        self.play(stream, context, |script, stage| script.drained(stage));
    }

    fn on_close(&mut self, stream: StreamKey, _: CloseCause, _: &mut Context<'_>) {
        self.scripts.remove(&stream);
        self.alarms.retain(|(_, of)| *of != stream);
    }

    fn deadline(&self) -> Time {
        self.alarms.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    fn on_timer(&mut self, context: &mut Context<'_>) {
        while let Some(&(at, stream)) = self.alarms.first()
            && at <= context.now()
        {
            self.alarms.remove(&(at, stream));
            self.play(stream, context, |script, stage| script.alarm(stage));
        }
    }
}

/// `reply`, `ms` milliseconds later.
pub(crate) fn delayed(reply: Reply, ms: u64) -> Lead {
    if ms == 0 {
        return reply.into();
    }
    let hold = Hold::new(ms.saturating_add(1_000));
    Answer::Hold(hold, Box::new(Later { reply: Some(reply), ms }))
}
