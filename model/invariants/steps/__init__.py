"""The step properties, by subject. Importing this package declares them all."""

from sendright.model.invariants.steps import failures, ledgers, memory, messages, rights, tasks, tokens
from sendright.model.language.step_property import STEP_PROPERTIES

__all__ = ["STEP_PROPERTIES", "failures", "ledgers", "memory", "messages", "rights", "tasks", "tokens"]
