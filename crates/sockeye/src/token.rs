//! `sockeye token`: keys, and tokens that are made and looked at without a server.

mod args;
mod check;
mod key;
mod new;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_auth::{Grants, Identity, Limits, Misuse};
use sockeye_terminal::{Failure, OrFail, plain::plain};

pub(crate) use self::args::TokenAction;

pub(crate) fn run(action: &TokenAction) -> Result<(), Failure> {
    match action {
        TokenAction::Key(options) => key::run(options),
        TokenAction::New(options) => new::run(options),
        TokenAction::Check(options) => check::run(options),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.or_fail(|| "this machine's clock is before 1970".into())?;
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn grants(option: &str, texts: &[String]) -> Result<Grants, Failure> {
    let given = texts.iter().map(String::as_str);
    Grants::new(given, &Limits::default()).map_err(|error| match error {
        Misuse::Grant { index } => {
            let bad = plain(&texts[index]);
            Failure(format!("{option}: {bad:?} is neither a channel nor a pattern"))
        }
        error => Failure(format!("{option}: {error}")),
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).or_fail(|| format!("cannot read {}", path.display()))
}

/// Writes the rights of an identity as a line of JSON.
fn identity_json(identity: &Identity, token: Option<&str>) -> String {
    let list = |grants: &Grants| grants.iter().map(str::to_owned).collect::<Vec<_>>();
    let mut json = serde_json::json!({
        "user": identity.user,
        "channels": list(&identity.subscribe),
        "publish": list(&identity.publish),
        "ends_ms": identity.ends_ms,
    });
    if let Some(token) = token {
        json["token"] = token.into();
    }
    json.to_string()
}
