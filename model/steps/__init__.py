"""The step properties, by what they speak of. Importing this declares them all."""

from sendright.model.step_property import STEP_PROPERTIES
from sendright.model.steps import failures, ledgers, memory, messages, rights, tasks, tokens

__all__ = ["STEP_PROPERTIES", "failures", "ledgers", "memory", "messages", "rights", "tasks", "tokens"]
