#!/usr/bin/env python3
"""Writes the small hand-made inputs below fuzz/corpus. The same bytes every time."""

import bz2
import gzip
import io
import json
import lzma
import re
import tarfile
import zlib
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
DIGEST = "sha256:" + "ab" * 32


def member(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, pax=None, device=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(data), link, mode
    info.mtime, info.uid, info.gid, info.pax_headers = 1700000000, 7, 8, pax or {}
    info.devmajor, info.devminor = device
    return info, data


def directory(name, **more):
    return member(name, tarfile.DIRTYPE, mode=more.pop("mode", 0o755), **more)


def symlink(name, target):
    return member(name, tarfile.SYMTYPE, link=target, mode=0o777)


def link(name, target):
    return member(name, tarfile.LNKTYPE, link=target)


def tar(*members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    # tarfile pads to 10 KiB: two zero blocks are the end.
    return out.getvalue().rstrip(b"\0").ljust(archive.offset, b"\0")


def edit(archive, at, data):
    """Changes bytes of the first header and corrects its checksum."""
    header = bytearray(archive[:512])
    header[at : at + len(data)] = data
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + archive[512:]


def old_sparse():
    plain = tar(member("sparse", data=b"head" + b"tail"), form=tarfile.GNU_FORMAT)
    pieces = b"%011o\0%011o\0%011o\0%011o\0" % (0, 4, 65536, 4)
    return edit(edit(edit(plain, 156, b"S"), 386, pieces), 483, b"%011o\0" % 65540)


def sparse_pax():
    body = b"2\n0\n4\n65536\n4\n".ljust(512, b"\0") + b"headtail"
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s", "GNU.sparse.realsize": "65540"}
    return tar(member("GNUSparseFile.0/s", data=body, pax=records))


def layers():
    plain = tar(directory("etc"), member("etc/hosts", data=b"127.0.0.1 localhost\n"), symlink("etc/mtab", "/proc/mounts"))
    door = "/proc/self/fd/99"
    long = "/".join(["d" * 60] * 4) + "/file"
    yield "plain.tar", plain
    yield "plain.tar.gz", gzip.compress(plain, mtime=0)
    yield "two-members.tar.gz", gzip.compress(plain[:700], mtime=0) + gzip.compress(plain[700:], mtime=0)
    yield "plain.tar.bz2", bz2.compress(plain)
    yield "plain.tar.xz", lzma.compress(plain)
    # A frame of one raw block (RFC 8878): no checksum, the size in four bytes.
    size = len(plain)
    frame = b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little") + (size << 3 | 1).to_bytes(3, "little") + plain
    yield "plain.tar.zst", frame
    yield "truncated.tar", plain[:900]
    yield "no-end.tar", plain[:-1024]
    yield "trailing.tar", plain + b"garbage"
    yield "empty.tar", b"\0" * 1024
    yield "nothing", b""
    yield "ustar.tar", tar(directory("a"), member("a/f", data=b"x"), form=tarfile.USTAR_FORMAT)
    yield "gnu-long.tar", tar(member(long, data=b"x"), symlink("l", long), form=tarfile.GNU_FORMAT)
    yield "pax-long.tar", tar(member(long, data=b"x"), symlink("l", long))
    yield "base256.tar", edit(edit(plain, 108, b"\x80\0\0\0\xb2\xd0\x5e\0"), 136, b"\xff" * 12)
    yield "pax-times.tar", tar(member("f", data=b"x", pax={"mtime": "1700000000.123456789", "atime": "-1.5"}))
    attributes = {"SCHILY.xattr.user.a": "1", "SCHILY.xattr.trusted.overlay.opaque": "y", "LIBARCHIVE.xattr.user.b": "Yg=="}
    yield "xattrs.tar", tar(directory("d", pax=attributes), member("d/f", data=b"x", pax=attributes))
    yield "global-pax.tar", edit(tar(member("f", data=b"13 path=hell\n")), 156, b"g")[:1024] + plain
    yield "sparse-old.tar", old_sparse()
    yield "sparse-1.0.tar", sparse_pax()
    yield "whiteouts.tar", tar(member("a/.wh.b"), member("a/c"), member(".wh.a2"), directory("a2"), member("a2/x"))
    yield "opaque.tar", tar(member("o/.wh..wh..opq"), member("o/f", data=b"1"), member("o/.wh.g"), member(".wh..wh..opq"))
    yield "bad-whiteout.tar", tar(member("a/.wh."), member("a/.wh..."))
    yield "plinks.tar", tar(member(".wh..wh.plnk/1.2", data=b"p"), link("f", ".wh..wh.plnk/1.2"), link("g", "f"))
    yield "plink-unused.tar", tar(member(".wh..wh.plnk/1.2", data=b"p"), member("f"))
    yield "links.tar", tar(member("f", data=b"x"), link("g", "f"), link("h", "g"), member("f", data=b"y"))
    yield "links-late.tar", tar(link("c", "b"), link("b", "a"), member("a", data=b"x"), link("r", "s"), link("s", "r"))
    yield "links-lower.tar", tar(link("g", "only/below"), link("self", "self"))
    yield "link-to-symlink.tar", tar(symlink("s", "nowhere"), link("t", "s"))
    yield "devices.tar", tar(
        member("n", tarfile.CHRTYPE, device=(1, 3)), member("b", tarfile.BLKTYPE, device=(7, 0)), member("p", tarfile.FIFOTYPE)
    )
    yield "null-device.tar", tar(member("w", tarfile.CHRTYPE), member("d/w", tarfile.CHRTYPE), member("d/w", data=b"x"))
    yield "replaced.tar", tar(
        directory("x"), member("x/f", data=b"1"), member("x", data=b"2"), directory("x"), symlink("x", "y"), member("x/f")
    )
    yield "kept.tar", tar(symlink("s", "d"), member("s/f", data=b"1"), directory("s"), member("d/f", data=b"2"))
    yield "implied.tar", tar(member("a/b/c/d", data=b"x"), member("a/b", data=b"file"), member("a/b/c", data=b"y"))
    yield "root.tar", tar(directory("./", mode=0o700), member("./f"))
    yield "modes.tar", tar(member("s", mode=0o6755), directory("t", mode=0o1777), directory("z", mode=0))
    yield "escape-dots.tar", tar(member("../canary", data=b"no"))
    yield "escape-inside.tar", tar(directory("a"), member("a/../../canary", data=b"no"))
    yield "escape-symlink.tar", tar(symlink("up", "../.."), member("up/canary", data=b"no"), member("up/new"))
    yield "escape-absolute.tar", tar(symlink("door", door), member("door/canary", data=b"no"), member("door/new"))
    yield "escape-link.tar", tar(link("l", "../../canary"), link("m", door + "/canary"))
    yield "escape-link-symlink.tar", tar(symlink("door", door), link("l", "door/canary"), symlink("c", door + "/canary"), link("k", "c"))
    yield "escape-final.tar", tar(symlink("c", "../../canary"), member("c", data=b"no"), symlink("d", door), directory("d"))
    yield "escape-whiteout.tar", tar(symlink("up", "../.."), member("up/.wh.canary"), member("up/.wh..wh..opq"))
    yield "symlink-circle.tar", tar(symlink("a", "b"), symlink("b", "a"), member("a/f"), member("b/.wh.f"))


def gzip_member(deflated, content=b"", flags=0, fields=b""):
    sums = zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff" + fields + deflated + sums


def deflate(content, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return encoder.compress(content) + encoder.flush()


def streams():
    text = b"".join(b"usr/lib/%d.so\n" % (at * at) for at in range(150))
    plain = gzip_member(deflate(text), text)
    yield "dynamic", plain
    yield "fixed", gzip_member(deflate(text[:200], strategy=zlib.Z_FIXED), text[:200])
    yield "stored", gzip_member(deflate(text[:200], 0), text[:200])
    yield "literals", gzip_member(deflate(text[:900], strategy=zlib.Z_HUFFMAN_ONLY), text[:900])
    yield "zeros", gzip_member(deflate(bytes(5000)), bytes(5000))
    yield "period-5", gzip_member(deflate(b"abcde" * 200), b"abcde" * 200)
    far = bytes((at * at >> 7 ^ at * 37) & 255 for at in range(300)) + bytes(32400)
    yield "far", gzip_member(deflate(far + far[:300]), far + far[:300])
    yield "empty", gzip_member(deflate(b""))
    yield "two-members", gzip_member(deflate(b"one "), b"one ") + gzip_member(deflate(b"two"), b"two")
    yield "padding", plain + bytes(600)
    yield "garbage", plain + bytes(10) + b"x"
    yield "truncated", plain[:-30]
    fields = b"\x03\0abcname\0comment\0"
    head = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff" + fields
    yield "fields", gzip_member(deflate(b"x"), b"x", 0x1E, fields + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little"))
    yield "reserved-flag", gzip_member(deflate(b"x"), b"x", 0x20)
    yield "block-type", gzip_member(b"\x07\0")
    yield "stored-length", gzip_member(b"\x01\x01\0\xff\xff\0")
    yield "too-far", gzip_member(b"\x03\x02\0")
    yield "too-many-codes", gzip_member(b"\xfd\xff\0\0")


def descriptor(kind, size=2, **more):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": DIGEST, "size": size, **more}


def documents():
    head = {"schemaVersion": 2}
    manifest = head | {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", data="e30="),
        "layers": [descriptor("layer.v1.tar+gzip", annotations={"a": "b"}), descriptor("layer.v1.tar+zstd")],
    }
    platforms = [{"os": "linux", "architecture": "arm", "variant": "v7"}, {"os": "unknown", "architecture": "unknown"}]
    index = head | {
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor("manifest.v1+json", platform=platform) for platform in platforms],
    }
    docker = "application/vnd.docker."
    listed = {"mediaType": docker + "distribution.manifest.v2+json", "digest": DIGEST, "size": 7, "platform": platforms[0]}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-02T03:04:05Z",
        "config": {"Env": ["A=b"], "Cmd": ["sh"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}, "User": "0"},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST, DIGEST]},
        "history": [{"created_by": "a"}, {"created_by": "b", "empty_layer": True}, {"created_by": "c"}],
    }
    text = lambda document: json.dumps(document, separators=(",", ":")).encode()
    yield "manifest", text(manifest)
    yield "index", text(index)
    yield "docker-list", text(head | {"mediaType": docker + "distribution.manifest.list.v2+json", "manifests": [listed]})
    yield "config", text(config)
    yield "image", text(manifest) + b"\0" + text(config)
    yield "too-few-diff-ids", text(manifest) + b"\0" + text(config | {"rootfs": {"type": "layers", "diff_ids": [DIGEST]}})
    yield "both", text(manifest | index)
    yield "schema-1", text({"schemaVersion": 1, "fsLayers": []})
    yield "twice", text(manifest)[:-1] + b',"layers":[]}'
    yield "bad-size", text(manifest | {"config": descriptor("config.v1+json", size=-1)})
    yield "deep", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"
    yield "empty", b"{}"


def archive(*members):
    """Names and contents of the target `archive`. "@N" is the digest of a member, "#N" its size, also as a number."""
    text = lambda content: content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    sized = lambda content: re.sub(r'"(#[0-9])"', r"\1", text(content))
    return "\0".join(part for name, content in members for part in (name, sized(content))).encode()


def archives():
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:@0"]}}
    listed = lambda *layers, **more: [{"Config": "@1.json", "RepoTags": ["a:1", "b.example/c:2"], "Layers": [*layers], **more}]
    old = ("l/layer.tar", "layer"), ("@1.json", config)
    blob = lambda kind, number: {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:@{number}", "size": f"#{number}"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", 1),
        "layers": [blob("layer.v1.tar", 0)],
    }
    name = {"org.opencontainers.image.ref.name": "a:1", "io.containerd.image.name": "docker.io/library/a:1"}
    index = lambda *entries: {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [*entries]}
    path = "blobs/sha256/@"
    blobs = (path + "0", "layer"), (path + "1", config), (path + "2", manifest)
    top = blob("manifest.v1+json", 2) | {"annotations": name}
    layout = *blobs, ("index.json", index(top)), ("oci-layout", {"imageLayoutVersion": "1.0.0"})
    yield "old", archive(*old, ("manifest.json", listed("l/layer.tar")))
    for kind, target in (("symlink", "../l/layer.tar"), ("outside", "/proc/self/fd/99/canary"), ("upwards", "../../../../../proc/self/fd/99/canary")):
        yield kind, archive(*old, ("->m/layer.tar", target), ("manifest.json", listed("m/layer.tar")))
    yield "circle", archive(*old, ("->m", "n"), ("->n", "m"), ("manifest.json", listed("m")))
    yield "hard-link", archive(*old, ("=>m/layer.tar", "l/layer.tar"), ("manifest.json", listed("m/layer.tar")))
    yield "hard-link-outside", archive(*old, ("=>m", "../canary"), ("manifest.json", listed("m")))
    yield "config-outside", archive(*old, ("manifest.json", listed("l/layer.tar", Config="/proc/self/fd/99/canary")))
    yield "too-many-layers", archive(*old, ("manifest.json", listed("l/layer.tar", "l/layer.tar")))
    yield "layout", archive(*layout)
    yield "both", archive(*layout, ("manifest.json", listed(path + "0", Config=path + "1")))
    nested = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "sha256:@3", "size": "#3"}
    yield "nested", archive(*blobs, (path + "3", index(top, top)), ("index.json", index(nested, top)), layout[-1])
    yield "wrong-size", archive(*blobs, ("index.json", index(top | {"size": 1})), layout[-1])
    ids = ["a" * 64, "b" * 64]
    layer = lambda at, **more: ((f"{ids[at]}/layer.tar", "layer"), (f"{ids[at]}/json", {"id": ids[at], "os": "linux", **more}))
    names = lambda of: ("repositories", {"a": {"1": of}})
    yield "oldest", archive(*layer(0), *layer(1, parent=ids[0]), names(ids[1]))
    yield "oldest-circle", archive(*layer(0, parent=ids[1]), *layer(1, parent=ids[0]), names(ids[1]))
    yield "oldest-path", archive(*layer(0, parent="../../etc"), names("/etc"))


REFERENCES = [
    "busybox", "busybox:1.36", "docker.io/library/busybox:latest", "index.docker.io/a/b", "quay.io/a/b:1.2",
    "localhost/x", "localhost:5000/x:y", "[::1]:5000/a/b", "127.0.0.1:5000/a", f"a/b@{DIGEST}", f"a:t@{DIGEST}",
    "docker.io/localhost/x", "docker.io/library/localhost/x", "a__b/c-d.e_f", "A/b", "EXAMPLE.com/a", "ab" * 32,
    "docker.io/library/" + "ab" * 32, "a//b", "a:", "a@", "a:-b", "docker.io/a.b/c", "docker.io/library/a/b",
]

MOUNTS = [
    b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n",
    b"1 1 0:1 / / rw - rootfs rootfs rw\n2 1 0:22 / /a\\040b rw,relatime shared:1 master:2 - overlay rootlay:v ro,lowerdir+=/x\n",
    b"3 1 0:4 net:[4026531840] /run/ns rw - nsfs nsfs rw\n",
    b"4 1 0:5 / /t rw -  none rw\n",
    b"5 1 0:5 / /t rw - tmpfs  rw\n",
    b"6 1 0:5 / /\\134\\011\\012 rw - tmpfs a rw",
    b"7 1 0:5 / /\\777 rw - tmpfs a rw\n",
    b"8 1 0 / / rw - a b c\n",
    b"99999999999999999999 1 0:5 / /t rw - tmpfs a rw\n",
    b"\n",
]

NAMES = [
    b"a/b", b"./a//b/./c/", b"/", b"", b"a/../b", b"..", b"a/../../b", b"/../x", b".wh.x", b"d/.wh.x", b".wh.", b"d/.wh..",
    b"d/.wh...", b".wh..wh..opq", b"d/.wh..wh..opq", b".wh..wh..opq/x", b".wh..wh.plnk/1.2", b".wh..wh.aufs", b".wh.etc/f",
    b".wh..wh.x/.wh..wh..opq", b"a\0b", b"\xff\xfe/\x80", b"d" * 300, b"/".join([b"a"] * 70), b".wh.a/../b", b".wh.x/.",
]


def pieces(*entries):
    """Entries of the target `stack`: kind, name and target by number, and 255 between layers."""
    return b"".join(bytes(entry) for entry in entries)


FILE, DIR, SYMLINK, LINK, WHITEOUT, OPAQUE, OTHER = 0, 3, 6, 8, 10, 11, 14
# Numbers of names and of targets in fuzz/src/stack.rs.
A, A_B, A_B_C, B_C, D, D_X, S, S_X = 0, 1, 2, 5, 8, 9, 10, 11
TO_A, TO_A_B, TO_D, TO_TOP = 0, 1, 5, 8

STACKS = [
    pieces((DIR, A, 0), (FILE, A_B, 1), (255,), (WHITEOUT, A_B, 0)),
    pieces((FILE, A_B, 1), (255,), (WHITEOUT, A, 0), (DIR, A, 0), (FILE, A_B_C - 1, 2)),
    pieces((FILE, A_B, 1), (255,), (OPAQUE, A, 0), (FILE, A_B_C, 2)),
    pieces((FILE, A_B, 1), (255,), (OTHER, 0, 1), (FILE, B_C, 2)),
    pieces((DIR, D, 0), (FILE, D_X, 0), (SYMLINK, S, TO_D), (255,), (FILE, S_X, 3), (255,), (WHITEOUT, S_X, 0)),
    pieces((SYMLINK, S, TO_TOP), (FILE, S_X, 0), (255,), (FILE, 27, 0)),
    pieces((FILE, A, 1), (255,), (LINK, B_C, TO_A), (LINK, D_X, TO_A), (255,), (FILE, A, 2)),
    pieces((LINK, B_C, TO_A_B), (FILE, A_B, 0), (255,), (DIR, A_B, 0)),
    pieces((12, A, 0), (FILE, A, 0), (255,), (12, A, 0)),
    pieces((5, D, 0), (255,), (FILE, D_X, 0), (255,), (5, D, 1)),
    pieces((FILE, 20, 0)),
    pieces((FILE, D_X, 0), (255,), (FILE, D, 0), (255,), (FILE, D_X, 0)),
    pieces((FILE, D_X, 0), (255,), (12, D, 0), (OPAQUE, D, 0)),
]


def answers():
    challenge = b'401\nWWW-Authenticate: Bearer realm="https://auth.example/token",service="s",scope="repository:a/b:pull"\n\n'
    yield "challenge", challenge + b'{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}'
    yield "challenge-plain", b'401\nWWW-Authenticate: Bearer realm="http://auth.example/"\nWWW-Authenticate: Basic realm="x"\n\n'
    yield "token", b'200\n\n{"token":"t","expires_in":300}'
    yield "token-for-ever", b'200\n\n{"access_token":"t","expires_in":18446744073709551615}'
    yield "busy", b'429\nRetry-After: 7\n\n{"errors":[{"code":"TOOMANYREQUESTS"}]}'
    yield "busy-date", b"503\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\n\n"
    yield "busy-for-ever", b"503\nRetry-After: 18446744073709551615\n\n"
    yield "tags", b'200\nLink: </v2/a/b/tags/list?last=x&n=2>; rel="next"\n\n{"name":"a/b","tags":["1.36","1.37","latest"]}'
    yield "tags-elsewhere", b'200\nLink: <https://evil.example/v2/>; rel="next"\n\n{"tags":null}'
    yield "redirect", b"307\nLocation: https://cdn.example/blob?signature=x\n\n"
    yield "redirect-plain", b"302\nLocation: http://cdn.example/blob\n\n"
    yield "redirect-odd", b"308\nLocation: //\\@evil.example:0/..\n\n"
    yield "escape", b'400\n\n{"errors":[{"message":"a\\u001b[31mb\\u0000"}]}'
    yield "search", b'200\n\n{"results":[{"name":"busybox","star_count":1,"is_official":true,"is_automated":false}]}'


SETTINGS = [
    b'unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "docker.io"\nlocation = "mirror.example/hub"\n',
    b'[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "m.example:5000"\ninsecure = true\n'
    b'pull-from-mirror = "digest-only"\n',
    b'[[registry]]\nprefix = "*.example"\nblocked = true\n',
    b'[registries.insecure]\nregistries = ["localhost:5000"]\n[registries.block]\nregistries = ["registry.example"]\n',
    b'[[registry]]\nlocation = "a/../b"\n',
    b"[[registry]\n",
]

CREDENTIALS = [
    b'{"auths":{"registry.example":{"auth":"dXNlcjpwYXNz"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}',
    b'{"auths":{"registry.example/a":{"auth":"dXNlcjpwYXNz"},"localhost:5000":{"identitytoken":"t"}}}',
    b'{"registry.example":{"username":"u","password":"p"},"localhost:5000":{"registrytoken":"t"}}',
    b'{"auths":{"registry.example":{"auth":"bm9jb2xvbg=="}}}',
    b'{"auths":{"registry.example":[]}}',
    b'{"auths":5}',
    b"{",
]

FILTERS = [
    b"reference=busybox", b"reference=docker.io/**/b[a-z]sybox", b"reference=a\\*b?[^x]", b"reference=[", b"dangling=true",
    b"before=a:1", b"until=10m", b"until=2024-01-02T03:04:05Z", b"until=-9223372036854775808s", b"label=a=b", b"label!=a",
    b"platform=linux/arm/v7", b"id=sha256:ab", b"x=y", b"reference=" + b"*a" * 200,
]

TEMPLATES = [
    b"{{.ID}} {{json .}}", b"{{range $k, $v := .Labels}}{{$k}}={{$v}},{{else}}none{{end}}", b"{{printf \"%-10.3q|%08.3f\" .ID .Ratio}}",
    b"{{with .Config}}{{join .Env \" \"}}{{end}}", b"{{define \"x\"}}{{template \"x\" .}}{{end}}{{template \"x\" .}}",
    b"{{slice .ID 2 5}}{{index .Names 1}}{{len .Labels}}", b"{{if and .Ok (gt .Size 5)}}yes{{else if not .Ok}}no{{end}}",
    b"{{- /* c */ -}} {{`raw`}} {{'x'}} {{1e3}} {{0x1F}} {{upper .ID | lower | title}}", b"{{range .Names}}{{break}}{{continue}}{{end}}",
    b"table {{.ID}}\t{{.Size}}", b"{{.ID", b"{{" + b"(" * 300 + b"}}", b"{{printf \"%999999999d\" 1}}", b"{{pad .ID 1000000 1000000}}",
]


def main():
    targets = {
        "archive": archives(),
        "layer": layers(),
        "gunzip": streams(),
        "documents": documents(),
        "reference": ((f"{at:02}", text.encode()) for at, text in enumerate(REFERENCES)),
        "mountinfo": ((f"{at:02}", text) for at, text in enumerate(MOUNTS)),
        "registry": answers(),
        "stack": ((f"{at:02}", data) for at, data in enumerate(STACKS)),
        "settings": ((f"{at:02}", text) for at, text in enumerate(SETTINGS)),
        "credentials": ((f"{at:02}", text) for at, text in enumerate(CREDENTIALS)),
        "filter": ((f"{at:02}", text) for at, text in enumerate(FILTERS)),
        "template": ((f"{at:02}", text) for at, text in enumerate(TEMPLATES)),
        "whiteout": ((f"{at:02}", text) for at, text in enumerate(NAMES)),
    }
    for target, inputs in targets.items():
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for name, data in inputs:
            (CORPUS / target / name).write_bytes(data)


main()
