"""Texts for people."""

from sustainml_orchestrator.core.text import cause


def test_a_cause_has_no_numbers_paths_and_lines_of_code() -> None:
    assert cause(FileNotFoundError(2, "No such file or directory", "/x")) == (
        "No such file or directory"
    )
    assert cause(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")) == "it is no UTF-8 text"
    text = "error creating node: no peer a b , at /p/participant.cpp:234, at /p/rcl/node.c:252"
    assert cause(RuntimeError(text)) == "error creating node: no peer a b"
    assert cause(ValueError()) == "ValueError"
