"""Certificates not checked, TCP asked about UDP, and keys in the clear."""

from __future__ import annotations

from collections.abc import Iterator

from l2tp_doctor.lint.model import HOLE, Block, Call, Instance, Values, Verdict, constants, known
from l2tp_doctor.lint.rules.common import Bound, arguments, every, first, folded, number, truthy
from l2tp_doctor.lint.rules.registry import registry_text

_UDP_PORTS = frozenset({500, 4500, 1701})
_CERTIFICATE = "certificate-check-off"
_SAYS_YES = frozenset(
    {"$true", "return $true", "1", "return 1", "return $true;", "$true;", "true", "$script:true"}
)


# -- certificates ---------------------------------------------------------------------------------


def callback(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges a validation callback that says yes to everything, and the policy objects of old scripts."""
    for values in arguments(call):
        for value in values:
            if isinstance(value, Block):
                inner = value.text.strip()[1:-1].strip()
                if folded(inner).startswith("param"):
                    inner = inner[inner.find(")") + 1 :]
                if folded(inner) in _SAYS_YES:
                    yield Verdict(_CERTIFICATE, keys=frozenset({call.name}))
            elif isinstance(value, str) and "acceptany" in value.lower():  # .NET has one ready-made
                yield Verdict(_CERTIFICATE, keys=frozenset({call.name}))
            elif value == "":  # $null: the system's own check is back
                yield Verdict(_CERTIFICATE, bad=False, keys=frozenset({call.name}))
            elif isinstance(value, Instance) and "policy" in call.name:
                yield Verdict(_CERTIFICATE, keys=frozenset({call.name}))


def skip_switch(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges -SkipCertificateCheck and the Skip…Check switches of session options."""
    severities = {"skipcacheck": None, "skipcncheck": None, "skiprevocationcheck": "warning"}
    for name in ("skipcertificatecheck", *severities):
        if any(truthy(text) for text in every(bound, name)):
            yield Verdict(_CERTIFICATE, severity="warning")
            return


def curl(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``curl -k`` and ``wget --no-check-certificate``."""
    for argv in call.argvs():
        for word in argv:
            short = call.name == "curl" and word.startswith("-") and not word.startswith("--")
            # Letters before -k that take a value end the cluster: "-okfile" is a file name.
            cluster = word[1:]
            for index, letter in enumerate(cluster):
                if letter in "oHdXuAbcCeEFmPQrTtUwxyYzKDh":
                    cluster = cluster[:index]
                    break
            insecure = word in ("--insecure", "--proxy-insecure") and call.name == "curl"
            unchecked = call.name == "wget" and word in ("--no-check-certificate", "--no-check-certificat")
            if insecure or unchecked or (short and "k" in cluster):
                yield Verdict(_CERTIFICATE, severity="warning")
                return


# -- TCP in the place of UDP ------------------------------------------------------------------------


def _udp_port(text: str) -> bool:
    return number(text) in _UDP_PORTS


def test_net_connection(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Test-NetConnection -Port 500."""
    if any(_udp_port(text) for text in every(bound, "port", "tcpport")):
        yield Verdict("tcp-test-for-udp")


def tcp_client(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``TcpClient``: ``new(host, 500)`` and ``.Connect(host, 500)``."""
    words = arguments(call)
    values = words[1] if len(words) > 1 else ()
    sure = call.name == "tcpclient::new" or any(
        isinstance(v, Instance) and v.kind == "tcpclient" for v in call.piped
    )
    if sure and any(_udp_port(text) for text in constants(values)):
        yield Verdict("tcp-test-for-udp")


def new_object(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges ``New-Object Net.Sockets.TcpClient(host, 500)``."""
    tcp = folded(first(bound, "typename")).endswith("tcpclient")
    if tcp and any(_udp_port(text) for text in every(bound, "argumentlist")):
        yield Verdict("tcp-test-for-udp")


def netcat(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``nc -z host 500`` without ``-u``."""
    for argv in call.argvs():
        flags = "".join(word[1:] for word in argv if word.startswith("-") and not word.startswith("--"))
        listening = "l" in flags or "--listen" in argv
        if "u" not in flags and "--udp" not in argv and not listening and _has_port(argv):
            yield Verdict("tcp-test-for-udp")


def telnet(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``telnet host 500`` and tcping's like."""
    for argv in call.argvs():
        if any(_udp_port(word) for word in argv[1:]):
            yield Verdict("tcp-test-for-udp")


def _has_port(argv: list[str]) -> bool:
    return any(
        _udp_port(part) for word in argv for part in word.replace("-", ",").split(",") if part.isdecimal()
    )


def nmap(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges a TCP scan (the default) of the ports that are UDP."""
    for argv in call.argvs():
        if any(word.startswith(("-sU", "-sSU")) or word == "-sn" for word in argv):
            continue
        ports = ""
        for index, word in enumerate(argv):
            if word == "-p":
                ports = argv[index + 1] if index + 1 < len(argv) else ""
            elif word.startswith("-p") and word[2:3].isdigit():
                ports = word[2:]
        numbers = [part for part in ports.split(",") if not part.upper().startswith("U:")]
        if any(_udp_port(part.removeprefix("T:")) for part in numbers):
            yield Verdict("tcp-test-for-udp")


def dev_tcp(targets: tuple[str, ...]) -> bool:
    """Returns whether output goes to bash's ``/dev/tcp/host/500``."""
    return any(target.startswith("/dev/tcp/") and _udp_port(target.rpartition("/")[2]) for target in targets)


# -- keys -------------------------------------------------------------------------------------------


def is_secret(text: str) -> bool:
    """Returns whether a text is a key itself: known, and no placeholder for one."""
    plain = text.strip().strip("'\"")
    if (
        not plain
        or not known(text)
        or plain.startswith(("<", "{{", "[", "$", "%", "…", "..."))
        or set(plain) <= {"*", "x", "X"}
    ):
        return False
    if plain.lower().startswith("your") or "事前共有" in plain:  # an article's "your_ipsec_pre_shared_key"
        return False
    return not (plain.startswith("%") and plain.endswith("%"))


def _clear(values: Values) -> Iterator[Verdict]:
    for text in constants(values):
        if is_secret(text):
            yield Verdict("psk-in-clear", secrets=(text,))


def pre_shared_key(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges -L2tpPsk and -SharedSecret with the key itself."""
    for name in ("l2tppsk", "sharedsecret"):
        yield from _clear(bound.get(name, ()))


def vpncmd(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges SoftEther's ``IPsecEnable /PSK:key``."""
    for argv in call.argvs():
        for word in argv:
            lower = folded(word)
            place = lower.find("/psk:")
            if place >= 0:
                yield from _clear((word.strip()[place + 5 :].split(" ")[0],))


def connection_manager(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges NetworkManager: ``nmcli … vpn.secrets ipsec-psk=key`` and ``ipsec-psk=`` among its words."""
    for argv in call.argvs():
        for word in argv:
            for part in word.replace(",", "\n").split("\n"):
                name, _, value = part.strip().partition("=")
                if folded(name) in ("ipsec-psk", "vpn.secrets.ipsec-psk") and value:
                    yield from _clear((value.strip(),))


def connection_text(text: str, target: str) -> Iterator[Verdict]:
    """Judges what is written to a file: ipsec.secrets, swanctl.conf, a phone book, a .reg file."""
    name = folded(target).replace("\\", "/").rpartition("/")[2]
    if (
        name.endswith(".secrets")
        or name in ("ipsec.secrets", "swanctl.conf")
        or "ipsec.d" in folded(target)
        or (name.endswith(".conf") and "swanctl" in folded(target))
    ):
        yield from _secrets_file(text)
    elif name.endswith(".pbk"):
        yield from phone_book(text)
    elif name.endswith(".reg"):
        for _row, _line, verdict in registry_text(text):
            yield verdict


def _secrets_file(text: str) -> Iterator[Verdict]:
    """``… : PSK "key"`` of ipsec.secrets, and ``secret = key`` of swanctl.conf."""
    for line in text.replace("\\n", "\n").split("\n"):
        before, colon, after = line.partition(":")
        words = after.split(None, 1)
        if colon and not before.strip().startswith("#") and len(words) == 2 and words[0].upper() == "PSK":
            yield from _clear((words[1].strip().strip("\"'"),))
        name, equals, value = line.partition("=")
        if equals and folded(name) == "secret":
            yield from _clear((value.strip().strip("\"'"),))


def phone_book(text: str) -> Iterator[Verdict]:
    """Judges lines of rasphone.pbk."""
    for line in text.replace("\\n", "\n").split("\n"):
        name, _, value = line.strip().partition("=")
        if folded(name) == "disableikenameekucheck":
            yield Verdict(
                _CERTIFICATE, bad=value.strip() == "1", keys=frozenset({"registry::disableikenameekucheck"})
            )


def write_file(call: Call, bound: Bound) -> Iterator[Verdict]:
    """Judges Set-Content, Add-Content, Out-File and Tee-Object by what they write where."""
    texts = [*every(bound, "value"), *constants(call.piped), *every(bound, "inputobject")]
    for path in every(bound, "path", "literalpath", "filepath"):
        joined = "\n".join(texts)
        yield from connection_text(joined, path)


def written_lines(call: Call, _bound: Bound) -> Iterator[Verdict]:
    """Judges ``echo text > file``, ``cat > file << EOF`` and ``… | tee file``."""
    if dev_tcp(call.targets):
        yield Verdict("tcp-test-for-udp")
    texts = list(constants(call.piped))
    words = [next(constants(word.values), HOLE) for word in call.words]
    targets = list(call.targets)
    if call.name in ("tee", "tee-object"):
        targets += [word for word in words if not word.startswith("-")]
    elif call.name in ("echo", "printf"):
        texts.append(" ".join(words))
    for target in targets:
        for text in texts:
            yield from connection_text(text, target)
