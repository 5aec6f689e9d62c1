"""Screening: what is sensitive is found, what only looks like it is not, and masks keep places."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import uuid
from hashlib import md5, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.documents import Block, ParsedText
from include.errors import DocumentError
from include.parsing import parse
from include.screening import INDEX_ALL, KINDS, Finding, Policy, apply_policy, mask, screen
from include.settings import SENSITIVE_KINDS, Settings

# Put together here, so that no scanner takes this file for a leak.
AWS = "AKIA" + "QWERTYUIOPASDFGH"
GITHUB = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
KEY_BODY = "\n".join([base64.b64encode(bytes(range(48))).decode()] * 4)
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}\n-----END RSA PRIVATE KEY-----"


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


JWT = f"{_part({'alg': 'HS256'})}.{_part({'sub': '12'})}.{_part(bytes(range(32)))}"

SENSITIVE = [
    ("secrets", AWS),
    ("secrets", GITHUB),
    ("secrets", "github_pat_" + "a" * 22 + "_" + "b" * 59),
    ("secrets", "sk_live_" + "a1B2" * 6),
    ("secrets", "xoxb-" + "123456789012-" * 2 + "abcdefghijkl"),
    ("secrets", "AIza" + "Sy_-a" * 7),
    ("secrets", "npm_" + "a1" * 18),
    ("secrets", KEY),
    ("secrets", KEY.replace("\n", "\\n")),
    ("secrets", KEY.replace(" RSA", "").partition("\n-----END")[0]),
    ("secrets", JWT),
    ("cards", "4111111111111111"),
    ("cards", "4111 1111 1111 1111"),
    ("cards", "5555-5555-5555-4444"),
    ("cards", "3782 822463 10005"),
    ("cards", "2223003122003222"),
    ("ibans", "DE89370400440532013000"),
    ("ibans", "DE89 3704 0044 0532 0130 00"),
    ("ibans", "GB82 WEST 1234 5698 7654 32"),
    ("ibans", "NO93 8601 1117 947"),
    ("emails", "jane.doe+news@acme.co.uk"),
    ("emails", "jörg@müller.de"),
    ("phones", "+49 30 901820"),
    ("phones", "+1 (650) 253-0000"),
    ("phones", "+442070313000"),
]
HARMLESS = [
    *(str(uuid.UUID(int=n**21)) for n in range(40)),
    *(str(uuid.UUID(int=n**21)).replace("-", "").upper() for n in range(40)),
    *(sha256(b"%d" % n).hexdigest() for n in range(40)),
    *(md5(b"%d" % n).hexdigest().upper() for n in range(200)),
    *(base64.b64encode(sha256(b"%d" % n).digest() * 9).decode() for n in range(40)),
    "1.2.3.4 10.0.0.1/24 v2.31.4-rc1+build.20241121 numpy==2.4.6",
    "1732180000 1732180000000 1732180000000000 2026-11-21T09:27:02.123456789+00:00",
    "3.14159265358979323846264338327950288419716939937510",
    "0.4111111111111111 4111111111111111.5 1e4111111111111111 /orders/4111111111111111/",
    "4111111111111112 4111 1111 1111 1112 411111111111111111111111111111111",
    "12345678901234567890123456789012345678901234567890",
    "1000 2000 3000 4000 | 4000 5000 6000 7000 | 2024 2025 2026 2027",
    "DE89370400440532013001 XX82WEST12345698765432 DE8937040044053201300 GB82WEST123456987654321",
    "user@example.com someone@example.org root@localhost a@b.invalid admin@printer.local",
    "git@github.com:owner/name.git icon@2x.png @pytest.fixture x @ y a@b numpy@1.2 foo@bar.baz_",
    "https://user:password@host/ https://user:${PASSWORD}@host/ https://bob:<secret>@host/ "
    "https://u:****@host/ redis://localhost:6379/0 http://[::1]:80/ see https://a.b/c:d@e",
    "AKIAIOSFODNN7EXAMPLE is the access key of AWS's documentation",
    "A file begins with -----BEGIN RSA PRIVATE KEY----- and ends with -----END RSA PRIVATE KEY-----.",
    "-----BEGIN PUBLIC KEY-----\n" + KEY_BODY + "\n-----END PUBLIC KEY-----",
    "x" + AWS + "z" + GITHUB.replace("_", "+ghp_") + "9",
    "-----BEGIN PRIVATE KEY-----\n(put the content of your own key here, line by line, please)\n"
    "-----END PRIVATE KEY-----",
    "eyJ" + "abcdefghijklm" + ".eyJ" + "nopqrst",
    "password = 'hunter2'; api_key: YOUR_API_KEY; token=<token>; eyJust.eyJoking.a",
    "Call extension 4711, room 0815; +1 vote, +100 points, 2+2=4, x+1234, C++ 17, +0.5",
    "ISBN 978-3-16-148410-0, ISSN 2049-3630, EAN 4006381333931, 15:30-16:45, 2024/11/21",
    "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661",
]


@pytest.mark.parametrize("text", ["{}", "See {}, please.", "“{}”", "a\n{}\nb", "key={}", '"{}"'])
@pytest.mark.parametrize(("kind", "value"), SENSITIVE)
def test_what_is_sensitive_is_found_exactly(kind, value, text):
    held = text.format(value)
    start = held.index(value)
    assert screen(held) == [Finding(kind, start, start + len(value))]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_sensitive_is_left_alone(text):
    assert screen(text) == []


def test_only_the_password_of_a_url_is_a_secret():
    text = "see postgres://ann:tr0ub4dor@db.acme.com:5432/app"
    assert [text[f.start : f.end] for f in screen(text)] == ["tr0ub4dor"]


def test_national_phone_numbers_need_their_region_and_groups():
    text = "Call (650) 253-0000 or 6502530000; the share is 0.6502530000."
    assert screen(text) == []
    found = screen(text, phone_regions=("US",))
    assert [text[f.start : f.end] for f in found] == ["(650) 253-0000"]


def test_a_value_inside_another_is_one_finding_of_the_more_important_kind():
    text = "mail ops@" + GITHUB.replace("_", "") + ".com or https://x:" + GITHUB + "@acme.com"
    assert [f.kind for f in screen(text)] == ["emails", "secrets"]


def test_only_the_kinds_asked_for_are_found():
    text = " ".join(value for _, value in SENSITIVE)
    for kind in KINDS:
        assert {finding.kind for finding in screen(text, [kind])} == {kind}


def test_a_secret_far_down_a_single_huge_line_is_found():
    text = "x" * 7_990 + " " + AWS + " " + "y" * 10_000 + "\n" + "z, " * 9_000 + GITHUB
    assert [text[f.start : f.end] for f in screen(text)] == [AWS, GITHUB]


@pytest.mark.parametrize("at", range(3_970, 4_010, 3))
def test_a_secret_where_a_long_line_is_cut_is_found_once(at):
    text = "," * at + GITHUB + "," * 5_000
    assert screen(text) == [Finding("secrets", at, at + len(GITHUB))]


@pytest.mark.parametrize(
    "piece",
    ["//", "eyJ", "sk-a", "://a:", "+1", "12 34 ", "a@", "a@b.", "DE89 3704 ", "4111 1111 ",
     "-----BEGIN PRIVATE KEY-----\n", "(", "[\"", "\ud800", "\0", "🙂", "aws key "],
)  # fmt: skip
def test_text_made_to_be_slow_takes_time_in_proportion(piece):
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    screen(text)
    assert time.process_time() - started < 20


@given(st.text("4 1-+@.:/eyJ\nDE893704é\ud800", max_size=300))
def test_findings_of_any_text_are_in_order_apart_and_inside(text):
    at = 0
    for finding in screen(text):
        assert at <= finding.start < finding.end <= len(text)
        at = finding.end


# -- masks ---------------------------------------------------------------------------------------

MARKDOWN = f"""---
title: Contact jane@acme.com
owners: [jane@acme.com, team]
year: 2024
---
# Card 4111 1111 1111 1111

Write to jane@acme.com or bob@acme.com.

    token = "{GITHUB}"

The end.
"""


def _parsed() -> ParsedText:
    return parse("x.md", MARKDOWN.encode())


def test_a_mask_names_the_kind_and_blocks_keep_their_places():
    masked = apply_policy(_parsed(), Policy(masked=frozenset(KINDS)))
    assert [(b.kind, masked.text[b.start : b.end]) for b in masked.blocks] == [
        ("heading", "Card [cards]"),
        ("paragraph", "Write to [emails] or [emails]."),
        ("code", 'token = "[secrets]"'),
        ("paragraph", "The end."),
    ]


def test_title_and_metadata_are_masked_too():
    masked = apply_policy(_parsed(), Policy(masked=frozenset({"emails"})))
    assert masked.title == "Contact [emails]"
    assert masked.metadata["owners"] == ["[emails]", "team"]
    assert masked.metadata["year"] == 2024


def test_a_finding_over_several_blocks_is_one_mask():
    head, middle, tail = "See -----BEGIN PRIVATE KEY-----", KEY_BODY, "-----END PRIVATE KEY----- ok"
    text = "\n\n".join([head, middle, tail])
    second, third = len(head) + 2, len(head) + len(middle) + 4
    blocks = (
        Block("paragraph", 0, len(head)),
        Block("code", second, second + len(middle)),
        Block("paragraph", third, len(text)),
    )
    masked = mask(ParsedText(text, blocks, pages=(0, second, third)), screen(text))
    assert masked.text == "See [secrets] ok"
    assert [masked.text[b.start : b.end] for b in masked.blocks] == ["See [secrets]", " ok"]
    assert masked.pages == (0, 13, 13)


def test_nothing_found_changes_nothing():
    parsed = _parsed()
    assert mask(parsed, []) is parsed
    assert apply_policy(parsed, INDEX_ALL) is parsed


@given(st.lists(st.sampled_from(["a@acme.com", "4111111111111111", "word", "+442070313000"]),
                min_size=1, max_size=12))  # fmt: skip
def test_masked_blocks_are_the_blocks_masked_one_by_one(values):
    text = "\n\n".join(f"-{value}-" if value == "word" else f"({value})" for value in values)
    blocks, pages, at = [], [], 0
    for part in text.split("\n\n"):
        blocks.append(Block("paragraph", at, at + len(part)))
        pages.append(at)
        at += len(part) + 2
    masked = mask(ParsedText(text, tuple(blocks), pages=tuple(pages)), screen(text))
    alone = [mask(ParsedText(part, ()), screen(part)).text for part in text.split("\n\n")]
    assert [masked.text[b.start : b.end] for b in masked.blocks] == alone
    assert masked.pages == tuple(block.start for block in masked.blocks)
    assert "\n\n".join(alone) == masked.text


# -- the policy ----------------------------------------------------------------------------------


def test_quarantine_tells_how_many_of_which_kind_but_never_what():
    policy = Policy(masked=frozenset({"cards"}), quarantined=frozenset({"emails", "secrets"}))
    with pytest.raises(DocumentError) as caught:
        apply_policy(_parsed(), policy)
    assert caught.value.reason == "sensitive_content"
    assert "secrets: 1, emails: 5" in caught.value.detail
    assert not any(value in str(caught.value) for value in ("acme", GITHUB, "4111"))


def test_what_a_policy_indexes_stays():
    masked = apply_policy(_parsed(), Policy(masked=frozenset({"phones"})))
    assert masked == _parsed()


def _policy(uri: str, **environment: str) -> Policy:
    both = "file:///hr file:///wiki"
    settings = Settings.from_environment({"RAG_SOURCE_URI": both, **environment})
    return Policy.for_source(uri, settings.screening)


def test_without_a_setting_everything_is_indexed():
    assert _policy("file:///hr") == INDEX_ALL


def test_a_rule_for_a_source_comes_before_that_for_all():
    rules = "secrets=quarantine emails=mask file:///hr:emails=index file:///hr/:phones=mask"
    hr = _policy("file:///hr", RAG_SENSITIVE=rules, RAG_PHONE_REGIONS="DE")
    assert _policy("file:///hr", RAG_LANGUAGES="en de").languages == ("en", "de")
    assert (hr.masked, hr.quarantined, hr.phone_regions) == ({"phones"}, {"secrets"}, ("DE",))
    wiki = _policy("file:///wiki", RAG_SENSITIVE=rules)
    assert (wiki.masked, wiki.quarantined) == ({"emails"}, {"secrets"})


def test_settings_know_every_kind():
    assert SENSITIVE_KINDS == KINDS


def test_a_policy_is_named_by_what_it_does():
    assert INDEX_ALL.id == ""
    assert Policy(phone_regions=("US",)).id == ""
    policies = [
        Policy(masked=frozenset({"phones"})),
        Policy(masked=frozenset({"phones"}), phone_regions=("US",)),
        Policy(quarantined=frozenset({"phones"})),
        Policy(masked=frozenset({"cards"})),
        Policy(languages=("en",)),
    ]
    assert len({policy.id for policy in policies}) == len(policies)


def test_a_document_that_a_person_released_is_masked_instead_of_refused():
    policy = Policy(quarantined=frozenset({"secrets"}), languages=("de",)).released()
    assert "[secrets]" in apply_policy(_parsed(), policy).text
    assert policy.languages == ()


def test_a_policy_that_indexes_everything_loads_no_detector():
    check = (
        "import sys; from include.documents import ParsedText; from include.screening import *;"
        "apply_policy(ParsedText('a@acme.com', ()), INDEX_ALL);"
        "sys.exit(any(m in sys.modules for m in ('detect_secrets', 'phonenumbers', 'validators')))"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
