"""Several tables as JSON and as Markdown."""

import json

from imgrec.reports.table_report import Table, to_json, to_markdown

TABLE = Table("Figures", ("Class", "Images"), [["cat | dog", "1"], ["a\nb", "2"]], "Two of them.")


def test_markdown_is_a_list_of_facts_and_a_section_for_each_table() -> None:
    text = to_markdown("A report", {"seed": 0, "versions": {"keras": "3"}}, [TABLE, TABLE])
    assert text.startswith("# A report\n\n- seed: 0\n- versions: keras 3\n\n## Figures\n\n| Class | Images |\n")
    assert text.count("| --- | --- |") == 2
    assert r"| cat \| dog | 1 |" in text
    assert "| a b | 2 |" in text
    assert text.endswith("\n\nTwo of them.\n")


def test_json_has_the_same() -> None:
    content = json.loads(to_json("A report", {"seed": 0}, [TABLE]))
    assert content["provenance"] == {"seed": 0}
    assert content["tables"][0]["rows"][0] == ["cat | dog", "1"]
