#!/usr/bin/env python3
"""Writes the tokens and public keys beside it, with the openssl program and nothing of ours:
`python3 make.py`. Private keys are made for one run and never kept, so every run writes others.

Each `*.jwt` has one token a line, `name token`. `NOW` below is the time at which tests verify.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
NOW = 1_800_000_000
SECRET = b"a secret of HS256 that is only in tests"
CLAIMS = {"sub": "ann", "channels": ["chat:*", "news"], "publish": ["chat:7"], "exp": NOW + 60}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


def hs256(secret):
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def rs256(key):
    return lambda message: openssl("dgst", "-sha256", "-sign", key, data=message)


def es256(key, raw=True):
    def sign(message):
        der = openssl("dgst", "-sha256", "-sign", key, data=message)
        if not raw:
            return der
        r_end = 4 + der[3]
        s = der[r_end + 2:]
        return b"".join(n.lstrip(b"\0").rjust(32, b"\0") for n in (der[4:r_end], s))
    return sign


def eddsa(key):
    def sign(message):
        with tempfile.NamedTemporaryFile() as file:  # Ed25519 signs no pipe
            file.write(message)
            file.flush()
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file.name)
    return sign


def token(sign, header, claims):
    header, claims = (it if isinstance(it, bytes) else json.dumps(it).encode() for it in (header, claims))
    message = f"{b64(header)}.{b64(claims)}"
    return f"{message}.{b64(sign(message.encode()))}"


def generate(directory, name, *args):
    private, public = f"{directory}/{name}", f"{name}.pem"
    openssl("genpkey", *args, "-out", private)
    (HERE / public).write_bytes(openssl("pkey", "-in", private, "-pubout"))
    return private, (HERE / public).read_bytes()


with tempfile.TemporaryDirectory() as keys:
    rsa, rsa_pem = generate(keys, "rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    generate(keys, "rsa1024", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    generate(keys, "p384", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
    ec, ec_pem = generate(keys, "p256", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    ed, ed_pem = generate(keys, "ed25519", "-algorithm", "ED25519")
    pkcs1 = openssl("rsa", "-in", rsa, "-RSAPublicKey_out")
    (HERE / "rsa-pkcs1.pem").write_bytes(pkcs1)
    der = openssl("pkey", "-pubin", "-in", str(HERE / "rsa.pem"), "-pubout", "-outform", "DER")

    def alg(name, **more):
        return {"alg": name, "typ": "JWT", **more}

    good = {
        "HS256": token(hs256(SECRET), alg("HS256"), CLAIMS),
        "RS256": token(rs256(rsa), alg("RS256"), CLAIMS),
        "ES256": token(es256(ec), alg("ES256"), CLAIMS),
        "EdDSA": token(eddsa(ed), alg("EdDSA"), CLAIMS),
    }
    nothing = {name: token(lambda _: b"", alg(name), CLAIMS) for name in ("none", "None", "NONE", "nOnE", "")}
    forged = {f"unsigned-{name or 'empty'}": value for name, value in nothing.items()}
    for name, text in [("rsa-pem", rsa_pem), ("rsa-pem-stripped", rsa_pem.strip()), ("rsa-der", der),
                       ("rsa-pkcs1-pem", pkcs1), ("p256-pem", ec_pem), ("ed25519-pem", ed_pem), ("empty", b"")]:
        forged[f"hs256-by-{name}"] = token(hs256(text), alg("HS256"), CLAIMS)
        forged[f"rs256-by-{name}"] = token(hs256(text), alg("RS256"), CLAIMS)
    for name in ("hs256", "Hs256", "HS256 ", "HS384", "HS512"):
        forged[f"spelling-{name.strip()}{'-space' * name.count(' ')}"] = token(hs256(SECRET), alg(name), CLAIMS)
    for name in ("rs256", "RS384", "PS256", "Rs256"):
        forged[f"spelling-{name}"] = token(rs256(rsa), alg(name), CLAIMS)
    for name in ("eddsa", "EDDSA", "Ed25519"):
        forged[f"spelling-{name}"] = token(eddsa(ed), alg(name), CLAIMS)
    forged["alg-missing"] = token(hs256(SECRET), {"typ": "JWT"}, CLAIMS)
    forged["alg-list"] = token(hs256(SECRET), {"alg": ["HS256"]}, CLAIMS)
    forged["alg-null"] = token(hs256(SECRET), {"alg": None}, CLAIMS)
    forged["alg-escaped-other"] = token(hs256(SECRET), b'{"alg":"HS25\\u0037"}', CLAIMS)
    forged["alg-twice"] = token(hs256(SECRET), b'{"alg":"HS256","alg":"none"}', CLAIMS)
    forged["es256-der"] = token(es256(ec, raw=False), alg("ES256"), CLAIMS)
    forged["es256-zeros"] = token(lambda _: bytes(64), alg("ES256"), CLAIMS)
    forged["eddsa-zeros"] = token(lambda _: bytes(64), alg("EdDSA"), CLAIMS)
    forged["rs256-zeros"] = token(lambda _: bytes(256), alg("RS256"), CLAIMS)
    forged["es256-as-eddsa"] = token(es256(ec), alg("EdDSA"), CLAIMS)
    jwk = {"kty": "oct", "k": b64(b"mine" * 8)}
    forged["own-jwk"] = token(hs256(b"mine" * 8), alg("HS256", jwk=jwk), CLAIMS)
    forged["signature-cut"] = good["HS256"][:-1]
    forged["signature-none"] = good["HS256"].rsplit(".", 1)[0] + "."
    forged["signature-truncated"] = token(lambda m: hs256(SECRET)(m)[:16], alg("HS256"), CLAIMS)
    claims = b64(json.dumps({**CLAIMS, "sub": "root"}).encode())
    for name, text in good.items():
        header, _, signature = text.split(".")
        forged[f"claims-exchanged-{name}"] = f"{header}.{claims}.{signature}"

for file, tokens in [("good", good), ("forged", forged)]:
    (HERE / f"{file}.jwt").write_text("".join(f"{name} {text}\n" for name, text in tokens.items()))
