"""URLs that must not be called, and some that may be (reliability 4).

``{port}`` stands for the port of a listener on 127.0.0.1 and ::1. A name answers what its
case says, in order; any other name leads to that listener, as it would if a resolver took
an odd spelling for a number.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

LOOPBACK = ("127.0.0.1", "::1")
PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Case(NamedTuple):
    """A URL and what its host resolves to at the first, second … asking."""

    group: str
    url: str
    dns: tuple[tuple[str, ...], ...] = (LOOPBACK,)


_SPELLINGS = """
127.0.0.1 127.1 127.0.1 0 0.0.0.0 00 1 2130706433 017700000001 0x7f000001 0x7f.1 0x7F.0.0.1
0177.0.0.1 0177.1 127.0.0.01 127.0.0.1. 127.000.000.001 0x 0x. 127.0.0.0x1 4294967296 127.1.
127.0.0.1.nip.io localhost LOCALHOST localhost. LOCALHOST. localhost.localdomain ip6-localhost
[::] [::1] [0:0:0:0:0:0:0:1] [0000::0001] [::ffff:7f00:1] [::ffff:127.0.0.1] [::FFFF:127.0.0.1]
[0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1] [::ffff:0:127.0.0.1] [::ffff:0.0.0.0]
１２７.0.0.1 ①②⑦.0.0.1 127。0。0。1 127．0．0．1 127｡0｡0｡1 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ
loc\u00adalhost 127.0.0.\u00ad1 ０ｘ７ｆ.1 %31%32%37.0.0.1 %6c%6f%63%61%6c%68%6f%73%74
127.0.0.1%00 127.0.0.1%2e [::1%25lo] [::1%lo] [::1]. [[::1]] [::1 ::1 ::1]
[127.0.0.1] [v1.127.0.0.1]
"""

_SPECIAL_4 = """
10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 100.64.0.1
100.127.255.255 127.0.0.1 127.255.255.254 169.254.0.1 192.0.0.1 192.0.0.8 192.0.0.170
192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 0.0.0.0 0.255.255.255
"""

_SPECIAL_6 = """
fc00::1 fd12:3456:789a::1 fdff:ffff::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1 ff0e::1 100::1
2001:db8::1 2001:db8:ffff::1 3fff::1 2001::1 2001:10::1 2001:20::1 2001:2::1 2002::1 3ffe::1
4000::1 5f00::1 8000::1 ::2 64:ff9b:1::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""

_METADATA = """
169.254.169.254 169.254.170.2 169.254.0.23 168.63.129.16 100.100.100.200 192.0.0.192
[fd00:ec2::254] [fd20:ce::254] [fd00:c1::a9fe:a9fe] [fd00:42::42] [fe80::a9fe:a9fe]
"""

_TRICKS = (
    "http://public.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@public.example/",
    "http://user:word@public.example/",
    "http://@127.0.0.1:{port}/",
    "http://a@b@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://127.0.0.1:{port}?@public.example/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http://public.example\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0\n.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: public.example",
    "http://public.example/\x00",
    "http://public.example/\x85",
    "http://public.example/\ud800",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1 :{port}/",
    "http://127.0.0.1: {port}/",
    "http://public.example:/",
    "http://127.0.0.1:/",
    "http://public.example:0/",
    "http://public.example:22/",
    "http://public.example:25/",
    "http://public.example:1023/",
    "http://public.example:65536/",
    "http://public.example:080808/",
    "http://public.example:+80/",
    "http://public.example:８０/",
    "http://public.example:80:80/",
    "http://:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "http://",
    "http",
    "",
    "h\tttp://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "ws://127.0.0.1:{port}/",
    "unix:/var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "jar:http://127.0.0.1:{port}/!/",
    "http://.127.0.0.1:{port}/",
    "http://127..0.0.1:{port}/",
    "http://localhost..:{port}/",
    "http://.:{port}/",
    "http://-.example:{port}/",
    "http://a／b.example:{port}/",
    "http://public.example：{port}/",
    "http://public＠127.0.0.1:{port}/",
    "http://℀.example:{port}/",
    "http://ex*mple:{port}/",
    "http://ex,mple:{port}/",
    "http://xn--a.\u0378.example:{port}/",
    "http://" + "a." * 300 + "example/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "ü" * 200 + ".example/",
    "http://public.example/" + "a" * 2027,
)

_NAMES = (
    Case("DNS", "http://mixed.example:{port}/", ((PUBLIC, "127.0.0.1"),)),
    Case("DNS", "http://mixed6.example:{port}/", ((PUBLIC, "::1"),)),
    Case("DNS", "http://last.example:{port}/", (("8.8.8.8", "1.1.1.1", PUBLIC_6, "10.0.0.1"),)),
    Case("DNS", "http://rebound.example:{port}/", (("127.0.0.1",), (PUBLIC,))),
    Case("DNS", "http://cname-to-private.example:{port}/", (("10.0.0.1",),)),
    Case("DNS", "http://mapped.example:{port}/", (("::ffff:127.0.0.1",),)),
    Case("DNS", "http://dns64.example:{port}/", (("64:ff9b::7f00:1",),)),
    Case("DNS", "http://scoped.example:{port}/", (("fe80::1%eth0",),)),
    Case("DNS", "http://scoped-public.example:{port}/", ((f"{PUBLIC_6}%lo",),)),
    Case("DNS", "http://nothing.example:{port}/", ((),)),
    Case("DNS", "http://odd.example:{port}/", (("2130706433",),)),
    Case("DNS", "http://metadata.google.internal/", (("169.254.169.254",),)),
    Case("DNS", "https://bücher.example:{port}/", (("192.168.1.1",),)),
    Case("DNS", "http://under_score:{port}/", (("172.18.0.2",),)),
)


def wrapped(address: str) -> list[str]:
    """An IPv4 address in every form that hides one in an IPv6 address, NAT64's last."""
    inner = int(IPv4Address(address))
    flipped = inner ^ 0xFFFFFFFF
    numbers = [
        (0xFFFF << 32) | inner,  # mapped
        inner,  # compatible
        (0xFFFF << 48) | inner,  # translated
        (0x2002 << 112) | (inner << 80) | 1,  # 6to4
        (0x20010000 << 96) | (0x08080808 << 64) | flipped,  # Teredo, as client
        (0x20010000 << 96) | (inner << 64) | (0x08080808 ^ 0xFFFFFFFF),  # Teredo, as server
        (0x26062800 << 96) | (0x00005EFE << 32) | inner,  # ISATAP
        (0x26062800 << 96) | (0x02005EFE << 32) | inner,
        (0x0064FF9B0001 << 80) | inner,  # NAT64 of a local network, /96
        (0x0064FF9B0001 << 80) | ((inner >> 16) << 64) | ((inner & 0xFFFF) << 40),  # /48
        (0x0064FF9B << 96) | inner,  # NAT64
    ]
    return [str(IPv6Address(number)) for number in numbers]


REFUSED: tuple[Case, ...] = (
    *(Case("loopback spellings", f"http://{host}:{{port}}/") for host in _SPELLINGS.split()),
    *(
        Case("private and special", f"http://{host}:{{port}}/x?y")
        for host in _SPECIAL_4.split()
    ),
    *(
        Case("private and special", f"https://[{host}]:{{port}}/")
        for host in _SPECIAL_6.split()
    ),
    Case("private and special", "http://[fe80::1%eth0]:{port}/"),
    Case("private and special", "http://[fe80::1%25eth0]:{port}/"),
    *(
        Case("wrapped", f"http://[{form}]:{{port}}/")
        for host in (*_SPECIAL_4.split(), "169.254.169.254", "168.63.129.16")
        for form in wrapped(host)
    ),
    *(Case("metadata", f"http://{host}/latest/meta-data/") for host in _METADATA.split()),
    *(
        Case("parser tricks", url, ((PUBLIC,) if "public" in url else LOOPBACK,))
        for url in _TRICKS
    ),
    *_NAMES,
)

ALLOWED: tuple[tuple[Case, tuple[str, ...]], ...] = tuple(
    (Case("allowed", url, (answer,)), answer)
    for url, answer in (
        (f"http://{PUBLIC}/", (PUBLIC,)),
        ("https://1.1.1.1/x", ("1.1.1.1",)),
        ("http://9.255.255.255/", ("9.255.255.255",)),
        ("http://11.0.0.1/", ("11.0.0.1",)),
        ("http://172.15.255.255/", ("172.15.255.255",)),
        ("http://172.32.0.1/", ("172.32.0.1",)),
        ("http://100.128.0.1/", ("100.128.0.1",)),
        ("http://223.255.255.255/", ("223.255.255.255",)),
        (f"https://[{PUBLIC_6}]/", (PUBLIC_6,)),
        (f"https://[{PUBLIC_6.upper()}]:8443/", (PUBLIC_6,)),
        ("https://[2001:4860:4860::8888]/", ("2001:4860:4860::8888",)),
        ("https://[2a00:1450:4001:81b::200e]/", ("2a00:1450:4001:81b::200e",)),
        ("http://[64:ff9b::8.8.8.8]/", ("64:ff9b::808:808",)),
        ("http://one.example/", (PUBLIC,)),
        ("https://two.example/", (PUBLIC, "8.8.8.8")),
        ("https://both.example:8443/", (PUBLIC, PUBLIC_6)),
        ("https://dns64.example/", ("64:ff9b::5db8:d70e",)),
        ("HTTPS://UPPER.EXAMPLE:443/", (PUBLIC,)),
        ("http://dotted.example.:1024/", (PUBLIC,)),
        ("http://bücher.example:65535/ü ü?q=ü#ü", (PUBLIC,)),
        ("http://1password.example/", (PUBLIC,)),
        ("http://0x7f.example/", (PUBLIC,)),
    )
)
