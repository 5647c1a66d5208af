//! `sockeye cert`: a certificate for development, and an authority that vouches for it alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use sockeye_terminal::{Failure, OrFail, notice, print};

use crate::calendar;

/// How long the certificate is valid: the longest time that browsers accept.
const VALID_DAYS: u64 = 397;
/// The machine by its own names.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Clone, Debug, Args)]
pub(crate) struct CertOptions {
    /// Names and addresses for which the certificate is good.
    #[arg(value_name = "NAME", default_values = NAMES, value_parser = name)]
    names: Vec<String>,

    /// Directory for ca.pem, cert.pem and key.pem, which must not be there yet.
    #[arg(long, value_name = "DIR", default_value = "certificates")]
    out: PathBuf,
}

pub(crate) fn run(options: &CertOptions) -> Result<(), Failure> {
    let [ca, cert, key] = create(&options.out, &options.names)?;
    let (ca, cert, key) = (ca.display(), cert.display(), key.display());
    let host = url_host(options.names.first().map_or("localhost", String::as_str));
    print::say(format_args!(
        "{cert} and {key} are good for {names} and for {VALID_DAYS} days.
{ca} is the authority that vouches for them. Its key is not kept: it can vouch for nothing else.

  serve HTTPS             sockeye serve --listen 127.0.0.1:8443 --dev-cert {dir}
  one request             curl --cacert {ca} https://{host}:8443/healthz
  our commands            sockeye subscribe --cacert {ca} --url https://{host}:8443 news
  Node                    NODE_EXTRA_CA_CERTS={ca} node client.mjs
  Python                  SSL_CERT_FILE={ca} python3 client.py
  Debian, for all         sudo cp {ca} /usr/local/share/ca-certificates/sockeye-dev.crt && sudo update-ca-certificates
  macOS, for all          sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {ca}
  Chromium on Linux       certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n sockeye-dev -i {ca}
  Firefox                 Settings, Certificates, Authorities, Import: {ca}",
        dir = options.out.display(),
        names = options.names.join(", "),
    ))
}

/// A host for a URL: an address of IPv6 stands in brackets, and `*` stands for any label.
fn url_host(name: &str) -> String {
    match name.strip_prefix("*.") {
        Some(domain) => format!("www.{domain}"),
        None if name.contains(':') => format!("[{name}]"),
        None => name.to_owned(),
    }
}

/// A name that a client may ask for: a host's, also with `*` as its first label, or an address.
fn name(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_letter);
    let is_name = text.len() <= 253 && host.split('.').all(is_label);
    match is_name || text.parse::<IpAddr>().is_ok() {
        true => Ok(text.to_owned()),
        false => {
            Err("expected the name of a host, as example.com or *.example.com, or an address"
                .into())
        }
    }
}

/// Makes a certificate for this machine in a directory that has none. Refuses a directory in which one of the three
/// files is missing.
pub(crate) fn ensure(dir: &Path) -> Result<(), Failure> {
    let files = files(dir);
    let Some(missing) = files.iter().find(|path| !path.exists()) else { return Ok(()) };
    if files.iter().any(|path| path.exists()) {
        let what = "is missing beside the other files; remove them, or name another directory";
        return Err(Failure(format!("{} {what}", missing.display())));
    }
    let [ca, ..] = create(dir, &NAMES.map(str::to_owned))?;
    notice(format_args!(
        "made a certificate for {}, good for {VALID_DAYS} days; who trusts {} trusts it",
        NAMES.join(", "),
        ca.display(),
    ));
    Ok(())
}

/// The authority, the certificate and its key in a directory.
pub(crate) fn files(dir: &Path) -> [PathBuf; 3] {
    ["ca.pem", "cert.pem", "key.pem"].map(|name| dir.join(name))
}

/// Writes the three files, none of which is there.
fn create(dir: &Path, names: &[String]) -> Result<[PathBuf; 3], Failure> {
    if dir.exists() && !dir.is_dir() {
        let what = "is no directory; name one that is empty or not there";
        return Err(Failure(format!("{} {what}", dir.display())));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .or_fail(|| format!("cannot make the directory {}", dir.display()))?;
    let [ca, cert, key] = files(dir);
    if let Some(there) = [&ca, &cert, &key].into_iter().find(|path| path.exists()) {
        let what = "is there already; name another directory";
        return Err(Failure(format!("{} {what}", there.display())));
    }
    let made = make(names).or_fail(|| "cannot make a certificate".into())?;
    write(&key, &made.key, 0o600)?;
    write(&cert, &made.cert, 0o644)?;
    write(&ca, &made.ca, 0o644)?;
    Ok([ca, cert, key])
}

/// The three files, in PEM.
pub(crate) struct Made {
    ca: String,
    pub(crate) cert: String,
    pub(crate) key: String,
}

pub(crate) fn make(names: &[String]) -> Result<Made, rcgen::Error> {
    let mut ca = params(&[], "Sockeye development authority")?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate()?;
    let ca_cert = ca.self_signed(&ca_key)?;

    let mut server = params(names, names.first().map_or("localhost", String::as_str))?;
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let cert = server.signed_by(&key, &Issuer::new(ca, ca_key))?;
    Ok(Made {
        ca: pem("CERTIFICATE", ca_cert.der()),
        cert: pem("CERTIFICATE", cert.der()),
        key: pem("PRIVATE KEY", key.serialized_der()),
    })
}

fn params(names: &[String], common_name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()) / 86_400;
    let date = |days: u64| {
        let (year, month, day) = calendar::date(days);
        date_time_ymd(year, month, day)
    };
    // Clocks of clients may be behind.
    params.not_before = date(today.saturating_sub(1));
    params.not_after = date(today + VALID_DAYS - 1);
    Ok(params)
}

/// RFC 7468, in lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let lines: String = der.chunks(48).map(|line| STANDARD.encode(line) + "\n").collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let cannot = || format!("cannot write {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.or_fail(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).or_fail(cannot)
}

#[cfg(test)]
mod tests {
    use super::{name, url_host};

    #[test]
    fn names_are_those_that_a_client_may_ask_for() {
        for good in ["localhost", "a.example.com", "*.example.com", "127.0.0.1", "::1", "my_box"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "http://a", "a:80", "*", "a.*.b", ".a", "a..b", "[::1]", "é.fr"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_commands_that_are_printed_ask_for_a_host() {
        for (name, host) in
            [("*.example.com", "www.example.com"), ("::1", "[::1]"), ("localhost", "localhost")]
        {
            assert_eq!(url_host(name), host);
        }
    }
}
