//! Files of certificates by `sockeye config check`, at the start and at a reload: the same words.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::handshakes::pem;
use super::{Secured, client, files, install, make};
use crate::common::child::{bad, good};
use crate::common::run;
use crate::operations::place::{Place, make_pipe};

const CONFIG: &str =
    "[tls]\n[[tls.certificates]]\ncert = \"used/cert.pem\"\nkey = \"used/key.pem\"\n";

/// Makes `NAME/cert.pem` and `key.pem`, valid in these years, or from a year ago for so many days from now.
fn make_dated(place: &Place, name: &str, first: i32, last: Last) -> String {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(first, 1, 1);
    params.not_after = match last {
        Last::Year(year) => date_time_ymd(year, 1, 1),
        Last::In { hours } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
            date_time_ymd(1970, 1, 1) + now + std::time::Duration::from_secs(hours * 3_600)
        }
    };
    let key = KeyPair::generate().expect("random numbers");
    let cert = params.self_signed(&key).expect("a certificate");
    fs::create_dir(place.path(name)).expect("our directory");
    place.write(&format!("{name}/cert.pem"), &pem("CERTIFICATE", cert.der()));
    place.write(&format!("{name}/key.pem"), &pem("PRIVATE KEY", key.serialized_der()));
    place.path(name)
}

#[derive(Clone, Copy)]
enum Last {
    Year(i32),
    In { hours: u64 },
}

/// [tls:files-checked]
#[test]
fn a_check_opens_the_files_and_names_the_bad_one_with_its_reason() {
    let place = Place::new();
    place.write("log", "");
    place.write("sockeye.toml", CONFIG);
    let config = place.path("sockeye.toml");
    let used = make(&place, "used", &[]);
    let other = make(&place, "other", &[]);
    let check = || run(&["config", "check", &config]);
    assert!(good(&check()).starts_with(&format!("{config}: good")));
    let refused = |words: &[&str]| {
        for command in [
            &["config", "check", &config][..],
            &["serve", "--listen", "127.0.0.1:0", "--config", &config],
        ] {
            let output = run(command);
            for words in words {
                bad(&output, 1, words);
            }
        }
    };
    let (cert, key) = (format!("{used}/cert.pem"), format!("{used}/key.pem"));
    fs::copy(format!("{other}/key.pem"), &key).expect("our directory");
    refused(&[&cert, &key, "the private key does not belong to the certificate"]);
    fs::write(&key, "nothing").expect("our directory");
    refused(&[&format!("key {key}: "), "there is no private key in it"]);
    fs::write(&cert, "nothing").expect("our directory");
    refused(&[&format!("certificate {cert}: "), "there is no certificate in it"]);
    fs::remove_file(&cert).expect("our directory");
    refused(&[&format!("cannot read {cert}: "), "No such file"]);
    make_pipe(&cert);
    refused(&[&format!("cannot read {cert}: it is not a regular file")]);
    fs::remove_file(&cert).expect("our directory");
    install(&make_dated(&place, "expired", 2020, Last::Year(2021)), &used);
    refused(&[&format!("certificate {cert}: it has expired, "), " days ago"]);

    place.write("sockeye.toml", &CONFIG.replace("[tls]", "[tls]\nclient_ca = \"log\""));
    install(&other, &used);
    refused(&[&format!("client_ca {}: ", place.path("log")), "there is no certificate in it"]);
    place.write("sockeye.toml", CONFIG);
    for (name, first, last, words) in [
        ("future", 2099, Last::Year(2100), "it is not valid yet, but in "),
        ("soon", 2020, Last::In { hours: 3 * 24 + 12 }, "it expires in 3 days"),
        ("tomorrow", 2020, Last::In { hours: 36 }, "it expires in 1 day\n"),
    ] {
        install(&make_dated(&place, name, first, last), &used);
        let output = check();
        assert!(good(&output).starts_with(&format!("{config}: good")));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("certificate {cert}: {words}")), "{said}");
    }
}

fn openssl(args: &str, out: &str) {
    let mut command = Command::new("openssl");
    let (name, rest) = args.split_once(' ').expect("a command and its options");
    command.args([name, "-out", out]).args(rest.split(' '));
    let status = command.stderr(Stdio::null()).status();
    assert!(status.expect("openssl is there").success(), "openssl {args}");
}

/// The one line that a start ends with.
fn refusal(args: &[&str]) -> String {
    let output = run(&[&["serve"], args].concat());
    bad(&output, 1, "sockeye: ");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// [tls:files-checked] Keys as openssl makes them.
#[test]
fn a_key_that_is_not_taken_is_named_with_its_reason_and_a_remedy() {
    let place = Place::new();
    place.write("log", "");
    let [_, cert, good_key] = files(&make(&place, "used", &[]));
    let (curve, key) = (place.path("curve.pem"), place.path("other.pem"));
    openssl("ecparam -name prime256v1 -genkey -noout", &curve);
    let sec1 = format!("ec -in {curve} -aes128 -passout pass:x");
    let kind =
        "make one of ECDSA on P-256 or P-384, of RSA or of Ed25519, and a certificate for it";
    let passphrase = "the private key is encrypted; store it without a passphrase";
    for (args, words) in [
        (&*sec1, [passphrase, "openssl pkey"]),
        ("genrsa -traditional -aes128 -passout pass:x 2048", [passphrase, "openssl pkey"]),
        ("genpkey -algorithm ed25519 -aes128 -pass pass:x", [passphrase, "openssl pkey"]),
        ("genrsa 1024", ["the RSA key has 1024 bits", "make one of 2048 to 4096 bits"]),
        (
            "genrsa -traditional 1024",
            ["the RSA key has 1024 bits", "make one of 2048 to 4096 bits"],
        ),
        ("ecparam -name secp521r1 -genkey -noout", ["the private key is ECDSA on P-521", kind]),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp521r1", ["ECDSA on P-521", kind]),
        ("ecparam -name secp256k1 -genkey -noout", ["ECDSA on secp256k1", kind]),
        ("genpkey -algorithm ed448", ["the private key is Ed448", kind]),
    ] {
        openssl(args, &key);
        let said = refusal(&["--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key]);
        for words in [&[&*format!("key {key}: ")], &words[..]].concat() {
            assert!(said.contains(words), "{args}: {said} lacks {words}");
        }
    }
    let long = place.path("p521-cert.pem");
    openssl(
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes -keyout {key} -subj /CN=localhost"
        ),
        &long,
    );
    for (key, words) in [
        (&key, "the private key is ECDSA on P-521"),
        (&good_key, "does not belong to the certificate; name "),
    ] {
        let said = refusal(&["--listen", "127.0.0.1:0", "--cert", &long, "--key", key]);
        assert!(said.contains(words), "{said}");
    }
}

/// [tls:files-checked]
#[test]
fn a_certificate_for_development_that_cannot_serve_is_refused_with_a_remedy() {
    let place = Place::new();
    place.write("log", "");
    let dir = make_dated(&place, "dev", 2020, Last::Year(2021));
    place.write("dev/ca.pem", "");
    let [ca, cert, key] = files(&dir);
    let said = refusal(&["--listen", "127.0.0.1:0", "--dev-cert", &dir]);
    let remedy = format!(" days ago; remove {ca}, {cert} and {key}: --dev-cert makes new ones");
    assert!(said.contains(&format!("certificate {cert}: it has expired, ")), "{said}");
    assert!(said.contains(&remedy), "{said}");
    for file in [ca, cert, key] {
        fs::remove_file(file).expect("our directory");
    }
    let socket = format!("unix:{}", place.path("socket"));
    let said = refusal(&["--listen", &socket, "--dev-cert", &dir]);
    assert!(said.contains("no listener speaks TLS"), "{said}");
    assert!(said.contains("Listen on an address, set tls = true in a [[listen]]"), "{said}");
}

/// [tls:files-checked] [tls:reload] [service:regular-files]
#[test]
fn a_reload_says_the_same_and_keeps_what_is_good() {
    let place = Place::new();
    place.write("sockeye.toml", CONFIG);
    let used = make(&place, "used", &[]);
    let [ca, cert, key] = files(&used);
    let client = client(&[&ca], None);
    let server = Secured::start(&place, &["--config", &place.path("sockeye.toml")]);
    let still_serves = |server: &Secured| {
        let ready = server.ask(&client, "/readyz");
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        assert!(ready.contains(r#""reason":"certificate_reload_failed""#), "{ready}");
    };
    // The key first: a pair of which one file is new is looked at in between.
    fs::copy(format!("{}/key.pem", make(&place, "other", &[])), &key).expect("our directory");
    place.until_logged(
        &format!("certificate {cert}, key {key}: the private key does not belong"),
        1,
    );
    still_serves(&server);
    fs::remove_file(&cert).expect("our directory");
    make_pipe(&cert);
    place.until_logged(&format!("cannot read {cert}: it is not a regular file"), 1);
    still_serves(&server);
    fs::remove_file(&cert).expect("our directory");
    install(&make_dated(&place, "expired", 2020, Last::Year(2021)), &used);
    place.until_logged(&format!("certificate {cert}: it has expired, "), 1);
    still_serves(&server);
    install(&make_dated(&place, "soon", 2020, Last::In { hours: 36 }), &used);
    place.until_logged("the certificates were read again", 1);
    place.until_logged(&format!("certificate {cert}: it expires in 1 day"), 1);
}
