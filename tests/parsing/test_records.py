"""Files of records: good rows are documents, bad rows are told by line, none takes another along."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import DocumentError
from include.parsing.records import Record, RecordRules, read_records

RULES = RecordRules()


def read(name: str, raw: bytes | str, rules: RecordRules = RULES) -> list[Record]:
    return list(read_records(name, raw.encode() if isinstance(raw, str) else raw, rules))


def good(records: list[Record]) -> dict[str, str]:
    return {record.id: record.parsed.text for record in records if record.parsed}


def bad(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.reason, record.detail) for record in records if record.parsed is None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_row_is_a_document_whatever_the_delimiter(delimiter):
    lines = [["id", "title", "text", "year"], ["a", "First", "One text.", "2024"],
             ["b", "Second", "Another, longer text.", "2025"]]  # fmt: skip
    quoted = "\r\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    records = read("x.csv", quoted)
    assert good(records) == {"a": "One text.", "b": "Another, longer text."}
    assert records[0].parsed.title == "First"
    assert records[0].parsed.metadata == {"year": "2024"}


def test_columns_are_chosen_by_the_rules():
    rules = RecordRules(id="sku", title="label", text=("short", "long"), metadata=("price",))
    raw = "sku,label,short,long,price,cost\n1,Nut,Small.,A nut.\n2,Bolt,Big.,A bolt.,3,1\n"
    records = read("x.csv", raw, rules)
    assert good(records) == {"2": "Big.\n\nA bolt."}
    assert records[1].parsed.metadata == {"price": "3"}
    assert bad(records) == [("malformed_row", "Line 2 has 4 cells, the header 6.")]


def test_without_a_text_column_every_column_is_told():
    assert good(read("x.csv", "id,city,people\n1,Ulm,126000\n")) == {
        "1": "city: Ulm\npeople: 126000"
    }


def test_a_missing_column_is_named_with_those_there_are():
    with pytest.raises(DocumentError, match=r"no column 'body'.*id, text") as caught:
        read("x.csv", "id,text\n1,a\n", RecordRules(text=("body",)))
    assert caught.value.reason == "missing_column"


def test_a_lost_quotation_mark_takes_no_other_row_with_it():
    raw = 'id,text\n1,fine\n2,"lost\n3,also fine\n4,"two\nlines"\n'
    records = read("x.csv", raw)
    assert good(records) == {"1": "fine", "3": "also fine", "4": "two\nlines"}
    assert [reason for reason, _ in bad(records)] == ["malformed_row"]
    assert "Line 3" in bad(records)[0][1]


def test_json_lines_are_read_one_by_one():
    raw = '{"id": 1, "body": "One."}\n\nnonsense\n[2]\n{"id": 3, "body": "Three.", "tags": ["x"]}\n'
    records = read("x.jsonl", raw)
    assert good(records) == {"1": "One.", "3": "Three."}
    assert [detail.split(" is ")[0] for _, detail in bad(records)] == [
        "Line 3",
        "Line 4 should be a JSON object.",
    ]
    assert records[-1].parsed.metadata == {"tags": ["x"]}


def test_a_parquet_file_is_read_and_a_broken_one_is_told():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": [7, 8], "content": ["Seven.", ""]}), buffer)
    records = read("x.parquet", buffer.getvalue())
    assert good(records) == {"7": "Seven."}
    assert bad(records) == [("no_text", "Line 2 has no text.")]
    with pytest.raises(DocumentError, match="no readable Parquet file") as caught:
        read("x.parquet", buffer.getvalue()[:-20])
    assert caught.value.reason == "malformed"


def test_a_repeated_id_is_told_and_a_repeated_row_is_kept():
    records = read("x.csv", "id,text\n1,first\n1,second\n")
    assert good(records) == {"1": "first"}
    assert bad(records)[0][0] == "duplicate_row_id"
    twice = read("x.csv", "name,text\na,same\na,same\n")
    assert len(good(twice)) == 2


def test_a_row_without_the_chosen_id_is_told():
    records = read("x.csv", "sku,text\n,nameless\n5,named\n", RecordRules(id="sku"))
    assert good(records) == {"5": "named"}
    assert bad(records)[0][0] == "missing_id"


@pytest.mark.parametrize("raw", ["", " \n", ",x\n1,2\n", "a,a\n1,2\n"])
def test_a_file_whose_header_lacks_what_was_asked_for_is_told(raw):
    with pytest.raises(DocumentError) as caught:
        read("x.csv", raw, RecordRules(text=("a",)))
    assert caught.value.reason in ("empty", "malformed")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Report,,\nTeam,Wins,Cups\nMaple,45,13\n", "Report\nTeam | Wins | Cups\nMaple | 45 | 13"),
        ("a,a\n1,2\n", "a | a\n1 | 2"),
        ("Lorem, ipsum\ndolor\nsit\namet\n", "Lorem | ipsum\ndolor\nsit\namet"),
    ],
)
def test_a_file_that_only_looks_like_records_is_one_table(raw, text):
    [record] = read("x.csv", raw)
    assert (record.id, record.parsed.text) == ("", text)
    assert [block.kind for block in record.parsed.blocks] == ["table"]


def test_a_row_without_an_id_column_keeps_its_name_when_others_come_before_it():
    before = read("x.csv", "name,text\nb,two\n")
    after = read("x.csv", "name,text\na,one\nb,two\n")
    assert before[0].id == after[1].id


@given(st.lists(st.fixed_dictionaries({"id": st.text(), "text": st.text(), "n": st.integers()})))
def test_every_line_of_json_is_accounted_for_once(rows):
    records = read("x.jsonl", "\n".join(json.dumps(row) for row in rows)) if rows else []
    assert len(records) == len(rows)
    assert len({record.id for record in records}) == len(rows)


@given(st.binary(max_size=300))
def test_no_bytes_make_another_error_than_ours(raw):
    for name in ("x.csv", "x.jsonl", "x.tsv"):
        try:
            records = read(name, b"id,text\n" + raw)
        except DocumentError:
            continue
        assert len({record.id for record in records}) == len(records)
