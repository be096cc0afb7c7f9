"""The process in which a second solver works: this file, run as a program that imports nothing of sendright's.

It reads questions from standard input: a line with a limit and a number of bytes, then so many bytes of SMT-LIB. It
writes one line for each: an answer, the processor time that it has used so far, and words. What the solver itself
writes goes to standard error.
"""

from __future__ import annotations

import os
import re
import sys
import time


def serve() -> None:
    """Answer until standard input ends."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import cvc5

    def say(answer: str, words: str = "") -> None:
        answers.write(f"{answer} {time.process_time()} {' '.join(words.split())}".strip().encode("utf-8", "replace") + b"\n")
        answers.flush()

    def answer(text: str, limit: int) -> tuple[str, str]:
        solver = cvc5.Solver(cvc5.TermManager())
        solver.setOption("rlimit-per", str(limit))
        parser = cvc5.InputParser(solver)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "question")
        symbols, told = parser.getSymbolManager(), []
        while not (command := parser.nextCommand()).isNull():
            told.append(str(command.invoke(solver, symbols)).strip())
        words = " ".join(filter(None, told))
        if words in ("sat", "unsat"):
            return words, ""
        if re.fullmatch(r"unknown( \(\w+\))?", words):  # cvc5 doesn't always say why
            return "unknown", f"limit {limit}"
        return "error", words or "no answer"

    say("ready", cvc5.__version__)
    while header := questions.readline():
        limit, length = map(int, header.split())
        text = questions.read(length)
        if len(text) < length:
            return
        try:
            say(*answer(text.decode(), limit))
        except Exception as error:  # what cvc5 raises has no common type
            say("error", str(error) or type(error).__name__)


if __name__ == "__main__":
    serve()
