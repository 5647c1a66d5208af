// The proxies, with the documented configurations. What is put in their place for a run is ports, files, times
// and the size of this machine, each of which has to stand in the file exactly so often.
import { execFile } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { listening } from "../harness/ports.mjs";
import { end, start } from "../harness/processes.mjs";
import { substitute } from "../harness/substitute.mjs";

const run = promisify(execFile);
const WAIT_MS = 60_000;
/** What old workers are left after a reload: short, as the point of the test is what comes after. */
const GRACE = "1s";

const isRoot = process.getuid() === 0;

const haproxy = {
  file: "haproxy.cfg",
  changes: ({ port, upstream, idle }) => [
    ["127.0.0.1:8000", `127.0.0.1:${port}`],
    ["127.0.0.1:8080", `127.0.0.1:${upstream}`, 2],
    ["maxconn 10000", "maxconn 1000"],
    ["hard-stop-after 30s", `hard-stop-after ${GRACE}`],
    ...["client", "server", "tunnel"].map((of) => [`timeout ${of} 75s`, `timeout ${of} ${idle}s`]),
  ],
  command: ({ dir, conf }) => ["haproxy", ["-W", "-f", conf, "-p", `${dir}/haproxy.pid`]],
  reload: ({ child }) => process.kill(child.pid, "SIGUSR2"),
};

export const KINDS = {
  nginx: {
    file: "nginx.conf",
    changes: ({ port, upstream, dir, idle }) => [
      ["127.0.0.1:8000", `127.0.0.1:${port}`],
      ["127.0.0.1:8080", `127.0.0.1:${upstream}`],
      ["/run/nginx.pid", `${dir}/nginx.pid`],
      ["/var/log/nginx", dir, 2],
      ["/var/cache/nginx-sockeye", `${dir}/cache`],
      ["worker_shutdown_timeout 30s", `worker_shutdown_timeout ${GRACE}`],
      ["_timeout 75s", `_timeout ${idle}s`, 2],
      ["http {\n", "http {\n" + ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((of) => `    ${of}_temp_path ${dir}/${of};\n`).join("")],
    ],
    command: ({ dir, conf }) => ["nginx", ["-p", dir, "-c", conf, "-g", `daemon off;${isRoot ? " user root;" : ""}`]],
    reload: ({ child }) => process.kill(child.pid, "SIGHUP"),
  },
  haproxy,
  // Towards the server by HTTP/2, as docs/operations.md says.
  "haproxy-h2": {
    ...haproxy,
    changes: (it) => [["server hub 127.0.0.1:8080", "server hub 127.0.0.1:8080 proto h2", 2], ...haproxy.changes(it)],
  },
  caddy: {
    file: "Caddyfile",
    changes: ({ port, upstream, admin, idle }) => [
      ["http://:8000", `http://:${port}`],
      ["127.0.0.1:8080", `127.0.0.1:${upstream}`],
      ["127.0.0.1:2019", `127.0.0.1:${admin}`],
      ["grace_period 30s", `grace_period ${GRACE}`],
      ["lb_try_duration 5s", "lb_try_duration 1s"],
      ["read_timeout 75s", `read_timeout ${idle}s`],
    ],
    command: ({ conf }) => ["caddy", ["run", "--adapter", "caddyfile", "--config", conf]],
    reload: ({ conf, admin, env }) =>
      run("caddy", ["reload", "--force", "--adapter", "caddyfile", "--config", conf, "--address", `127.0.0.1:${admin}`],
        { env, timeout: WAIT_MS }),
  },
};

export class Proxy {
  /** `idle` is after how many seconds of silence it gives a connection up. */
  constructor(name, { docs, out, port, upstream, admin }) {
    const dir = path.join(out, `proxy-${name}`);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    const env = { ...process.env, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir };
    Object.assign(this, { name, kind: KINDS[name], docs, dir, port, upstream, admin, env, child: null });
    this.conf = path.join(dir, this.kind.file);
  }

  async start(idle = 75) {
    const text = readFileSync(path.join(this.docs, this.kind.file), "utf8");
    writeFileSync(this.conf, substitute(text, this.kind.changes({ ...this, idle })));
    await this.again();
  }

  /** Starts it as it was. */
  async again() {
    const log = openSync(path.join(this.dir, "output.log"), "a");
    const [command, args] = this.kind.command(this);
    this.child = start(command, args, { stdio: ["ignore", log, log], env: this.env });
    closeSync(log);
    await listening(this.name, this.child, this.port);
  }

  async reload() {
    await this.kind.reload(this);
  }

  async kill() {
    await end(this.child, "SIGKILL");
  }
}
