"""Starts the scripted provider, and the gateway as it is shipped: `yellowjack run` with a configuration written here."""

import base64
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HERE = pathlib.Path(__file__).resolve().parent.parent
# The services that the company uses. A link to another host is shown to the person as text that cannot be clicked.
LINK_HOSTS = ["bluesparrowtech.com", "techservices.com"]
ISSUER = "https://idp.dojo.example/"
# Bits on one result, in a conversation, and of a principal in an hour.
UNLIMITED = (1_000_000, 10_000_000, 100_000_000)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Child:
    """A process that says `ready URL` on its standard output."""

    def __init__(self, command, log, timeout=60, **more):
        self.log = open(log, "w")  # noqa: SIM115
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, **more)
        self.url = None
        ready = threading.Event()

        def listen():
            for line in self.process.stdout:
                if line.startswith("ready "):
                    self.url = line.split()[1]
                    ready.set()
            ready.set()

        threading.Thread(target=listen, daemon=True).start()
        if not ready.wait(timeout) or self.url is None:
            self.stop()
            raise RuntimeError(f"{command[0]} is not ready:\n" + pathlib.Path(log).read_text()[-4000:])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()
        return self.process.wait()


class Issuer:
    """An issuer of tokens: one key, in a file that the gateway reads."""

    def __init__(self, folder):
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "kid": "dojo", "alg": "ES256", "use": "sig", "x": b64(public.x.to_bytes(32, "big")), "y": b64(public.y.to_bytes(32, "big"))}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [jwk]}))

    def token(self, subject):
        """A token for one principal; each pair is one, so that no pair lives off another's labels or bits."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": "yellowjack", "sub": subject, "iat": now - 1, "exp": now + 7200}
        signed = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "ES256", "kid": "dojo", "typ": "JWT"}, claims))
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return signed + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def tools():
    """data.tools of all suites."""
    out = {}
    for file in sorted((HERE / "policies").glob("*.yaml")):
        for name, tool in yaml.safe_load(file.read_text())["tools"].items():
            if name in out and out[name] != tool:
                raise ValueError(f"{name} is configured twice")
            out[name] = tool
    return out


class Plain(yaml.SafeDumper):
    """Without anchors: the gateway's configuration has none."""

    def ignore_aliases(self, _):
        return True


def provider(folder):
    return Child([sys.executable, "-m", "dojo.provider"], folder / "provider.log", cwd=HERE)


class Gateway:
    """A running gateway."""

    def __init__(self, folder, binary, upstream, reader=None, capacity=UNLIMITED, change=None):
        """reader: the quarantined model, reader or hostile; none without."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.issuer = Issuer(self.folder)
        (self.folder / "provider.key").write_text("sk-dojo-provider")
        quarantine = {"capacity_bits": dict(zip(("result", "conversation", "principal_hour"), capacity)), "link_hosts": LINK_HOSTS}
        if reader:
            quarantine |= {"provider": "mock", "quarantined_model": reader, "privileged_model": "planner"}
        config = {
            "listen": f"127.0.0.1:{free_port()}",
            "envoy": {"concurrency": 1, "run_dir": str(self.folder / "run")},
            "telemetry": {"metrics": f"127.0.0.1:{free_port()}", "log_level": "warn"},
            "audit": {"file": "audit.jsonl"},
            "identity": {"issuers": [{"name": "dojo", "issuer": ISSUER, "jwks": str(self.issuer.jwks), "audiences": ["yellowjack"]}]},
            "providers": {"mock": {"base_url": upstream + "/v1", "models": ["agent", "agent-forging", "agent-knowing", "planner", "reader", "hostile"]}},
            "default_provider": "mock",
            "credentials": [{"provider": "mock", "secret": {"file": "provider.key"}}],
            "quarantine": quarantine,
            "policies": {"data": {"tools": tools()}},
        }
        if change:
            change(config)
        path = self.folder / "yellowjack.yaml"
        path.write_text(yaml.dump(config, Dumper=Plain, sort_keys=False, allow_unicode=True, width=200))
        self.child = Child([str(binary), "run", "--config", str(path)], self.folder / "gateway.log")

    @property
    def base(self):
        return self.child.url + "/v1"

    def key(self, subject):
        return self.issuer.token(subject)

    def stop(self):
        """Ends it as an operator would; it must end well."""
        code = self.child.stop()
        if code != 0:
            raise RuntimeError(f"the gateway ended with {code}:\n" + (self.folder / "gateway.log").read_text()[-4000:])

    def audit(self):
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
