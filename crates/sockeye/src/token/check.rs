//! `sockeye token check`: prints a server's verdict on a token.

use std::io::{IsTerminal as _, Read as _};

use sockeye_auth::{Grants, Identity, Refusal, UnixTime};
use sockeye_http::Date;
use sockeye_terminal::{Failure, OrFail, notice, plain::plain, print};

use super::args::CheckOptions;
use super::{identity_json, now_ms};
use crate::cli::ServeOptions;
use crate::file::Kind;
use crate::serve;

/// Most that is read of standard input; the server looks at far less.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Prints what the token allows, or fails with the refusal.
pub(super) fn run(options: &CheckOptions) -> Result<(), Failure> {
    let config = serve::configure(&ServeOptions::of_environment(&options.config), Kind::Stream)?;
    let file = options.config.display();
    let guard = match &config.access {
        Some(access) => access.guard()?,
        None => return Err(Failure(format!("{file} has no [access]: the server asks nobody"))),
    };
    let tokens = guard.tokens.ok_or_else(|| {
        Failure(format!("{file} takes no tokens: it has no [access.jwt] with a key"))
    })?;
    let token = token(options)?;
    let now_ms = now_ms()?;
    match tokens.verify(token.trim(), UnixTime::from_millis(now_ms)) {
        Ok(identity) if options.json => {
            print::say(format_args!("{}", identity_json(&identity, None)))
        }
        Ok(identity) => tell(&identity, now_ms),
        Err(refusal) => Err(refused(refusal, options)),
    }
}

fn token(options: &CheckOptions) -> Result<String, Failure> {
    match &options.token {
        Some(token) if token.reveal() != "-" => return Ok(token.reveal().to_owned()),
        _ => {}
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        notice(format_args!("the token comes from standard input; Ctrl-D ends it"));
    }
    let mut text = String::new();
    let read = stdin.lock().take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.or_fail(|| "cannot read the token from standard input".into())?;
    Ok(text)
}

fn tell(identity: &Identity, now_ms: u64) -> Result<(), Failure> {
    let list = |grants: &Grants| match grants.is_empty() {
        true => "nothing".to_owned(),
        false => plain(&grants.iter().collect::<Vec<_>>().join(" ")),
    };
    let user = identity.user.as_deref().map_or_else(|| "nobody by name".into(), plain);
    let ends_ms = identity.ends_ms.unwrap_or(u64::MAX);
    let date = Date::from_unix(ends_ms / 1000);
    let date = String::from_utf8_lossy(date.as_bytes()).into_owned();
    let left = (ends_ms.saturating_sub(now_ms)) / 1000;
    print::say(format_args!(
        "user       {user}\nsubscribe  {}\npublish    {}\nends       {date}, in {left} s",
        list(&identity.subscribe),
        list(&identity.publish),
    ))
}

fn refused(refusal: Refusal, options: &CheckOptions) -> Failure {
    if options.json {
        let error = serde_json::json!({ "code": refusal.code(), "message": refusal.message() });
        let line = serde_json::json!({ "error": error });
        if let Err(failure) = print::say(format_args!("{line}")) {
            return failure;
        }
    }
    Failure(format!("the server would refuse it: {refusal} ({})", refusal.code()))
}
