"""What counts as a credential, and texts of others made fit to be shown."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainml_orchestrator.contract.payloads import without_credentials
from sustainml_orchestrator.core import credentials
from sustainml_orchestrator.core.text import exception_text, printable

SECRET = [
    "token", "hf_token", "hfToken", "HF-TOKEN", "accessToken", "password", "db_password", "passwd",
    "userPwd", "client_secret", "secretKey", "api_key", "apiKey", "X-API-Key", "credential",
    "aws_credentials", "Authorization", "proxy-authorization", "auth", "private_key", "privateKey",
    "accessKey", "AWS_ACCESS_KEY_ID", "passphrase", "API key", "hf.token", "Private Key",
    "pass word", "Set-Cookie", "X-Auth", "ssh_key", "connectionString", "session_jwt",
]  # fmt: skip
PLAIN = [
    "tokenizer", "max_tokens", "tokens", "author", "authors", "key", "keyboard", "goal", "metric",
    "model_restrains", "hardware_required", "primary_key", "pass", "private",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRET)
def test_these_keys_hold_credentials(key: str) -> None:
    assert credentials.is_credential(key)
    data = {"note": 1, "deep": [{key: {"a": 1}}]}
    assert credentials.strip(data) == ({"note": 1, "deep": [{}]}, True)
    assert credentials.only({key: 1, "note": 2}) == {key: 1}


@pytest.mark.parametrize("key", PLAIN)
def test_these_do_not(key: str) -> None:
    assert credentials.strip({key: "value"}) == ({key: "value"}, False)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("https://me:s3cret@host/x", "https://host/x"),
        ("see git+ssh://u:p%40q@h:22/r, and ftp://:p@h", "see git+ssh://h:22/r, and ftp://h"),
        ("https://me@host/x", "https://me@host/x"),
        ("https://host:8080/a@b:c", "https://host:8080/a@b:c"),
        ("12:30@noon", "12:30@noon"),
        ("https://h/x?user=a&access_token=s3cret&b=1", "https://h/x?user=a&access_token=…&b=1"),
        ("401: hf_abcdefghijklmnopqrstuv is no token", "401: … is no token"),
        ("header Authorization: Bearer abc.def was refused", "header Authorization: … was refused"),
        ("sent {'Authorization': 'Basic dTpw', 'a': 1}", "sent {'Authorization': '…', 'a': 1}"),
        ("bearer 0123456789abcdef0 is over", "bearer … is over"),
        ("{'api_key': 's3cret', 'name': 'x'}", "{'api_key': '…', 'name': 'x'}"),
        ("DB_PASSWORD=s3cret python x.py --n=3", "DB_PASSWORD=… python x.py --n=3"),
        ("login(token=b's3cret', n=1)", "login(token=b'…', n=1)"),
        ("a password='my s3cret', b", "a password='…', b"),
        ('sent {\\"hf_token\\": \\"s3cret\\"}', 'sent {\\"hf_token\\": \\"…\\"}'),
        ('{"error": "refused, hf_token=s3cret b"}', '{"error": "refused, hf_token=… b"}'),
        ("{'a': 'password: s3cret'}; b=hf_token=s3cret", "{'a': 'password: …'}; b=hf_token=…"),
        ("hf_token: b1234567", "hf_token: …"),
        ("password: s3cret of the user", "password: … of the user"),
        ("hf_token: s3cret1 region: DE", "hf_token: … region: DE"),
        ("api_key = s3cret", "api_key = …"),
        ("a%26hf_token%3Ds3cret", "a%26hf_token%3D…"),
        ("tool --password s3cret! -v", "tool --password … -v"),
        ("Command ['tool', '--api-key', 's3cret1']", "Command ['tool', '--api-key', '…']"),
        ("Authorization: Token s3cret was refused", "Authorization: … was refused"),
        ("with Set-Cookie: a=s3cret; b=s3cret; Secure", "with Set-Cookie: …"),
        ("https://me:p@s3cret@h/x", "https://h/x"),
        ("https://h/x?sv=1&sig=s3cret&b=1", "https://h/x?sv=1&sig=…&b=1"),
        ("https://h/x?X-Amz-Signature=s3cret", "https://h/x?X-Amz-Signature=…"),
        ("glpat-abcdefghijklmnopqrst, github_pat_11ABCDEFG0123456789_ab", "…, …"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3", "…"),
        ("-----BEGIN PRIVATE KEY----- MIIs3cret -----END", "-----BEGIN PRIVATE KEY-----…-----END"),
        (
            "eyJoZl90b2tlbiI6ICJzM2NyZXQifQ== eyJub3RlIjogInRoaXMgaXMga2VwdCJ9",
            "… eyJub3RlIjogInRoaXMgaXMga2VwdCJ9",
        ),
        ("no password: try; --token needs one", "no password: try; --token needs one"),
        ("unexpected token: identifier; token == x", "unexpected token: identifier; token == x"),
        ("unexpected token: '<' at 3; max_tokens=4", "unexpected token: '<' at 3; max_tokens=4"),
    ],
)
def test_credentials_in_texts_are_left_out(text: str, plain: str) -> None:
    assert credentials.scrub(text) == plain == printable(text)
    assert credentials.strip([text]) == ([plain], text != plain)


@pytest.mark.parametrize(
    "part", ["-", "a", "a='", "'a", "--token ", "token: ", "eyJ", "cookie: a=b;", "\\'", "a:@"]
)
def test_no_text_takes_long(part: str) -> None:
    text = f"auth ://{part * 50_000}"
    began = time.process_time()
    credentials.scrub(text)
    assert time.process_time() - began < 5.0


def test_names_are_looked_into_as_values_are() -> None:
    data = {"https://k:s3cret@h": 1, "hf_abcdefghijklmnopqrstuv": {"note": 2}}
    assert credentials.strip(data) == ({"https://h": 1, "…": {"note": 2}}, True)


def test_json_in_texts_is_looked_into() -> None:
    inner = json.dumps({"hf_token": "s3cret", "note": json.dumps([{"api_key": "s3cret"}])})
    plain, removed = credentials.strip({"request": inner})
    assert removed and "s3cret" not in json.dumps(plain) and "note" in plain["request"]


def test_json_of_a_text_in_json_is_looked_into() -> None:
    text = json.dumps(json.dumps({"hf_token": "s3cret", "note": 1}))
    assert json.loads(json.loads(credentials.strip([text])[0][0])) == {"note": 1}
    assert credentials.strip([f" {json.dumps({'hf_token': 's3cret'})}"]) == (["{}"], True)


@pytest.mark.parametrize("name", ["name", "key"])
def test_a_pair_of_name_and_value_is_a_credential_by_its_name(name: str) -> None:
    pair = {name: "HF_TOKEN", "value": "s3cret"}
    assert credentials.strip({"env": [pair]}) == ({"env": [{name: "HF_TOKEN"}]}, True)
    assert credentials.strip({name: "LANG", "value": "C"}) == ({name: "LANG", "value": "C"}, False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_bytes_are_looked_into_in_every_encoding_of_json(encoding: str) -> None:
    data = json.dumps({"hf_token": "s3cret", "note": 1}).encode(encoding)
    assert json.loads(data)["note"] == 1  # whoever shows them can read them
    assert json.loads(without_credentials(data)) == {"note": 1}


names = st.sampled_from([*SECRET, *PLAIN]) | st.text(max_size=12)
values = st.recursive(
    st.integers() | st.text(max_size=9) | st.just("https://a:b@c"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(names, values, max_size=4), st.booleans())
def test_what_holds_some_is_always_looked_at(data: dict[str, object], ascii_only: bool) -> None:
    plain, removed = credentials.strip(data)
    serialized = json.dumps(data, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert credentials.may_hold(serialized) or not removed
    assert credentials.strip(plain) == (plain, False)


@given(st.text())
def test_any_text_becomes_printable(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066"]
    assert len(shown) <= 2000
    shown.encode()
    assert printable(shown) == shown


def test_escape_sequences_are_shown_and_lines_are_joined() -> None:
    assert printable("\x1b]0;owned\x07a\nb\tc\u202ed") == r"\x1b]0;owned\x07a b c\u202ed"
    assert printable("x" * 3000) == "x" * 1999 + "…"


def test_a_traceback_keeps_its_lines_and_nothing_that_does_harm() -> None:
    try:
        raise ValueError("\x1b[2J of https://me:s3cret@host")
    except ValueError:
        text = exception_text()
    assert text.startswith("Traceback") and text.count("\n") >= 3
    assert "\x1b" not in text and r"\x1b[2J" in text and "s3cret" not in text
