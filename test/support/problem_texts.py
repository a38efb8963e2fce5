"""Problem texts as the reference modules take them."""

from __future__ import annotations

from sustainml_msgs.msg import UserInput


class TextInputs:
    """The inputs of a module: a user's text alone."""

    def __init__(self, text: str) -> None:
        self.user_input = UserInput(problem_definition=text)
