"""What a journal may complain of."""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot be used; the text is one sentence that says why and what to do."""


class JournalInUse(JournalError):
    """Another process has it open."""


class Damaged(Exception):
    """The file is a journal, but not all of it can be believed. Never leaves this package."""
