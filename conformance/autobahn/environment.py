"""The suite's virtual environment and the program under test."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PORT = HERE / "port"
SUITE = "autobahntestsuite==25.10.1"
ENGINE = "autobahn==0.10.9"


def target_dir():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()


def home():
    """Where the environment and the reports are kept between runs."""
    return pathlib.Path(os.environ.get("AUTOBAHN_DIR") or target_dir() / "autobahn").resolve()


def build():
    """Builds the program for release; its path."""
    subprocess.run(["cargo", "build", "--release", "-p", "sockeye"], cwd=ROOT, check=True)
    return target_dir() / "release" / "sockeye"


def wstest():
    """The path of a ported `wstest`, installed on first use and whenever the port changes."""
    venv = home() / "venv"
    stamp = venv / "sockeye-stamp"
    if not stamp.exists() or stamp.read_text() != fingerprint():
        install(venv)
        stamp.write_text(fingerprint())
    return venv / "bin" / "wstest"


def fingerprint():
    digest = hashlib.sha256(f"{SUITE} {ENGINE} {sys.version}".encode())
    for path in sorted(PORT.iterdir()):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def install(venv):
    if sys.version_info < (3, 11):
        sys.exit("Python >= 3.11 needed")
    if venv.exists() and not (venv / "pyvenv.cfg").exists():
        sys.exit(f"{venv} exists and is not a virtual environment")
    print(f"autobahn: installing the suite in {venv}", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    python = venv / "bin" / "python"

    def run(*command):
        subprocess.run([str(x) for x in command], check=True, stdout=subprocess.DEVNULL)

    run(sys.executable, "-m", "venv", venv)
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "-r", PORT / "requirements.txt")
    run(*pip, "--no-deps", ENGINE, SUITE)
    if subprocess.run([python, "-c", "import lib2to3"], stderr=subprocess.DEVNULL).returncode:
        run(*pip, "fissix")
    run(python, PORT / "port_suite.py")
    # Byte-compiled now, so that warnings about old spellings stay out of the logs.
    subprocess.run([python, "-W", "ignore", "-m", "compileall", "-q", venv / "lib"],
                   stdout=subprocess.DEVNULL)
    run(python, HERE / "selftest", "--quick")
