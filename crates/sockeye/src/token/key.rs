//! `sockeye token key`: makes keys and the configuration for them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sockeye_auth::{Algorithm, Identity, Keys, Limits, SigningKey};
use sockeye_terminal::{Failure, OrFail, print};

use super::args::{KeyKind, KeyOptions};

/// Random bytes of an API key and of a secret: too many to guess, so a fast hash protects the key.
const RANDOM_BYTES: usize = 32;

/// Makes the files and prints the configuration.
pub(super) fn run(options: &KeyOptions) -> Result<(), Failure> {
    let pair = matches!(options.kind, KeyKind::Hs256 | KeyKind::Es256 | KeyKind::EdDsa);
    if options.kid.is_some() && !pair {
        return Err(Failure("--kid is for keys of tokens: HS256, ES256 and EdDSA".into()));
    }
    if options.name.is_some() && options.kind != KeyKind::ApiKey {
        return Err(Failure("--name is for API keys".into()));
    }
    let mut files = Files::default();
    let made = make(options, &mut files);
    let told = made.and_then(|config| print::say_surely(format_args!("{config}")));
    if told.is_err() {
        // Nobody has its hash, or knows what to write about it.
        files.remove();
    }
    told
}

/// Makes the files; gives the configuration.
fn make(options: &KeyOptions, files: &mut Files) -> Result<String, Failure> {
    Ok(match options.kind {
        KeyKind::ApiKey => api_key(options, files)?,
        KeyKind::Hs256 => token_key(options, files, Algorithm::Hs256)?,
        KeyKind::Es256 => token_key(options, files, Algorithm::Es256)?,
        KeyKind::EdDsa => token_key(options, files, Algorithm::EdDsa)?,
        KeyKind::Tickets => {
            files.write_new(&options.out, &format!("{}\n", random()?), Readers::Owner)?;
            format!("[access.tickets]\nsecret_file = {}\n", quoted_path(&options.out)?)
        }
    })
}

fn api_key(options: &KeyOptions, files: &mut Files) -> Result<String, Failure> {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => stem(&options.out)?,
    };
    let key = format!("sk_{}", random()?);
    // A configuration that a server would refuse is not printed.
    Keys::new(Limits::default())
        .add_text(&name, &key, Identity::anonymous())
        .or_fail(|| "--name".into())?;
    files.write_new(&options.out, &format!("{key}\n"), Readers::Owner)?;
    Ok(format!(
        "[[access.api_keys]]            # the key itself is for the back end alone\n\
         name = {}\n\
         sha256 = \"{}\"\n\
         subscribe = [\">\"]\n\
         publish = [\">\"]\n\
         tickets = [\">\"]\n",
        quoted(&name)?,
        Keys::hash(&key)
    ))
}

fn token_key(
    options: &KeyOptions,
    files: &mut Files,
    algorithm: Algorithm,
) -> Result<String, Failure> {
    let text = SigningKey::generate(algorithm).or_fail(|| "cannot make a key".into())?;
    let public = match algorithm {
        Algorithm::Hs256 => None,
        _ => {
            let key = SigningKey::from_pem(algorithm, &text);
            key.or_fail(|| "cannot make a key".into())?.public_pem()
        }
    };
    let verifies = match &public {
        Some(_) => {
            let mut beside = options.out.clone().into_os_string();
            beside.push(".pub");
            PathBuf::from(beside)
        }
        None => options.out.clone(),
    };
    let file = quoted_path(&verifies)?;
    files.write_new(&options.out, &format!("{}\n", text.trim_end()), Readers::Owner)?;
    if let Some(public) = public {
        files.write_new(&verifies, &public, Readers::Everybody)?;
    }
    let kid = match &options.kid {
        Some(kid) => format!("kid = {}\n", quoted(kid)?),
        None => String::new(),
    };
    let name = algorithm.name();
    Ok(format!("[[access.jwt.keys]]\nalgorithm = \"{name}\"\n{kid}file = {file}\n"))
}

#[derive(Clone, Copy)]
enum Readers {
    Owner,
    Everybody,
}

/// The files that were made, to remove them after an error.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl Files {
    /// Writes a file that was not there.
    fn write_new(&mut self, path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o644,
        };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let mut file = opened.map_err(|error| {
            let path = path.display();
            Failure(match error.kind() {
                ErrorKind::AlreadyExists => {
                    format!(
                        "{path} is there already; a key is not written over, choose another file"
                    )
                }
                _ => format!("cannot write {path}: {error}"),
            })
        })?;
        self.0.push(path.to_owned());
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.or_fail(|| format!("cannot write {}", path.display()))
    }

    /// Takes them away again.
    fn remove(self) {
        for path in self.0 {
            // The caller reports the first failure; a second one would not help.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn stem(path: &Path) -> Result<String, Failure> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.map(str::to_owned).ok_or_else(|| Failure("the file's name gives none: use --name".into()))
}

fn quoted_path(path: &Path) -> Result<String, Failure> {
    let path = path.to_str();
    quoted(path.ok_or_else(|| Failure("a configuration cannot name that file: not UTF-8".into()))?)
}

/// A string as TOML has it, which takes all that JSON escapes.
fn quoted(text: &str) -> Result<String, Failure> {
    let json = serde_json::to_string(text).or_fail(|| "cannot write that down".into())?;
    Ok(json.replace('\u{7f}', "\\u007f"))
}
