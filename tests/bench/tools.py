"""The tools that are compared: how each is told to move src to dst.

A tool has a server, which listens, and a client, which connects; both are
command lines for a Job.  Usually the server receives.  With serves_on it
stays and is ended after the client, whose exit then says that the data has
arrived; else both have to end by themselves, and the later one counts.
"""

import os
import shlex
import subprocess
from pathlib import Path

EACH = "@EACH@"     # in place of src: the client runs once for each file
SSH_CIPHER = "aes128-gcm@openssh.com"
SSHD = "/usr/sbin/sshd"
SSHD_EMPTY = Path("/run/sshd")
NGINX = "/usr/sbin/nginx"


def shell(text, *args):
    """A shell command; its arguments are $1, $2, ..."""
    return ["bash", "-o", "pipefail", "-c", text, "bench",
            *(str(a) for a in args)]


class Tool:
    server_sends = False
    serves_on = False
    complains = False   # exits with an error although all went well
    needs = ()      # programs

    def __init__(self, label):
        self.label = label

    def server(self, job):
        """The command of the side that listens."""
        raise NotImplementedError(self.label)

    def client(self, job):
        """The command of the side that connects."""
        raise NotImplementedError(self.label)

    def missing(self):
        """The programs this machine lacks."""
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        return [p for p in self.needs
                if not any(os.access(os.path.join(d, p), os.X_OK)
                           for d in path.split(":"))]


class Each(Tool):
    """A tool whose client is started anew for each file in src."""

    def __init__(self, tool):
        super().__init__(tool.label)
        self.tool = tool
        self.needs = tool.needs
        tool.serves_on = self.serves_on = True

    def server(self, job):
        return self.tool.server(job)

    def client(self, job):
        src, job.src = job.src, Path(EACH)
        command = shlex.join(self.tool.client(job)).replace(EACH, '"$f"')
        job.src = src
        return shell(f'for f in "$1"/*; do {command} || exit; done', src)


# ---- ferry and the least that can be done -----------------------------------

class Ferry(Tool):
    def __init__(self, label, binary, key=False, sync="none", send=(),
                 stay=False, receive=()):
        super().__init__(label)
        self.binary = str(binary)
        self.key = key
        self.sync = sync
        self.send = send
        self.receive = receive
        self.serves_on = stay

    def security(self, job):
        if not self.key:
            return ["--plain"]
        key = job.bench.tmp / "ferry.key"
        if not key.exists():
            subprocess.run([self.binary, "keygen", key], check=True,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        return ["--key", str(key)]

    def server(self, job):
        once = [] if self.serves_on else ["--once"]
        return [self.binary, "receive", "-q", *once, *self.security(job),
                "--sync", self.sync, *self.receive, "-b", job.host,
                "-p", str(job.port), str(job.dst)]

    def client(self, job):
        return [self.binary, "send", "-q", *self.security(job), *self.send,
                str(job.src), f"{job.host}:{job.port}"]


class BareLoop(Tool):
    def server(self, job):
        return [job.bench.helper("bareloop"), "recv", str(job.port),
                str(job.dst / job.src.name)]

    def client(self, job):
        return [job.bench.helper("bareloop"), "send", str(job.src),
                job.host, str(job.port)]


# ---- pipes ------------------------------------------------------------------

class Pipe(Tool):
    """[filter |] nc | [filter]; in the commands $1 is src and $3 dst/name."""
    needs = ("nc",)

    def __init__(self, label, pack="", unpack="", then="", needs=()):
        super().__init__(label)
        self.pack = pack
        self.unpack = unpack
        self.then = then
        self.needs = ("nc", *needs)

    def server(self, job):
        end = f"| {self.unpack}" if self.unpack else '>"$3"'
        first = "" if self.unpack or self.then else "exec "
        then = f" && {self.then}" if self.then else ""
        return shell(f'{first}nc -d -l "$1" "$2" {end}{then}', job.host,
                     job.port, job.dst / job.src.name, job.dst)

    def client(self, job):
        begin = f"{self.pack} | " if self.pack else "exec "
        end = "" if self.pack else '<"$1"'
        return shell(f'{begin}nc -N "$2" "$3" {end}', job.src, job.host,
                     job.port, job.src.parent, job.src.name)


def tar_pipe(label, then=""):
    return Pipe(label, 'tar -C "$4" -cf - "$5"', 'tar -C "$4" -xf -', then,
                ("tar",))


def zstd_pipe(label):
    return Pipe(label, 'zstd -q -T0 -c "$1"', 'zstd -q -d -c >"$3"',
                needs=("zstd",))


def pigz_pipe(label):
    return Pipe(label, 'pigz -c "$1"', 'pigz -d -c >"$3"', needs=("pigz",))


# ---- socat, ncat, nginx -----------------------------------------------------

def certificate(job):
    """Of no use but to be checked by nobody; key and certificate in one."""
    path = job.bench.tmp / "tls.pem"
    if not path.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=bench",
             "-keyout", path, "-out", f"{path}.crt"],
            check=True, stderr=subprocess.DEVNULL)
        with open(path, "ab") as f:
            f.write(Path(f"{path}.crt").read_bytes())
    return path


class Socat(Tool):
    needs = ("socat",)

    def __init__(self, label, tls=False):
        super().__init__(label)
        self.tls = tls

    def server(self, job):
        listen = (f"OPENSSL-LISTEN:{job.port},bind={job.host},reuseaddr,"
                  f"verify=0,cert={certificate(job)}" if self.tls else
                  f"TCP-LISTEN:{job.port},bind={job.host},reuseaddr")
        return ["socat", "-u", "-b", "1048576", listen,
                f"OPEN:{job.dst / job.src.name},creat,trunc,wronly"]

    def client(self, job):
        to = (f"OPENSSL:{job.host}:{job.port},verify=0" if self.tls else
              f"TCP:{job.host}:{job.port}")
        return ["socat", "-u", "-b", "1048576", f"OPEN:{job.src},rdonly", to]


class NcatTls(Tool):
    """Of Debian 12: its sender does not say that TLS ends, which the
    receiver then holds against it."""
    needs = ("ncat",)
    complains = True

    def server(self, job):
        pem = certificate(job)
        return shell('exec ncat --ssl --ssl-cert "$4" --ssl-key "$4" '
                     '--recv-only -l "$1" "$2" >"$3"', job.host, job.port,
                     job.dst / job.src.name, pem)

    def client(self, job):
        return shell('exec ncat --ssl --send-only "$2" "$3" <"$1"', job.src,
                     job.host, job.port)


class Curl(Tool):
    """nginx sends, with sendfile; curl receives."""
    needs = ("nginx", "curl")
    server_sends = True
    serves_on = True

    def server(self, job):
        home = job.bench.tmp / "nginx"
        home.mkdir(exist_ok=True)
        conf = home / "conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{k}_temp_path {home}/{k};" for k in kinds)
        conf.write_text(
            "daemon off; master_process off; worker_processes 1;"
            f"pid {home}/pid; error_log {home}/error.log; events {{}}"
            f"http {{ access_log off; sendfile on; tcp_nopush on; {paths}"
            f"server {{ listen {job.host}:{job.port};"
            f"root {job.src.parent}; }} }}\n")
        return [NGINX, "-e", f"{home}/error.log", "-c", str(conf)]

    def client(self, job):
        return ["curl", "-sS", "-f", "-o", str(job.dst / job.src.name),
                f"http://{job.host}:{job.port}/{job.src.name}"]


# ---- rsync and ssh ----------------------------------------------------------

class RsyncDaemon(Tool):
    needs = ("rsync",)
    serves_on = True

    def __init__(self, label, options=()):
        super().__init__(label)
        self.options = options

    def server(self, job):
        conf = job.bench.tmp / "rsyncd.conf"
        conf.write_text(f"use chroot = no\nuid = {os.getuid()}\n"
                        f"gid = {os.getgid()}\nlog file = /dev/null\n"
                        "[dst]\n"
                        f"path = {job.dst}\nread only = no\n")
        return ["rsync", "--daemon", "--no-detach", f"--config={conf}",
                f"--address={job.host}", f"--port={job.port}"]

    def client(self, job):
        return ["rsync", "-aW", *self.options, str(job.src),
                f"rsync://{job.host}:{job.port}/dst/"]


def ssh_files(job):
    """A key, and configurations of both sides; the directory of it all."""
    home = job.bench.tmp / "ssh"
    if home.exists():
        return home
    home.mkdir(mode=0o700)
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        home / name], check=True)
    (home / "sshd_config").write_text(
        f"HostKey {home}/host\nAuthorizedKeysFile {home}/id.pub\n"
        "StrictModes no\nUsePAM no\nPidFile none\nUseDNS no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "MaxStartups 1000\nPrintMotd no\nPrintLastLog no\n"
        "Subsystem sftp /usr/lib/openssh/sftp-server\n")
    (home / "ssh_config").write_text(
        f"IdentityFile {home}/id\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {home}/known_hosts\n"
        "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking no\n"
        f"Ciphers {SSH_CIPHER}\nBatchMode yes\nLogLevel ERROR\n"
        "ControlMaster no\nControlPath none\n")
    return home


class Ssh(Tool):  # pylint: disable=abstract-method
    """A tool that goes over ssh: subclasses have the client."""
    serves_on = True

    def server(self, job):
        home = ssh_files(job)
        if os.getuid() == 0 and not SSHD_EMPTY.exists():
            SSHD_EMPTY.mkdir(0o755)     # as its service would
            job.bench.remove_later(SSHD_EMPTY)
        return [SSHD, "-D", "-e", "-f", f"{home}/sshd_config", "-o",
                f"ListenAddress={job.host}", "-p", str(job.port)]


class FerrySsh(Ssh):
    """ferry by ssh; content goes by way (--data); fetches: not sent from
    here."""
    needs = ("sshd", "ssh")

    def __init__(self, ferry, way, fetches=False):
        super().__init__(ferry.label)
        self.binary = ferry.binary
        self.options = ferry.send
        self.way = way
        self.fetches = fetches

    def client(self, job):
        by_ssh = ["-q", *self.options, "--data", self.way,
                  "--remote-ferry", self.binary, "--ssh",
                  f"ssh -F {ssh_files(job)}/ssh_config -p {job.port}"]
        if self.fetches:
            return [self.binary, "receive", *by_ssh, f"{job.host}:{job.src}",
                    str(job.dst)]
        return [self.binary, "send", *by_ssh, str(job.src),
                f"{job.host}:{job.dst}"]


class Scp(Ssh):
    needs = ("sshd", "scp")

    def __init__(self, label, options=(), fetches=False):
        super().__init__(label)
        self.options = options
        self.fetches = fetches

    def client(self, job):
        many = ["-r"] if job.src.is_dir() else []
        places = [f"{job.host}:{job.src}", f"{job.dst}/"] if self.fetches \
            else [str(job.src), f"{job.host}:{job.dst}/"]
        return ["scp", "-q", *many, *self.options, "-F",
                f"{ssh_files(job)}/ssh_config", "-P", str(job.port), *places]


class RsyncSsh(Ssh):
    needs = ("sshd", "ssh", "rsync")

    def __init__(self, label, fetches=False):
        super().__init__(label)
        self.fetches = fetches

    def client(self, job):
        places = [f"{job.host}:{job.src}", f"{job.dst}/"] if self.fetches \
            else [str(job.src), f"{job.host}:{job.dst}/"]
        return ["rsync", "-aW", "-e",
                f"ssh -F {ssh_files(job)}/ssh_config -p {job.port}", *places]
