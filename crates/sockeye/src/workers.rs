//! `--workers`: several loops that share a port and a log.
//!
//! Each loop is a thread with its own listening socket, streams, hub and history. This, the first
//! thread, gives out the places: it has the order authority, and the log on disk if there is one.

mod crew;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use sockeye_server::{MioNet, Time};
use sockeye_service::Log;
use sockeye_service::backbone::{Authority, Joint, JointLimits};

use self::crew::{Crew, Orders};
use crate::cli::ServeOptions;
use crate::config::Config;
use crate::disk::{Kept, Opened};
use crate::reload::Reloader;
use crate::serve::{self, Asked};
use crate::{Failure, OrFail, disk};

/// Several of the largest publications may be on their way between the loops, and not only one.
const LARGEST_MIN: usize = 4;

/// How often the log is asked to let go of what is old while nothing happens.
const LOOK: Duration = Duration::from_secs(10);

pub(crate) fn run(options: &ServeOptions, config: Config, descriptors: u64) -> Result<(), Failure> {
    // The port first: whoever cannot have it touches no log.
    let (sockets, addr) = bind(config.listen, config.workers)?;
    let me = std::thread::current();
    let asked = serve::watch_signals(move || me.unpark())?;
    let (fresh_epoch, hub) = (serve::new_epoch()?, config.hub());
    let opened = config.data.as_ref().map(|dir| Opened::new(dir, fresh_epoch, &hub)).transpose()?;
    let epoch = opened.as_ref().map_or(fresh_epoch, Opened::epoch);

    let start = Instant::now();
    let mut authority = Authority::new(epoch, hub);
    let joint = Joint::new(config.workers, joint_limits(&config), unix_seconds() * 1_000);
    let me = std::thread::current();
    joint.wake_authority(Box::new(move || me.unpark()));

    let mut crew = Crew::hire(&config, descriptors, epoch, &joint, &asked)?;
    if let Some(opened) = opened {
        let log = take_back(opened, &mut authority, &crew, &joint)?;
        authority = authority.with_log(log);
    }
    joint.begin(&authority);
    crew.is_ready()?;
    for socket in &sockets {
        serve::listen(socket, addr, config.limits.socket_bytes)?;
    }
    let mut nets = Vec::with_capacity(sockets.len());
    for socket in sockets {
        let net = MioNet::listen(socket.into()).or_fail(|| "cannot poll".into())?;
        nets.push(net.counting_from(start));
    }
    crew.begin(nets, &joint);
    serve::announce(addr, &config);
    serve::tell(&config, &serve::limits(descriptors, &config));
    let reloader = Reloader::new(options, descriptors, config);
    give_out_places(&joint, &mut authority, &mut crew, (&reloader, &asked, start))?;
    log::info!("bye");
    Ok(())
}

/// Gives the places until all loops have ended.
fn give_out_places(
    joint: &Joint,
    authority: &mut Authority,
    crew: &mut Crew,
    (reloader, asked, start): (&Reloader<'_>, &Asked, Instant),
) -> Result<(), Failure> {
    let mut heard = 0;
    loop {
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now_ms = joint.now_ms(Time::from_millis(ms), unix_seconds());
        joint.step(authority, now_ms);
        if asked.is_reload() {
            let settings = reloader.read(joint.workers());
            if let Some(one) = settings.first() {
                authority.reconfigure(one.hub.clone(), now_ms);
            }
            crew.order(Orders::all(settings));
        }
        let ends = asked.ends.load(Ordering::Relaxed);
        if core::mem::replace(&mut heard, ends) < ends {
            crew.wake();
        }
        if crew.has_ended()? {
            return Ok(());
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Gives what the log has to the loops and to whoever gives out its places.
fn take_back(
    opened: Opened,
    authority: &mut Authority,
    crew: &Crew,
    joint: &Joint,
) -> Result<Box<dyn Log>, Failure> {
    opened.replay(|kept| {
        let restored = match &kept {
            Kept::Floor(floor) => authority.restore_floor(*floor),
            Kept::Record(record) => {
                joint.no_earlier_than(record.time_ms);
                authority.restore(&record.record()?)
            }
            Kept::Head(head) => authority.restore_head(*head),
        };
        restored.map_err(|error| error.to_string())?;
        crew.restore(&kept);
        Ok(())
    })?;
    let me = std::thread::current();
    opened.into_log(Box::new(move || me.unpark()))
}

/// Sockets that share a port and do not listen yet. The system gives each connection to one of those
/// that listen, by its addresses.
fn bind(addr: SocketAddr, count: usize) -> Result<(Vec<OwnedFd>, SocketAddr), Failure> {
    let mut sockets = Vec::with_capacity(count);
    let mut bound = addr;
    for _ in 0..count {
        let socket = socket(bound).map_err(|error| serve::cannot_listen(bound, &error.into()))?;
        if addr.port() == 0 {
            let chosen = rustix::net::getsockname(&socket).ok();
            let chosen = chosen.and_then(|it| SocketAddr::try_from(it).ok());
            bound = chosen.ok_or_else(|| Failure("the system names no port".into()))?;
        }
        sockets.push(socket);
    }
    Ok((sockets, bound))
}

fn socket(addr: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &addr)?;
    Ok(socket)
}

fn joint_limits(config: &Config) -> JointLimits {
    let mut limits = JointLimits::default();
    let largest = disk::message_bytes_max(&config.hub()).max(config.limits.publish_bytes);
    limits.bytes_max = limits.bytes_max.max(largest.saturating_mul(LARGEST_MIN));
    limits
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
